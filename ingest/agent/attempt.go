package agent

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"
)

// remembered is how long the answer to a sender that gave up is kept for its retry.
const remembered = 10 * time.Minute

// attempt is a parcel on its way to Kafka. It goes on when its sender has given up, because what was handed to the
// producer may be written whatever is said; the sender's retry, which has the same content, then finds this attempt and
// is answered by it, so that nothing is written twice.
type attempt struct {
	done  chan struct{}
	err   error // once done
	bytes int64
	// givenUp says that a sender was told to retry, at is when the last one was.
	givenUp bool
	at      time.Time
}

// attempts are those under way, and those whose senders gave up, by content.
type attempts struct {
	producer Producer
	hold     func(bytes int64) // takes from what may be in flight, or with a negative number gives back
	ctx      context.Context   //nolint:containedctx // the life of all attempts, longer than that of any request
	stop     context.CancelFunc
	running  sync.WaitGroup

	mu     sync.Mutex
	known  map[[sha256.Size]byte]*attempt
	purged time.Time
}

func newAttempts(producer Producer, hold func(bytes int64)) *attempts {
	a := &attempts{producer: producer, hold: hold, known: map[[sha256.Size]byte]*attempt{}}
	a.ctx, a.stop = context.WithCancel(context.Background())
	return a
}

// begin hands a parcel to the producer, or returns the attempt that a sender of the same content gave up on.
func (a *attempts) begin(p *parcel, now time.Time) (t *attempt, again bool) {
	key := p.content()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.purge(now)
	if t := a.known[key]; t != nil && t.givenUp {
		return t, true
	}
	t = &attempt{done: make(chan struct{}), bytes: int64(p.bytes)}
	a.known[key] = t
	a.running.Go(func() {
		t.err = a.producer.Produce(a.ctx, p.messages...)
		a.mu.Lock()
		defer a.mu.Unlock()
		if t.givenUp {
			a.hold(-t.bytes)
		}
		close(t.done)
		if a.known[key] == t && (t.err != nil || !t.givenUp) {
			delete(a.known, key) // a failure is tried anew; who was answered does not come again
		}
	})
	return t, false
}

// giveUp notes that the sender of an attempt is told to retry. It is false when the attempt has ended after all. A request
// holds its own share of what may be in flight; what goes on without it holds that share from here.
func (a *attempts) giveUp(t *attempt, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-t.done:
		return false
	default:
		if !t.givenUp {
			a.hold(t.bytes)
		}
		t.givenUp, t.at = true, now
		return true
	}
}

func (a *attempts) purge(now time.Time) {
	if now.Sub(a.purged) < remembered/10 {
		return
	}
	a.purged = now
	for key, t := range a.known {
		select {
		case <-t.done:
			if now.Sub(t.at) > remembered {
				delete(a.known, key)
			}
		default:
		}
	}
}

// close ends what is under way, and waits for it.
func (a *attempts) close() {
	a.stop()
	a.running.Wait()
}

// content identifies a parcel: parcels with the same messages have the same.
func (p *parcel) content() (sum [sha256.Size]byte) {
	h := sha256.New()
	for i := range p.messages {
		m := &p.messages[i]
		for _, part := range [][]byte{[]byte(m.Topic), m.Key, m.Value} {
			_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part)))) // a hash takes everything
			_, _ = h.Write(part)
		}
	}
	h.Sum(sum[:0])
	return sum
}
