package alert

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/pkg/labels"

	"github.com/freshet-dev/freshet/rules/label"
)

// Route is a node of the route tree: which alerts it takes, who is told, and in what rhythm. What a node leaves out it
// has from its parent.
type Route struct {
	Receiver string
	// GroupBy are the labels whose values name a group; GroupByAll makes each alert a group of its own.
	GroupBy    []string
	GroupByAll bool
	// GroupWait is how long a new group waits for more alerts before it is told of first. GroupInterval is the least
	// time between a notification and the next one about new alerts. RepeatInterval is the time after which a group
	// that still fires is told of again.
	GroupWait, GroupInterval, RepeatInterval time.Duration
	// RepeatMax, when above RepeatInterval, makes that double with each reminder up to so long.
	RepeatMax time.Duration
	// MuteIntervals and ActiveIntervals name time intervals: in one of the former, or out of all of the latter, nobody is
	// told. Children do not have them from their parent.
	MuteIntervals, ActiveIntervals []string
	// Labels are templates of texts that messages have as RouteLabels, those of the parents among them.
	Labels   map[string]string
	Matchers labels.Matchers
	// Continue lets alerts that the route takes be taken by its later siblings as well.
	Continue bool
	Routes   []*Route

	key, id string
}

// newRoute builds the tree below one node. The configuration was validated; a matcher that does not parse is skipped.
func newRoute(c *RouteConfig, parent *Route, index int) *Route {
	r := &Route{Continue: c.Continue, Receiver: parent.Receiver, GroupBy: parent.GroupBy, GroupByAll: parent.GroupByAll,
		GroupWait: parent.GroupWait, GroupInterval: parent.GroupInterval, RepeatInterval: parent.RepeatInterval,
		RepeatMax: parent.RepeatMax, MuteIntervals: c.MuteTimeIntervals, ActiveIntervals: c.ActiveTimeIntervals,
		Labels: parent.Labels, Matchers: c.match().matchers()}
	if c.Receiver != "" {
		r.Receiver = c.Receiver
	}
	if c.GroupBy != nil {
		r.GroupByAll = slices.Contains(c.GroupBy, "...")
		r.GroupBy = c.GroupBy
	}
	if len(c.Labels) > 0 {
		r.Labels = maps.Clone(c.Labels)
		for name, text := range parent.Labels {
			if _, own := c.Labels[name]; !own {
				r.Labels[name] = text
			}
		}
	}
	for to, from := range map[*time.Duration]*time.Duration{
		&r.GroupWait: c.GroupWait, &r.GroupInterval: c.GroupInterval, &r.RepeatInterval: c.RepeatInterval, &r.RepeatMax: c.RepeatMax,
	} {
		if from != nil {
			*to = *from
		}
	}
	r.key, r.id = r.Matchers.String(), r.Matchers.String()
	if index >= 0 {
		r.key = parent.key + "/" + r.key
		r.id = parent.id + "/" + r.id + "/" + strconv.Itoa(index)
	}
	for i := range c.Routes {
		r.Routes = append(r.Routes, newRoute(&c.Routes[i], r, i))
	}
	return r
}

func (c *RouteConfig) match() match { return match{c.Matchers, c.Match, c.MatchRE} }

// Match returns the routes that take an alert with these labels: depth first, the first that matches of each level,
// further ones after a route that continues. A route whose children take nothing takes the alert itself.
func (r *Route) Match(s label.Set) []*Route {
	if !matches(r.Matchers, s) {
		return nil
	}
	var all []*Route
	for _, child := range r.Routes {
		taken := child.Match(s)
		all = append(all, taken...)
		if taken != nil && !child.Continue {
			break
		}
	}
	if len(all) == 0 {
		all = append(all, r)
	}
	return all
}

// repeatAfter is the time to the next reminder after so many of them.
func (r *Route) repeatAfter(repeats int) time.Duration {
	d := r.RepeatInterval
	for range repeats {
		if d >= r.RepeatMax {
			break
		}
		d = min(2*d, r.RepeatMax)
	}
	return d
}

// ID identifies the route in its tree as long as the tree is the same.
func (r *Route) ID() string { return r.id }

// groupLabels returns the part of an alert's labels that names its group.
func (r *Route) groupLabels(s label.Set) label.Set {
	if r.GroupByAll {
		return s
	}
	return s.Only(r.GroupBy...)
}

// groupKey is the group's name as Alertmanager writes it. It is not unique when two routes have the same matchers.
func (r *Route) groupKey(group label.Set) string { return r.key + ":" + group.String() }

// find returns the route of an ID, nil when the tree has none.
func (r *Route) find(id string) *Route {
	if r.id == id {
		return r
	}
	if !strings.HasPrefix(id, r.id) {
		return nil
	}
	for _, child := range r.Routes {
		if found := child.find(id); found != nil {
			return found
		}
	}
	return nil
}

func itoa(i int) string { return strconv.Itoa(i) }
