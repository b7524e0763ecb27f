package broker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

// What was acknowledged is there after a restart on the same port: records, settings of topics, committed offsets.
func TestRestart(t *testing.T) {
	t.Parallel()
	for _, noSync := range []bool{false, true} {
		o := broker.Options{DataDir: t.TempDir(), NoSync: noSync}
		b, err := broker.Start(o)
		if err != nil {
			t.Fatal(err)
		}
		o.Listen = b.Addr()
		client := kafkatest.NewClient(t, kafka.Config{Brokers: []string{b.Addr()}})
		spec := []kafka.TopicSpec{{Name: "a", Partitions: 2, Config: map[string]string{"cleanup.policy": "compact"}}}
		if _, err := client.CreateTopics(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			if err := client.Produce(t.Context(), kafka.Message{Topic: "a", Partition: 1, Key: fmt.Append(nil, i), Value: []byte("x")}); err != nil {
				t.Fatal(err)
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			if b, err = broker.Start(o); err != nil {
				t.Fatal(err)
			}
			if b.Addr() != o.Listen {
				t.Errorf("the address became %s, was %s", b.Addr(), o.Listen)
			}
			n := 0
			if err := client.ReadPartition(t.Context(), "a", 1, func(*kafka.Message) error { n++; return nil }); err != nil || n != i+1 {
				t.Errorf("%d records after restart %d, %v", n, i+1, err)
			}
		}
		if diffs, err := client.VerifyTopics(t.Context(), spec); err != nil || len(diffs) > 0 {
			t.Errorf("the topic changed: %v, %v", diffs, err)
		}
		_ = client.Close()
		_ = b.Close()
	}
}

func TestDirectoryIsLocked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, err := broker.Start(broker.Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := broker.Start(broker.Options{DataDir: dir}); err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second broker on the same directory: %v", err)
	}
	if err := errors.Join(b.Close(), b.Close()); err != nil {
		t.Error(err)
	}
	again, err := broker.Start(broker.Options{DataDir: dir})
	if err != nil {
		t.Fatalf("after the first ended: %v", err)
	}
	_ = again.Close()
}

func TestListenFaults(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	if _, err := broker.Start(broker.Options{Listen: l.Addr().String(), DataDir: dir}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a port that is taken: %v", err)
	}
	if _, err := broker.Start(broker.Options{Listen: "nonsense"}); err == nil || !strings.Contains(err.Error(), "host:port") {
		t.Errorf("an address without a port: %v", err)
	}
	b, err := broker.Start(broker.Options{DataDir: dir}) // the failed start let go of it
	if err != nil {
		t.Fatal(err)
	}
	_ = b.Close()
}

func TestLog(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	b, err := broker.Start(broker.Options{Logger: slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	client := kafkatest.NewClient(t, kafka.Config{Brokers: []string{b.Addr()}})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := client.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	_ = client.Close()
	_ = b.Close()
	if strings.Contains(buf.String(), "level=INFO") || strings.Contains(buf.String(), "level=WARN") {
		t.Errorf("the broker's chatter is not at Debug:\n%s", buf.String())
	}
}
