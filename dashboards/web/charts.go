package web

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/freshet-dev/freshet/rules/label"
)

// ChartsOptions bound what Charts holds: about 32 bytes for each of Total x Retention / Resolution points.
type ChartsOptions struct {
	// Retention is how far back points are held, by default 30 minutes.
	Retention time.Duration
	// Resolution is the time between two points of a group, by default 5 seconds and at least one.
	Resolution time.Duration
	// Rules bounds the charts (default 200), Groups the groups held for each (50), Total the groups of all (2000).
	Rules, Groups, Total int
	// Shown is the number of groups of a rule that Series gives (6).
	Shown int
}

// Charts holds the measures of the last half hour for the page, within fixed bounds. It is a view for people and
// forgets what matters least: when a rule has more groups than are held, the calmest make place. The zero value is not
// usable; NewCharts makes one. It is safe for concurrent use.
type Charts struct {
	options ChartsOptions

	mu     sync.Mutex
	rules  map[string]*ruleChart
	total  int   // lines held
	newest int64 // highest bucket seen
	swept  int64 // newest when forget last looked
}

// ruleChart is the chart of one rule.
type ruleChart struct {
	lines map[string]*line
	// refused is the last bucket in which a group found no place.
	refused int64
}

// line is the measure of one group.
type line struct {
	labels label.Set
	unit   string
	above  bool
	points []bucket // in the order of at
	// peak is the highest nearness of the points, peakAt the bucket that has it.
	peak   float64
	peakAt int64
}

// bucket is one point, Resolution wide.
type bucket struct {
	at               int64 // Unix time divided by the resolution
	value, threshold float64
	firing           bool
}

// NewCharts returns an empty store.
func NewCharts(o ChartsOptions) *Charts {
	if o.Retention <= 0 {
		o.Retention = 30 * time.Minute
	}
	if o.Resolution <= 0 {
		o.Resolution = 5 * time.Second
	}
	o.Resolution = max(o.Resolution, time.Second)
	o.Retention = max(o.Retention, o.Resolution)
	o.Rules = cmp.Or(max(o.Rules, 0), 200)
	o.Groups = cmp.Or(max(o.Groups, 0), 50)
	o.Total = cmp.Or(max(o.Total, 0), 2000)
	o.Shown = cmp.Or(max(o.Shown, 0), 6)
	return &Charts{options: o, rules: make(map[string]*ruleChart)}
}

// Observe adds the measure of a rule for a group at a time; NaN is a measure or threshold that is missing. Of several
// within the resolution the one nearest to firing is held, so that no excursion is lost. Times may come out of order;
// those before the retention are dropped.
func (c *Charts) Observe(rule, group string, labels label.Set, t time.Time, value, threshold float64, above bool, unit string, firing bool) {
	at := t.UnixNano() / int64(c.options.Resolution)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.newest = max(c.newest, at)
	if at < c.oldest() {
		return
	}
	b := bucket{at, value, threshold, firing}
	l := c.line(rule, group, b, above)
	if l == nil {
		return
	}
	l.labels, l.unit, l.above = labels, unit, above
	l.add(b, c.oldest())
}

// oldest is the first bucket within the retention.
func (c *Charts) oldest() int64 {
	return c.newest - int64(c.options.Retention/c.options.Resolution) + 1
}

// line returns the line of a group, a new one if there is a place for it, else nil.
func (c *Charts) line(rule, group string, b bucket, above bool) *line {
	r := c.rules[rule]
	if r == nil {
		if len(c.rules) >= c.options.Rules {
			c.forget()
		}
		if len(c.rules) >= c.options.Rules {
			return nil
		}
		r = &ruleChart{lines: make(map[string]*line), refused: math.MinInt64}
		c.rules[rule] = r
	}
	if l := r.lines[group]; l != nil {
		return l
	}
	if len(r.lines) >= c.options.Groups || c.total >= c.options.Total {
		c.forget()
		c.rules[rule] = r // forget drops rules without a group, as a new one is
	}
	if !c.makePlace(r, b, above) {
		return nil
	}
	l := new(line)
	r.lines[group] = l
	c.total++
	return l
}

// makePlace says whether a rule may have one group more, after removing another if need be: a calmer one of its own, or
// one of the rule that has most when all rules together have too many.
func (c *Charts) makePlace(r *ruleChart, b bucket, above bool) bool {
	newcomer := nearness(b, above)
	if len(r.lines) < c.options.Groups {
		if c.total < c.options.Total {
			return true
		}
		for _, other := range c.rules {
			if len(other.lines) > len(r.lines) {
				r, newcomer = other, math.Inf(1)
			}
		}
	}
	r.refused = b.at
	return c.displace(r, newcomer)
}

// displace removes the calmest group of a rule if it never came as near to firing as the newcomer is, and says whether
// it did. What counts is the peak, so that groups of about the same height do not take turns and lose their past.
func (c *Charts) displace(r *ruleChart, newcomer float64) bool {
	calmest, least := "", newcomer
	for group, l := range r.lines {
		if l.peak < least || l.peak == least && calmest != "" && group > calmest {
			calmest, least = group, l.peak
		}
	}
	if least == newcomer {
		return false
	}
	delete(r.lines, calmest)
	c.total--
	return true
}

// Retain forgets the charts of all rules but those named.
func (c *Charts) Retain(rules map[string]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, r := range c.rules {
		if !rules[name] {
			c.total -= len(r.lines)
			delete(c.rules, name)
		}
	}
}

// Clear forgets all: the page draws anew from then on.
func (c *Charts) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rules, c.total = make(map[string]*ruleChart), 0
}

// forget removes all lines whose last point is older than the retention, and rules without lines. It looks once in a
// bucket, since nothing grows old within one.
func (c *Charts) forget() {
	if c.swept == c.newest {
		return
	}
	c.swept = c.newest
	oldest := c.oldest()
	for name, r := range c.rules {
		for group, l := range r.lines {
			if l.points[len(l.points)-1].at < oldest {
				delete(r.lines, group)
				c.total--
			}
		}
		if len(r.lines) == 0 {
			delete(c.rules, name)
		}
	}
}

// add puts a point in its place and drops the points before oldest.
func (l *line) add(b bucket, oldest int64) {
	i, found := slices.BinarySearchFunc(l.points, b.at, func(p bucket, at int64) int { return cmp.Compare(p.at, at) })
	if found {
		p := &l.points[i]
		firing := p.firing || b.firing
		if math.IsNaN(p.value) || l.above && b.value > p.value || !l.above && b.value < p.value {
			*p = b
		}
		p.firing = firing
	} else {
		l.points = slices.Insert(l.points, i, b)
	}
	if stale := l.before(oldest); stale > 0 && stale < len(l.points) {
		l.points = slices.Delete(l.points, 0, stale)
	}
	if l.peakAt < oldest || len(l.points) == 1 {
		l.peak = math.Inf(-1)
		for _, p := range l.points {
			l.rise(p)
		}
		return
	}
	i, _ = slices.BinarySearchFunc(l.points, b.at, func(p bucket, at int64) int { return cmp.Compare(p.at, at) })
	l.rise(l.points[i])
}

// rise takes a point into the peak.
func (l *line) rise(p bucket) {
	if n := nearness(p, l.above); n >= l.peak {
		l.peak, l.peakAt = n, p.at
	}
}

// before returns the number of points before a bucket.
func (l *line) before(at int64) int {
	i, _ := slices.BinarySearchFunc(l.points, at, func(p bucket, at int64) int { return cmp.Compare(p.at, at) })
	return i
}

// nearness orders points by how near they are to firing: a firing one is nearer than any other, a missing one farther.
func nearness(b bucket, above bool) float64 {
	distance := b.value
	if !math.IsNaN(b.threshold) && !math.IsInf(b.threshold, 0) {
		distance = (b.value - b.threshold) / max(math.Abs(b.threshold), 1e-9)
	}
	switch {
	case math.IsNaN(b.value):
		distance = -math.MaxFloat64
	case !above:
		distance = -distance
	}
	if b.firing {
		distance = max(distance, 0) + math.MaxFloat32
	}
	return distance
}

// Series gives the charts as the page shows them: by rule, and for each the groups that came nearest to firing within
// the retention, with their points at since or later.
func (c *Charts) Series(since time.Time) []Series {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget()
	var from int64
	if !since.IsZero() {
		from = since.UnixNano() / int64(c.options.Resolution)
	}
	from = max(from, c.oldest())
	var out []Series
	for name, r := range c.rules {
		for _, group := range c.mostTelling(r) {
			l := r.lines[group]
			s := Series{
				Rule: name, Group: group, Labels: l.labels, Unit: l.unit, Above: l.above,
				Groups: len(r.lines),
				More:   r.refused >= c.oldest(),
				Points: []Point{},
			}
			for _, b := range l.points[l.before(from):] {
				t := time.Unix(0, b.at*int64(c.options.Resolution))
				s.Points = append(s.Points, Point{t, b.value, b.threshold, b.firing})
			}
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b Series) int {
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Group, b.Group))
	})
	return out
}

// mostTelling returns the groups of a rule to show.
func (c *Charts) mostTelling(r *ruleChart) []string {
	groups := make([]string, 0, len(r.lines))
	for group := range r.lines {
		groups = append(groups, group)
	}
	if len(groups) <= c.options.Shown {
		return groups
	}
	slices.SortFunc(groups, func(a, b string) int {
		return cmp.Or(cmp.Compare(r.lines[b].peak, r.lines[a].peak), cmp.Compare(a, b))
	})
	return groups[:c.options.Shown]
}
