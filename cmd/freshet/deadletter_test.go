package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/ingest/deadletter"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
)

// postOffice is a Kafka with dead letters, and the command that looks at them.
type postOffice struct {
	t      *testing.T
	client *kafka.Client
	config string
}

func newPostOffice(t *testing.T) *postOffice {
	t.Helper()
	b, err := broker.Start(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	o := &postOffice{t: t, config: filepath.Join(t.TempDir(), "freshet.yaml")}
	if err := os.WriteFile(o.config, []byte("kafka: {brokers: ["+b.Addr()+"]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o.client, err = kafka.New(kafka.Config{Brokers: []string{b.Addr()}}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.client.Close() })
	return o
}

// open makes the topics and the letters.
func (o *postOffice) open() {
	o.t.Helper()
	_, err := o.client.CreateTopics(o.t.Context(), []kafka.TopicSpec{
		{Name: "freshet.dead_letter", Partitions: 1}, {Name: "orders", Partitions: 2}, {Name: "otlp_logs", Partitions: 1},
	})
	if err != nil {
		o.t.Fatal(err)
	}
	day := func(n int) time.Time { return time.Date(2026, 5, n, 12, 0, 0, 0, time.UTC) }
	bad := func(at time.Time, topic string, partition int32, offset int64, fault ingest.Fault, value string, headers ...kafka.Header) {
		m := deadletter.Wrap("freshet.dead_letter", &kafka.Message{
			Topic: topic, Partition: partition, Offset: offset, Time: at, Key: []byte("k\x1b[2J"), Value: []byte(value), Headers: headers,
		}, &ingest.DecodeError{Fault: fault, Format: "json", Message: "found \x1b[31m" + value[:1]})
		m.Time = at
		if err := o.client.Produce(o.t.Context(), m); err != nil {
			o.t.Fatal(err)
		}
	}
	bad(day(1), "orders", 1, 7, ingest.Malformed, "{broken")
	bad(day(2), "orders", 0, 3, ingest.TooLarge, strings.Repeat("z", 1000))
	bad(day(3), "orders", 1, 9, ingest.Malformed, "[1,2", kafka.Header{Key: "trace\x1b", Value: "a\x07b"})
	bad(day(4), "otlp_logs", 0, 0, ingest.Truncated, "\x00\x01\x1b]0;title\x07")
	bad(day(5), "orders", 1, 12, ingest.Malformed, "again", kafka.Header{Key: "freshet.replays", Value: "1"})
}

// run runs freshet dead-letter and returns what it prints.
func (o *postOffice) run(args ...string) (string, error) {
	o.t.Helper()
	var out bytes.Buffer
	root := rootCommand()
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append([]string{"dead-letter", "--config", o.config}, args...))
	err := root.ExecuteContext(o.t.Context())
	return out.String(), err
}

// must is run for what has to succeed.
func (o *postOffice) must(args ...string) string {
	o.t.Helper()
	out, err := o.run(args...)
	if err != nil {
		o.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return out
}

// expectLines compares what is printed with lines; runs of spaces count as one.
func expectLines(t *testing.T, got, want string) {
	t.Helper()
	clean := func(s string) string {
		var lines []string
		for line := range strings.Lines(s) {
			lines = append(lines, strings.Join(strings.Fields(line), " "))
		}
		return strings.TrimSpace(strings.Join(lines, "\n"))
	}
	if clean(got) != clean(want) {
		t.Errorf("printed\n%s\nwant\n%s", clean(got), clean(want))
	}
}

func TestDeadLetterList(t *testing.T) {
	o := newPostOffice(t)
	if _, err := o.run("list"); err == nil || !strings.Contains(err.Error(), "freshet.dead_letter does not exist") {
		t.Errorf("error %v without the topic", err)
	}
	o.open()
	expectLines(t, o.must("list"), `
		TOPIC KIND RECORDS REPLAYED CAME BACK FIRST LAST
		orders malformed 3 0 1 2026-05-01T12:00:00Z 2026-05-05T12:00:00Z
		orders too_large 1 0 0 2026-05-02T12:00:00Z 2026-05-02T12:00:00Z
		otlp_logs truncated 1 0 0 2026-05-04T12:00:00Z 2026-05-04T12:00:00Z

		NEWEST AT ERROR
		orders/1@12 2026-05-05T12:00:00Z (came back after 1 replay) decoding json: found �[31ma
		orders/1@9 2026-05-03T12:00:00Z decoding json: found �[31m[
		orders/1@7 2026-05-01T12:00:00Z decoding json: found �[31m{
		orders/0@3 2026-05-02T12:00:00Z decoding json: found �[31mz
		otlp_logs/0@0 2026-05-04T12:00:00Z decoding json: found �[31m�`)
	expectLines(t, o.must("list", "--topic", "orders", "--kind", "malformed", "--since", "2026-05-02T00:00:00Z", "--examples", "0"), `
		TOPIC KIND RECORDS REPLAYED CAME BACK FIRST LAST
		orders malformed 2 0 1 2026-05-03T12:00:00Z 2026-05-05T12:00:00Z`)
	expectLines(t, o.must("list", "--topic", "nothing"), "no dead letters")
	var groups []struct {
		Topic, Kind string
		Records     int
		First, Last time.Time
		Newest      []struct{ ID, Error string }
	}
	if err := json.Unmarshal([]byte(o.must("list", "--json", "--examples", "1")), &groups); err != nil {
		t.Fatal(err)
	}
	if len(groups) != 3 || groups[0].Records != 3 || groups[0].First.Day() != 1 || len(groups[0].Newest) != 1 || groups[0].Newest[0].ID != "orders/1@12" {
		t.Errorf("groups %+v", groups)
	}
	if got := strings.TrimSpace(o.must("list", "--json", "--topic", "nothing")); got != "[]" {
		t.Errorf("no letters as JSON: %s", got)
	}
	for flag, hint := range map[string]string{"--kind=broken": "too_large", "--since=yesterday": "7d"} {
		if _, err := o.run("list", flag); err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("%s: %v, expected a hint of %s", flag, err, hint)
		}
	}
}

func TestDeadLetterShow(t *testing.T) {
	o := newPostOffice(t)
	o.open()
	expectLines(t, o.must("show", "orders/1@9"), `
		id orders/1@9
		error decoding json: found �[31m[
		kind malformed
		set aside 2026-05-03T12:00:00Z
		recorded 2026-05-03T12:00:00Z
		letter freshet.dead_letter/0@2
		key "k\x1b[2J", 5 bytes
		header "trace\x1b" = "a\ab"
		value 4 bytes
		00000000 5b 31 2c 32 |[1,2|`)
	large := o.must("show", "orders/0@3", "--bytes", "32")
	if !strings.Contains(large, "968 bytes more") || strings.Count(large, "|") != 4 {
		t.Errorf("a large value is shown as\n%s", large)
	}
	for _, id := range []string{"otlp_logs/0@0", "orders/1@12"} {
		if out := o.must("show", id); strings.ContainsAny(out, "\x00\x07\x1b") {
			t.Errorf("%s steers the terminal:\n%q", id, out)
		}
	}
	if got := o.must("show", "otlp_logs/0@0", "--raw"); got != "\x00\x01\x1b]0;title\x07" {
		t.Errorf("raw value %q", got)
	}
	for id, hint := range map[string]string{"orders/1@8": "list", "orders": "orders/0@1234"} {
		if _, err := o.run("show", id); err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("%s: %v, expected a hint of %s", id, err, hint)
		}
	}
}

func TestDeadLetterReplay(t *testing.T) {
	o := newPostOffice(t)
	o.open()
	read := func(topic string, partition int32) (values []string) {
		if err := o.client.ReadPartition(t.Context(), topic, partition, func(m *kafka.Message) error {
			replays := ""
			for _, h := range m.Headers {
				if h.Key == "freshet.replays" {
					replays = h.Value
				}
			}
			values = append(values, replays+" "+string(m.Value))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return values
	}
	plan := `
		TOPIC KIND RECORDS
		orders malformed 2
		1 record replayed before and came back, left out; --again sends them too
		2 records would be sent back; nothing was sent, --yes does it`
	expectLines(t, o.must("replay", "--topic", "orders", "--kind", "malformed"), plan)
	expectLines(t, o.must("replay", "--topic", "orders", "--kind", "malformed"), plan)
	if got := read("orders", 1); got != nil {
		t.Fatalf("without --yes it sent %q", got)
	}
	if _, err := o.run("replay", "--yes", "orders/1@7", "orders/1@8"); err == nil || !strings.Contains(err.Error(), "orders/1@8") {
		t.Errorf("an id that is none: %v", err)
	}
	if got := read("orders", 1); got != nil {
		t.Fatalf("with an id that is none it sent %q", got)
	}
	expectLines(t, o.must("replay", "--yes", "orders/1@7"), "1 record sent back")
	expectLines(t, o.must("replay", "--yes", "--topic", "orders", "--kind", "malformed"), `
		1 record replayed before, left out
		1 record replayed before and came back, left out; --again sends them too
		1 record sent back`)
	expectLines(t, o.must("replay", "--yes", "--topic", "orders", "--kind", "malformed", "--again"), `
		2 records replayed before, left out
		1 record sent back`)
	expectLines(t, o.must("replay", "--yes", "--topic", "orders", "--kind", "malformed", "--again"), `
		3 records replayed before, left out
		0 records sent back`)
	if got := strings.Join(read("orders", 1), ";"); got != "1 {broken;1 [1,2;2 again" {
		t.Errorf("the origin got %q", got)
	}
	if got := read("orders", 0); got != nil {
		t.Errorf("the other partition got %q", got)
	}
	if list := o.must("list", "--topic", "orders", "--kind", "malformed", "--examples", "0"); !strings.Contains(list, "malformed  3        3") {
		t.Errorf("the list does not show what was replayed:\n%s", list)
	}
	expectLines(t, o.must("replay", "--topic", "orders", "--kind", "malformed"), `
		3 records replayed before, left out
		nothing to send`)
	if _, err := o.run("replay", "orders"); err == nil || errors.Is(err, statusError(1)) {
		t.Errorf("what is no id: %v", err)
	}
}
