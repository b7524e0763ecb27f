package web

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/freshet-dev/freshet/rules/label"
)

// leastPoints is how many measures of a group are held, even if they reach back farther than the retention.
const leastPoints = 120

// ChartsOptions bound what Charts holds: about 32 bytes for each of Total x Retention / Resolution points, 48 where a model
// expects something.
type ChartsOptions struct {
	// Retention is how far back points are held, by default 30 minutes. Of a rule that is judged so rarely that this would be
	// few, the last 120 are.
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

// Measure is the measure of a rule for a group at one time.
type Measure struct {
	// Rule, Group, Labels, Unit and Above are those of a Series.
	Rule, Group string
	Labels      label.Set
	Unit        string
	Above       bool
	// Interval is the time between two measures of the rule, 0 when it is not known.
	Interval time.Duration
	Point
}

// Observe adds a measure. Of several within the resolution the one nearest to firing is held, so that no excursion is lost.
// Times may come out of order; those before what is held are dropped.
func (c *Charts) Observe(m Measure) {
	at := m.Time.UnixNano() / int64(c.options.Resolution)
	reach := max(c.options.Retention, leastPoints*m.Interval) / c.options.Resolution
	c.mu.Lock()
	defer c.mu.Unlock()
	c.newest = max(c.newest, at)
	oldest := c.newest - int64(reach) + 1
	if at < oldest {
		return
	}
	b := bucket{at, m.Value, m.Threshold, m.Firing}
	l := c.line(m.Rule, m.Group, b, m.Above)
	if l == nil {
		return
	}
	l.labels, l.unit, l.above, l.interval, l.reach = m.Labels, m.Unit, m.Above, m.Interval, int64(reach)
	l.add(b, m.Band, oldest)
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

// forget removes all lines whose last point is older than what is held, and rules without lines. It looks once in a
// bucket, since nothing grows old within one.
func (c *Charts) forget() {
	if c.swept == c.newest {
		return
	}
	c.swept = c.newest
	for name, r := range c.rules {
		for group, l := range r.lines {
			if l.last() <= c.newest-l.reach {
				delete(r.lines, group)
				c.total--
			}
		}
		if len(r.lines) == 0 {
			delete(c.rules, name)
		}
	}
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
			for i := l.before(from); i < len(l.points); i++ {
				s.Points = append(s.Points, c.point(l, i))
			}
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b Series) int {
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Group, b.Group))
	})
	return out
}

// point returns a point of a line as it is shown.
func (c *Charts) point(l *line, i int) Point {
	b := l.points[i]
	p := Point{Time: time.Unix(0, b.at*int64(c.options.Resolution)), Value: b.value, Threshold: b.threshold, Firing: b.firing}
	if l.bands != nil && !l.bands[i].unknown() {
		p.Band = new(l.bands[i])
	}
	return p
}

// mostTelling returns the groups of a rule to show: of those with a point within the retention.
func (c *Charts) mostTelling(r *ruleChart) []string {
	groups := make([]string, 0, len(r.lines))
	for group, l := range r.lines {
		if l.last() >= c.oldest() {
			groups = append(groups, group)
		}
	}
	if len(groups) <= c.options.Shown {
		return groups
	}
	slices.SortFunc(groups, func(a, b string) int {
		return cmp.Or(cmp.Compare(r.lines[b].peak, r.lines[a].peak), cmp.Compare(a, b))
	})
	return groups[:c.options.Shown]
}
