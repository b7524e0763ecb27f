package deadletter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

// office is a dead-letter topic with letters from some partitions of an input topic.
type office struct {
	t           *testing.T
	client      *kafka.Client
	dead, input string
	partitions  int32
	id          string
}

func newOffice(t *testing.T, cluster kafkatest.Cluster, letters int) *office {
	t.Helper()
	o := &office{t: t, client: cluster.Client(t), partitions: 2, id: kafkatest.Name("replay")}
	o.dead, o.input = cluster.Topic(t, o.client, 1, nil), cluster.Topic(t, o.client, o.partitions, nil)
	var ms []kafka.Message
	for i := range letters {
		value := fmt.Sprintf("%d %s", i, strings.Repeat("x", i%2000))
		ms = append(ms, Wrap(o.dead, &kafka.Message{
			Topic: o.input, Partition: int32(i) % o.partitions, Offset: int64(i), Time: time.Now(), Value: []byte(value),
		}, errors.New("bad")))
	}
	if err := o.client.Produce(t.Context(), ms...); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *office) replay() Replay {
	return Replay{Client: o.client, Topic: o.dead, ID: o.id}
}

// delivered returns how often each letter arrived at its origin, and fails the test for one in the wrong partition.
func (o *office) delivered() map[string]int {
	o.t.Helper()
	got := map[string]int{}
	for p := range o.partitions {
		err := o.client.ReadSettled(o.t.Context(), o.input, p, kafka.Oldest(), func(m *kafka.Message) error {
			n, _, _ := strings.Cut(string(m.Value), " ")
			var i int32
			if _, err := fmt.Sscan(n, &i); err != nil || i%o.partitions != p {
				o.t.Errorf("%.20q in partition %d: %v", m.Value, p, err)
			}
			got[n]++
			return nil
		})
		if err != nil {
			o.t.Fatal(err)
		}
	}
	return got
}

// expectOnce fails the test unless each of the letters arrived exactly once.
func (o *office) expectOnce(letters int) {
	o.t.Helper()
	got := o.delivered()
	for i := range letters {
		if n := got[fmt.Sprint(i)]; n != 1 {
			o.t.Errorf("letter %d arrived %d times", i, n)
		}
	}
	if len(got) != letters {
		o.t.Errorf("%d letters arrived, want %d", len(got), letters)
	}
}

func TestReplayTwiceSendsOnce(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		const letters = 1234 // several transactions
		o := newOffice(t, cluster, letters)
		p, sent, err := o.replay().Run(t.Context())
		if err != nil || sent != letters || len(p.Send) != letters {
			t.Fatalf("sent %d of %d: %v", sent, len(p.Send), err)
		}
		if p, sent, err = o.replay().Run(t.Context()); err != nil || sent != 0 || len(p.Replayed) != letters {
			t.Errorf("the second time %d were sent, %d known as replayed: %v", sent, len(p.Replayed), err)
		}
		o.expectOnce(letters)
	})
}

// Many replays at the same time, of which each fences the ones before it, send each letter once.
func TestReplaysAtTheSameTime(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		const letters = 2000
		o := newOffice(t, cluster, letters)
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				if _, _, err := o.replay().Run(t.Context()); err != nil && !errors.Is(err, kafka.ErrFenced) {
					t.Errorf("error %v, expected none or ErrFenced", err)
				}
			})
		}
		wg.Wait()
		if _, _, err := o.replay().Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		o.expectOnce(letters)
	})
}

// A replay that is broken off again and again sends each letter once.
func TestReplayBrokenOff(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		const letters = 3000
		o := newOffice(t, cluster, letters)
		broken := 0
		for pause := time.Millisecond; ; pause += pause / 2 {
			ctx, cancel := context.WithTimeout(t.Context(), pause)
			_, _, err := o.replay().Run(ctx)
			cancel()
			if err == nil {
				break
			}
			if broken++; broken > 100 {
				t.Fatal(err)
			}
		}
		if broken == 0 {
			t.Error("no replay was broken off: the test tests nothing")
		}
		o.expectOnce(letters)
	})
}

func TestReplayOfATopicThatIsGone(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		o := newOffice(t, cluster, 3)
		gone := Wrap(o.dead, &kafka.Message{Topic: "no-such-topic", Value: []byte("x")}, errors.New("bad"))
		if err := o.client.Produce(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		_, sent, err := o.replay().Run(t.Context())
		if err == nil || sent != 0 || !strings.Contains(err.Error(), "no-such-topic") {
			t.Errorf("sent %d, error %v, expected one that names the topic", sent, err)
		}
		if got := o.delivered(); len(got) != 0 {
			t.Errorf("%d letters arrived before it was noticed", len(got))
		}
		r := o.replay()
		r.Filter.Topic = o.input
		if _, sent, err = r.Run(t.Context()); err != nil || sent != 3 {
			t.Errorf("sent %d of the others: %v", sent, err)
		}
	})
}

func TestFind(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		o := newOffice(t, cluster, 20)
		l, e, found, err := Find(t.Context(), o.client, o.dead, Origin{o.input, 1, 7})
		if err != nil || !found || string(l.Value) != "7 xxxxxxx" || e.Offset != l.Offset || !e.Replayed.IsZero() {
			t.Errorf("found %v %+v %+v, %v", found, l, e, err)
		}
		if _, _, found, err = Find(t.Context(), o.client, o.dead, Origin{o.input, 0, 7}); found || err != nil {
			t.Errorf("found %v what is not there, %v", found, err)
		}
	})
}
