package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/freshet-dev/freshet/ingest/kafka"
)

// load is a stream of logs that is the same whenever it is made: a message per partition and tick, whose event times are
// those of its tick, however late it is written.
type load struct {
	seed       uint64
	from       time.Time // event time of the first tick
	length     time.Duration
	tick       time.Duration
	partitions int32
	perMessage int
	// strangers have each a name of their own: groups that are born and forgotten. They are a share of the records.
	strangers float64
}

// entry is one log record.
type entry struct {
	at      time.Time
	service string
	level   plog.SeverityNumber
	latency int64 // a whole number, so that the oracle's sums are exact
	user    string
}

const (
	services = 12
	// jitter is how much the event times of a message may be before its tick.
	jitter = 1500 * time.Millisecond
	// calm is the end of a load, in which nothing is wrong, so that all alerts resolve.
	calm = 12 * time.Second
)

func (l load) to() time.Time { return l.from.Add(l.length) }

func (l load) ticks() int { return int(l.length / l.tick) }

// entries makes the records of a tick and partition.
func (l load) entries(tick int, partition int32) []entry {
	rnd := rand.New(rand.NewPCG(l.seed, uint64(tick)<<8|uint64(partition)))
	out := make([]entry, 0, l.perMessage)
	for range l.perMessage {
		service := rnd.IntN(services)
		since := time.Duration(tick)*l.tick - time.Duration(rnd.Int64N(int64(jitter)))
		e := entry{
			at: l.from.Add(max(since, 0)), service: "service-" + strconv.Itoa(service), level: plog.SeverityNumberInfo,
			latency: 50 + rnd.Int64N(60), user: "user-" + strconv.Itoa(rnd.IntN(400)),
		}
		if rnd.Float64() < l.strangers {
			e.user = fmt.Sprintf("stranger-%d-%d-%d", tick, partition, rnd.IntN(1000))
		}
		errors := 0.03
		if since < l.length-calm {
			switch trouble(service, since) {
			case silent:
				continue
			case spike:
				errors = 0.5
				e.latency *= 3
			case fine:
			}
		} else {
			errors = 0
		}
		if rnd.Float64() < errors {
			e.level = plog.SeverityNumberError
			if rnd.IntN(500) == 0 {
				e.level = plog.SeverityNumberFatal
			}
		}
		out = append(out, e)
	}
	return out
}

type condition uint8

const (
	fine condition = iota
	spike
	silent
)

// trouble says how a service is at a time: each has its own rhythm of error spikes and of silences.
func trouble(service int, since time.Duration) condition {
	period := time.Duration(25+3*service) * time.Second
	at := (since + time.Duration(service)*7*time.Second) % period
	switch {
	case at > 12*time.Second && at < time.Duration(18+service/2)*time.Second:
		return spike
	case service%3 == 0 && at < 8*time.Second && (since/period)%2 == 1:
		return silent
	default:
		return fine
	}
}

// encode makes an OTLP export of entries.
func encode(t testing.TB, entries []entry) []byte {
	t.Helper()
	logs := plog.NewLogs()
	scopes := map[string]plog.ScopeLogs{}
	for _, e := range entries {
		scope, ok := scopes[e.service]
		if !ok {
			resource := logs.ResourceLogs().AppendEmpty()
			resource.Resource().Attributes().PutStr("service.name", e.service)
			scope = resource.ScopeLogs().AppendEmpty()
			scopes[e.service] = scope
		}
		r := scope.LogRecords().AppendEmpty()
		r.SetTimestamp(pcommon.NewTimestampFromTime(e.at))
		r.SetSeverityNumber(e.level)
		r.Body().SetStr("request of " + e.user)
		r.Attributes().PutInt("app.latency", e.latency)
		r.Attributes().PutStr("user.id", e.user)
	}
	value, err := (&plog.ProtoMarshaler{}).MarshalLogs(logs)
	if err != nil {
		t.Error(err)
	}
	return value
}

// feed is what became of a load that was written.
type feed struct {
	records atomic.Int64
	done    chan struct{}

	mu    sync.Mutex
	delay time.Duration // the longest from an event time to the acknowledgement of its message
}

func (f *feed) delayed(by time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.delay = max(f.delay, by)
}

// longestDelay is how late the latest message was written.
func (f *feed) longestDelay() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.delay
}

// write writes the load at the pace of its event times, and goes on while brokers are away.
func (l load) write(ctx context.Context, t testing.TB, client *kafka.Client, topic string) *feed {
	f := &feed{done: make(chan struct{})}
	var wg sync.WaitGroup
	for p := range l.partitions {
		wg.Go(func() {
			for i := range l.ticks() {
				due := l.from.Add(time.Duration(i) * l.tick)
				if !wait(ctx, time.Until(due)) {
					return
				}
				entries := l.entries(i, p)
				if err := client.Produce(ctx, kafka.Message{Topic: topic, Partition: p, Value: encode(t, entries)}); err != nil {
					if ctx.Err() == nil {
						t.Errorf("the load cannot be written: %v", err)
					}
					return
				}
				f.records.Add(int64(len(entries)))
				f.delayed(time.Since(due) + jitter)
			}
		})
	}
	go func() {
		wg.Wait()
		close(f.done)
	}()
	return f
}

// wait returns false if ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
