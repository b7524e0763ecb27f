package alert

import (
	"fmt"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// Alertmanager returns the configuration in Alertmanager's format, with the defaults written out and without secrets, as
// its API gives it: amtool reads routes from there. Keys that Alertmanager does not know are left out.
func (c *Config) Alertmanager(d Defaults) (string, error) {
	out := map[string]any{"receivers": c.amReceivers(), "templates": append([]string{}, c.Templates...)}
	root := RouteConfig{}
	if c.Route != nil {
		root = *c.Route
	}
	if root.Receiver == "" && len(c.Receivers) > 0 {
		root.Receiver = c.Receivers[0].Name
	}
	if root.Receiver == "" {
		root.Receiver = "none"
		out["receivers"] = []map[string]any{{"name": "none"}}
	}
	if root.GroupBy == nil {
		root.GroupBy = d.GroupBy
	}
	for to, from := range map[**time.Duration]time.Duration{
		&root.GroupWait: d.GroupWait, &root.GroupInterval: d.GroupInterval, &root.RepeatInterval: d.RepeatInterval,
	} {
		if *to == nil {
			*to = &from
		}
	}
	out["route"] = root.amRoute()
	if intervals := append(append([]TimeIntervalConfig{}, c.TimeIntervals...), c.MuteTimeIntervals...); len(intervals) > 0 {
		out["time_intervals"] = intervals
	}
	if len(c.InhibitRules) > 0 {
		var rules []map[string]any
		for _, r := range c.Inhibitions() {
			rule := map[string]any{"source_matchers": texts(r.Source), "target_matchers": texts(r.Target)}
			if len(r.Equal) > 0 {
				rule["equal"] = r.Equal
			}
			rules = append(rules, rule)
		}
		out["inhibit_rules"] = rules
	}
	b, err := yaml.Marshal(out)
	if err != nil {
		return "", fmt.Errorf("writing the configuration in Alertmanager's format: %w", err)
	}
	return string(b), nil
}

// amReceivers are the receivers by their names only: how they are reached is nobody's business.
func (c *Config) amReceivers() []map[string]any {
	out := make([]map[string]any, 0, len(c.Receivers))
	for _, r := range c.Receivers {
		out = append(out, map[string]any{"name": r.Name})
	}
	return out
}

func (r *RouteConfig) amRoute() map[string]any {
	out := map[string]any{}
	put := func(key string, value any, has bool) {
		if has {
			out[key] = value
		}
	}
	put("receiver", r.Receiver, r.Receiver != "")
	put("group_by", r.GroupBy, r.GroupBy != nil)
	put("continue", true, r.Continue)
	ms := r.match().matchers()
	put("matchers", texts(ms), len(ms) > 0)
	put("mute_time_intervals", r.MuteTimeIntervals, len(r.MuteTimeIntervals) > 0)
	put("active_time_intervals", r.ActiveTimeIntervals, len(r.ActiveTimeIntervals) > 0)
	for key, d := range map[string]*time.Duration{"group_wait": r.GroupWait, "group_interval": r.GroupInterval, "repeat_interval": r.RepeatInterval} {
		if d != nil {
			out[key] = model.Duration(*d).String()
		}
	}
	routes := make([]map[string]any, 0, len(r.Routes))
	for i := range r.Routes {
		routes = append(routes, r.Routes[i].amRoute())
	}
	put("routes", routes, len(routes) > 0)
	return out
}

func texts[M fmt.Stringer](ms []M) []string {
	out := make([]string, 0, len(ms))
	for _, m := range ms {
		out = append(out, m.String())
	}
	return out
}
