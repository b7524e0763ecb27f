package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
)

func oneLog(body string) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "checkout")
	rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr(body)
	return ld
}

// Kafka is away while a sender sends and is told to retry: its retries are written once, however many come and whether
// they come before Kafka is back or after.
func TestRetriesAreWrittenOnce(t *testing.T) {
	t.Parallel()
	for name, giveUp := range map[string]func(ctx context.Context) (context.Context, context.CancelFunc){
		"told to retry": func(ctx context.Context) (context.Context, context.CancelFunc) { return ctx, func() {} },
		"hung up": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				k := &fakeKafka{hold: make(chan struct{}), holding: make(chan struct{}, 10)}
				d := testDelivery(k, nil)
				send := func(body string) error {
					p, err := d.logs(oneLog(body))
					if err != nil {
						t.Fatal(err)
					}
					ctx, cancel := giveUp(t.Context())
					defer cancel()
					return d.send(ctx, receiverGRPC, p)
				}
				for range 3 {
					if err := send("a"); err == nil {
						t.Error("acknowledged while Kafka is away")
					}
				}
				if err := send("b"); err == nil {
					t.Error("acknowledged while Kafka is away")
				}
				close(k.hold)
				synctest.Wait()
				k.set(func(k *fakeKafka) { k.hold = nil })
				for range 2 {
					if err := send("a"); err != nil {
						t.Errorf("the retry is answered with %v", err)
					}
				}
				if err := send("b"); err != nil {
					t.Errorf("the retry is answered with %v", err)
				}
				if n := len(k.of("otlp_logs")); n != 2 {
					t.Errorf("written %d times, want a and b once each", n)
				}
				d.attempts.close()
				if d.inFlight != 0 {
					t.Errorf("%d bytes in flight after all has ended", d.inFlight)
				}
			})
		})
	}
}

// Who was answered and sends the same again means it: it is written again. So is what could not be written.
func TestSameContentIsNoRetry(t *testing.T) {
	t.Parallel()
	k := &fakeKafka{failures: 1}
	d := testDelivery(k, nil)
	for i, fails := range []bool{true, false, false} {
		p, err := d.logs(oneLog("a"))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.send(t.Context(), receiverGRPC, p); errors.Is(err, errKafka) != fails {
			t.Errorf("send %d: %v", i, err)
		}
	}
	d.attempts.close()
	if n := len(k.of("otlp_logs")); n != 2 {
		t.Errorf("written %d times, want 2", n)
	}
	if len(d.attempts.known) != 0 {
		t.Errorf("%d attempts are remembered, want none", len(d.attempts.known))
	}
}

// Nothing is remembered for ever.
func TestAttemptsAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKafka{hold: make(chan struct{}), holding: make(chan struct{}, 10)}
		d := testDelivery(k, nil)
		for _, body := range []string{"a", "b"} {
			p, err := d.logs(oneLog(body))
			if err != nil {
				t.Fatal(err)
			}
			if err := d.send(t.Context(), receiverGRPC, p); !errors.Is(err, errKafka) {
				t.Error(err)
			}
		}
		close(k.hold)
		synctest.Wait()
		k.set(func(k *fakeKafka) { k.hold = nil })
		time.Sleep(remembered + time.Minute) // synctest's clock
		p, err := d.logs(oneLog("c"))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.send(t.Context(), receiverGRPC, p); err != nil {
			t.Error(err)
		}
		d.attempts.close()
		if n := len(d.attempts.known); n != 0 {
			t.Errorf("%d attempts are remembered, want none", n)
		}
	})
}
