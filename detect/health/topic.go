package health

import (
	"maps"
	"slices"
	"time"
)

// reportMissing is how long after a report the next one is missed.
const reportMissing = 3 * Interval

// topic is what is known of one topic.
type topic struct {
	known bool // counted
	parts map[int32]*part
	// What judge found: the longest delay, and which partitions are behind: those that are read, and those that nobody
	// reports on. unsure: of some that are not behind yet nothing has been heard lately.
	delay         time.Duration
	slow, orphans []int32
	unsure        bool
}

// part is one partition of a topic.
type part struct {
	since    time.Time // when it was first known
	arrived  time.Time // the last report, zero before the first
	delay    time.Duration
	reported bool // the last report knew its delay
}

// count takes the number of partitions.
func (t *topic) count(n int32, now time.Time) {
	t.known = true
	for id := range t.parts {
		if id >= n {
			delete(t.parts, id)
		}
	}
	for id := range n {
		if t.parts[id] == nil {
			t.parts[id] = &part{since: now}
		}
	}
}

func (t *topic) report(r *Report, now time.Time) {
	p := t.parts[r.Partition]
	if p == nil {
		p = &part{since: now}
		t.parts[r.Partition] = p
	}
	p.arrived = now
	if p.reported = r.Delay >= 0; p.reported {
		p.delay = r.Delay
	}
}

// judge finds out how far behind the topic is. What happened before resumed was not watched.
func (t *topic) judge(now, resumed time.Time, limit time.Duration) {
	t.delay, t.slow, t.orphans, t.unsure = 0, nil, nil, false
	for _, id := range slices.Sorted(maps.Keys(t.parts)) {
		p := t.parts[id]
		d := now.Sub(later(p.since, resumed))
		if p.reported {
			d = p.delay + now.Sub(later(p.arrived, resumed))
		}
		t.delay = max(t.delay, d)
		missed := now.Sub(p.arrived) > reportMissing
		switch {
		case d <= limit:
			t.unsure = t.unsure || missed
		case missed:
			t.orphans = append(t.orphans, id)
		default:
			t.slow = append(t.slow, id)
		}
	}
}

// behind says whether any partition is.
func (t *topic) behind() bool { return len(t.slow)+len(t.orphans) > 0 }

// missing says whether the topic is known not to exist.
func (t *topic) missing() bool { return t.known && len(t.parts) == 0 }

// seen says whether what comes from the topic is seen soon, so that silence means something.
func (t *topic) seen() bool { return t.known && !t.behind() && !t.unsure }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
