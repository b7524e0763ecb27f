package alert

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/prometheus/common/model"
)

func (c *Config) routeFaults(fs *faults, receivers, intervals []string) {
	r := c.Route
	if r == nil {
		if len(c.Receivers) > 1 {
			fs.add("receivers", fmt.Sprintf("there are %d receivers and no route, so nobody knows which gets what", len(c.Receivers)),
				"add route: with a receiver")
		}
		return
	}
	if r.Receiver == "" {
		fs.add("route", "receiver is missing: the first route must say who gets what no other route takes",
			"add receiver: and a name from receivers")
	}
	if len(r.Matchers)+len(r.Match)+len(r.MatchRE) > 0 {
		fs.add("route", "the first route takes every alert, so it can have no matchers", "put them on a route under routes:")
	}
	if r.Continue {
		fs.add("route.continue", "the first route has no siblings to continue with", "remove it")
	}
	if len(r.MuteTimeIntervals) > 0 {
		fs.add("route.mute_time_intervals", "the first route cannot be muted", "put it on routes under routes:")
	}
	if len(r.ActiveTimeIntervals) > 0 {
		fs.add("route.active_time_intervals", "the first route is always active", "put it on routes under routes:")
	}
	known := namesOf{receivers: receivers, intervals: intervals}
	r.faults(fs, "route", known, rhythm{repeat: InlineDefaults().RepeatInterval})
}

// namesOf are the names that a route may use.
type namesOf struct{ receivers, intervals []string }

// faults checks the names of time intervals.
func (n namesOf) faults(fs *faults, path string, intervals []string) {
	for i, name := range intervals {
		if !slices.Contains(n.intervals, name) {
			fs.unknown(fmt.Sprintf("%s[%d]", path, i), fmt.Sprintf("no time interval is named %q", name), name, n.intervals)
		}
	}
}

// rhythm is what a route has from its parents.
type rhythm struct{ repeat, most time.Duration }

func (r *RouteConfig) faults(fs *faults, path string, known namesOf, inherited rhythm) {
	if r.Receiver != "" && !slices.Contains(known.receivers, r.Receiver) {
		fs.unknown(path+".receiver", fmt.Sprintf("no receiver is named %q", r.Receiver), r.Receiver, known.receivers)
	}
	r.groupByFaults(fs, path)
	r.match().faults(fs, path, "matchers", "match", "match_re")
	durationFault(fs, path+".group_wait", r.GroupWait, true)
	durationFault(fs, path+".group_interval", r.GroupInterval, false)
	durationFault(fs, path+".repeat_interval", r.RepeatInterval, false)
	if r.RepeatInterval != nil {
		inherited.repeat = *r.RepeatInterval
	}
	if r.RepeatMax != nil {
		inherited.most = *r.RepeatMax
	}
	if (r.RepeatInterval != nil || r.RepeatMax != nil) && inherited.most != 0 && inherited.most < inherited.repeat {
		at := path + ".repeat_interval_max"
		if r.RepeatMax == nil {
			at = path + ".repeat_interval"
		}
		fs.add(at, fmt.Sprintf("repeat_interval_max is %s, shorter than repeat_interval, which is %s", shown(inherited.most), shown(inherited.repeat)),
			"reminders become rarer up to repeat_interval_max; 0 keeps them as they are")
	}
	known.faults(fs, path+".mute_time_intervals", r.MuteTimeIntervals)
	known.faults(fs, path+".active_time_intervals", r.ActiveTimeIntervals)
	for _, name := range sortedKeys(r.Labels) {
		at := path + ".labels." + name
		if !isLabelName(name) {
			fs.add(at, fmt.Sprintf("%q is no name of a label", name), "")
		}
		if err := checkTemplate(r.Labels[name]); err != nil {
			fs.add(at, err.Error(), "")
		}
	}
	for i := range r.Routes {
		r.Routes[i].faults(fs, fmt.Sprintf("%s.routes[%d]", path, i), known, inherited)
	}
}

func (r *RouteConfig) groupByFaults(fs *faults, path string) {
	seen := map[string]bool{}
	for i, name := range r.GroupBy {
		at := fmt.Sprintf("%s.group_by[%d]", path, i)
		switch {
		case seen[name]:
			fs.add(at, fmt.Sprintf("label %q stands twice", name), "")
		case name == "..." && len(r.GroupBy) > 1:
			fs.add(at, "... means all labels and stands alone", "")
		case !isLabelName(name):
			fs.add(at, fmt.Sprintf("%q is no name of a label", name), "")
		}
		seen[name] = true
	}
}

// isLabelName says what Alertmanager does: any text names a label. Those of freshet's rules have letters, digits and _.
func isLabelName(name string) bool { return name != "" && utf8.ValidString(name) }

// faults checks matchers in their three spellings, under the keys that they have there.
func (m match) faults(fs *faults, path, texts, equal, like string) {
	for i, text := range m.texts {
		if _, err := ParseMatchers(text); err != nil {
			fs.add(fmt.Sprintf("%s.%s[%d]", path, texts, i), fmt.Sprintf("%q is no matcher", text),
				`write name="value", or !=, =~, !~: `+err.Error())
		}
	}
	for i, pairs := range []map[string]string{m.equal, m.like} {
		key := []string{equal, like}[i]
		for _, name := range sortedKeys(pairs) {
			if !model.LegacyValidation.IsValidLabelName(name) {
				fs.add(path+"."+key+"."+name, fmt.Sprintf("%q is no name of a label: here it has letters, digits and _", name),
					fmt.Sprintf("write it as a matcher, in %s: '\"%s\"=\"…\"'", texts, name))
			}
		}
	}
	for _, name := range sortedKeys(m.like) {
		if _, err := regexp.Compile("^(?:" + m.like[name] + ")$"); err != nil {
			_, err = regexp.Compile(m.like[name]) // whose text has what was written
			fs.add(path+"."+like+"."+name, fmt.Sprint(err), "")
		}
	}
}

// intervalFaults returns the names of the time intervals.
func (c *Config) intervalFaults(fs *faults) []string {
	var names []string
	for _, list := range []struct {
		key   string
		named []TimeIntervalConfig
	}{{"time_intervals", c.TimeIntervals}, {"mute_time_intervals", c.MuteTimeIntervals}} {
		for i, n := range list.named {
			at := fmt.Sprintf("%s[%d]", list.key, i)
			switch {
			case n.Name == "":
				fs.add(at, "name is missing", "routes name it in mute_time_intervals and active_time_intervals")
			case slices.Contains(names, n.Name):
				fs.add(at+".name", fmt.Sprintf("time interval %q stands twice", n.Name), "names must differ")
			}
			names = append(names, n.Name)
		}
	}
	return names
}

func (c *Config) inhibitFaults(fs *faults) {
	for i := range c.InhibitRules {
		r := &c.InhibitRules[i]
		path := fmt.Sprintf("inhibit_rules[%d]", i)
		r.source().faults(fs, path, "source_matchers", "source_match", "source_match_re")
		r.target().faults(fs, path, "target_matchers", "target_match", "target_match_re")
		for j, name := range r.Equal {
			if !isLabelName(name) {
				fs.add(fmt.Sprintf("%s.equal[%d]", path, j), fmt.Sprintf("%q is no name of a label", name), "")
			}
		}
	}
}

// additionFaults checks what Alertmanager does not have.
func (c *Config) additionFaults(fs *faults, receivers []string) {
	if f := c.Flapping; f != nil {
		switch {
		case f.Count == 0 && (f.Window != 0 || f.Calm != 0):
			fs.add("flapping", "count is missing: how often an alert begins to fire within window before it flaps", "0 and nothing else turns it off")
		case f.Count < 0 || f.Count == 1 || f.Count > 1000:
			fs.add("flapping.count", "expected from 2 to 1000, or 0 to turn it off", "")
		}
		if f.Window != 0 {
			between(fs, "flapping.window", f.Window, time.Second, 7*24*time.Hour)
		}
		if f.Calm != 0 {
			between(fs, "flapping.calm", f.Calm, time.Second, 7*24*time.Hour)
		}
	}
	if d := c.Deadman; d != nil {
		switch {
		case d.Receiver == "":
			fs.add("dead_mans_switch", "receiver is missing: who notices when nothing comes", "")
		case !slices.Contains(receivers, d.Receiver):
			fs.unknown("dead_mans_switch.receiver", fmt.Sprintf("no receiver is named %q", d.Receiver), d.Receiver, receivers)
		}
		between(fs, "dead_mans_switch.interval", d.Interval, 10*time.Second, 24*time.Hour)
	}
	linkFault(fs, "dashboard_url", c.DashboardURL, "from", "to")
	linkFault(fs, "trace_url", c.TraceURL, "trace_id")
	durationFault(fs, "global.resolve_timeout", &c.Global.ResolveTimeout, true)
}

func between(fs *faults, path string, d, least, most time.Duration) {
	if d < least || d > most {
		fs.add(path, fmt.Sprintf("expected a duration from %s to %s, found %s", shown(least), shown(most), shown(d)), "")
	}
}

// shown writes a duration as a configuration does.
func shown(d time.Duration) string { return model.Duration(d).String() }

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
