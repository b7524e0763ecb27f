package pipeline

import (
	"maps"
	"sync"
	"time"
)

// progress is how far each partition of stage 2 is, for the page and the metrics.
type progress struct {
	mu   sync.Mutex
	seen map[int32]mark
}

type mark struct {
	watermark time.Time // zero when not known yet
	groups    int
	waiting   int       // rules that are not judged because some input is read under other rules
	since     time.Time // when they began to wait, zero when none does
}

func (p *progress) set(partition int32, m mark, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen == nil {
		p.seen = map[int32]mark{}
	}
	if m.since = p.seen[partition].since; m.waiting == 0 {
		m.since = time.Time{}
	} else if m.since.IsZero() {
		m.since = now
	}
	p.seen[partition] = m
}

func (p *progress) drop(partition int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.seen, partition)
}

// delay is how far the watermark is behind the clock.
func (m mark) delay(now time.Time) time.Duration { return max(0, now.Sub(m.watermark)) }

// marks returns how far each partition is.
func (p *progress) marks() map[int32]mark {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.seen)
}

// summary returns how far the slowest partition is behind the clock, -1 when none is known, and the groups of all.
func (p *progress) summary(now time.Time) (delay time.Duration, groups int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delay = -1
	for _, m := range p.seen {
		groups += m.groups
		if !m.watermark.IsZero() {
			delay = max(delay, m.delay(now))
		}
	}
	return delay, groups
}

// judged returns up to which time of records all is judged, the zero time when that is not known.
func (p *progress) judged() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	var oldest time.Time
	for _, m := range p.seen {
		if !m.watermark.IsZero() && (oldest.IsZero() || m.watermark.Before(oldest)) {
			oldest = m.watermark
		}
	}
	return oldest.UTC()
}

// waiting returns how many rules have been waiting for longer than a while, in the partition that has most of them.
func (p *progress) waiting(now time.Time, while time.Duration) (rules int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.seen {
		if m.waiting > 0 && now.Sub(m.since) > while {
			rules = max(rules, m.waiting)
		}
	}
	return rules
}

// rate turns counts into a rate over the last seconds.
type rate struct {
	mu    sync.Mutex
	slots [rateSlots]slot
}

const rateSlots = 6 // the current second and five full ones

type slot struct {
	second         int64
	records, bytes int
}

func (r *rate) add(now time.Time, records, bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.slots[now.Unix()%rateSlots]
	if s.second != now.Unix() {
		*s = slot{second: now.Unix()}
	}
	s.records += records
	s.bytes += bytes
}

// perSecond returns the rates of the last five full seconds.
func (r *rate) perSecond(now time.Time) (records, bytes float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.slots {
		if age := now.Unix() - s.second; age >= 1 && age < rateSlots {
			records += float64(s.records)
			bytes += float64(s.bytes)
		}
	}
	return records / (rateSlots - 1), bytes / (rateSlots - 1)
}
