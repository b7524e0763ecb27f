package pipeline

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"
)

const (
	// lookEvery is how often Kafka is asked which topics there are.
	lookEvery = 5 * time.Second
	// goneAfter is how long a topic must be missed to count as deleted: a broker that has just started may not know all.
	goneAfter = 30 * time.Second
)

// presence knows which topics exist, as far as they matter: the inputs and that of the panes.
type presence struct {
	mu     sync.Mutex
	since  time.Time // of the first look
	looked time.Time // of the last
	seen   map[string]sighting
}

// sighting is a topic as it was seen last.
type sighting struct {
	at         time.Time
	partitions int32
}

// watchTopics looks for topics until ctx ends.
func (p *Pipeline) watchTopics(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if err := p.lookForTopics(ctx, p.loaded.Load()); err != nil && ctx.Err() == nil {
			p.log.Debug("asking which topics there are", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// lookForTopics looks once for the topics that rules are about.
func (p *Pipeline) lookForTopics(ctx context.Context, l *loaded) error {
	counts, err := p.client.Topics(ctx, append(l.inputs.names(), p.names.Panes), l.inputs.matcher())
	if err == nil {
		p.presence.look(counts, time.Now())
	}
	return err //nolint:wrapcheck // it says what was asked for
}

// look takes in the numbers of partitions of all topics, 0 of those that are named and do not exist.
func (p *presence) look(counts map[string]int32, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.looked) > goneAfter {
		p.since = now // what was not looked at for so long proves nothing
	}
	p.looked = now
	if p.seen == nil {
		p.seen = map[string]sighting{}
	}
	for topic, n := range counts {
		if n > 0 {
			p.seen[topic] = sighting{now, n}
		} else if _, known := p.seen[topic]; !known {
			s := sighting{}
			if now.After(p.since) { // named since: it is given as long to appear as the others were
				s.at = now
			}
			p.seen[topic] = s
		}
	}
	maps.DeleteFunc(p.seen, func(topic string, s sighting) bool {
		_, named := counts[topic]
		return !named && now.Sub(s.at) > goneAfter
	})
}

// counts returns the numbers of partitions; a topic that is named and gone has 0. ok is false before the first look.
func (p *presence) counts() (counts map[string]int32, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	counts = make(map[string]int32, len(p.seen))
	for topic, s := range p.seen {
		if counts[topic] = s.partitions; p.looked.Sub(s.at) > goneAfter {
			counts[topic] = 0
		}
	}
	return counts, !p.looked.IsZero()
}

// gone returns those of the topics that have not existed for long enough to be sure.
func (p *presence) gone(topics []string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.looked.Sub(p.since) < goneAfter {
		return nil
	}
	var out []string
	for _, t := range topics {
		if p.looked.Sub(p.seen[t].at) > goneAfter {
			out = append(out, t)
		}
	}
	return out
}
