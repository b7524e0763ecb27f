package chaos

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/detect/health"
)

// difference is how the findings of a disturbed run differ from those of an undisturbed one.
type difference struct {
	same                      int
	missing, twice, different []string
}

// transition names a transition of an alert without the ids, which hold the offset of a birth.
func transition(f *finding.Finding) string {
	return strings.Join([]string{f.Rule, f.Labels.String(), string(f.State), f.WindowEnd.UTC().Format(time.TimeOnly)}, " ")
}

// content is all of a finding but its birth, which is an offset of a run's own, and the id that holds it, and but its chart,
// which shows what the detector that wrote it has seen.
func content(f *finding.Finding) string {
	g := *f
	g.ID, g.Birth, g.Chart = "", 0, nil
	b, err := json.Marshal(g)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// settled returns the settled findings of windows that end by a time, by transition. What freshet finds about its own work
// is left out: it depends on the clock, and a disturbance is just what it tells of.
func settled(all []*finding.Finding, until time.Time) map[string][]*finding.Finding {
	out := map[string][]*finding.Finding{}
	for _, f := range all {
		if f.Settled && f.Group != health.RuleGroup && !f.WindowEnd.After(until) {
			out[transition(f)] = append(out[transition(f)], f)
		}
	}
	return out
}

// compare compares what was found under disturbances with what was found without. The same finding may be there several
// times if it has one id; that is what a replay does and what the alerter knows.
func compare(disturbed, undisturbed []*finding.Finding, until time.Time) difference {
	var d difference
	got, want := settled(disturbed, until), settled(undisturbed, until)
	for name, fs := range want {
		if len(got[name]) == 0 {
			d.missing = append(d.missing, content(fs[0]))
		}
	}
	for name, fs := range got {
		ids, contents := distinct(fs, func(f *finding.Finding) string { return f.ID }), distinct(fs, content)
		switch {
		case len(ids) > 1:
			d.twice = append(d.twice, strings.Join(contents, "\n  and "))
		case len(want[name]) == 0:
			d.different = append(d.different, "unexpected: "+contents[0])
		case len(contents) > 1 || contents[0] != content(want[name][0]):
			d.different = append(d.different, strings.Join(contents, "\n  and ")+"\n  instead of "+content(want[name][0]))
		default:
			d.same++
		}
	}
	// What was told early has to come true.
	ids := map[string]bool{}
	for _, f := range disturbed {
		if f.Settled {
			ids[f.ID] = true
		}
	}
	for _, f := range disturbed {
		if !f.Settled && !ids[f.ID] && !f.WindowEnd.After(until) {
			ids[f.ID] = true
			d.different = append(d.different, "early and never settled: "+content(f))
		}
	}
	return d
}

func distinct(fs []*finding.Finding, f func(*finding.Finding) string) []string {
	var out []string
	for _, x := range fs {
		if s := f(x); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// lines are the settled findings of the oracle's rules, as it writes them.
func lines(all []*finding.Finding, until time.Time) map[string]bool {
	out := map[string]bool{}
	for _, f := range all {
		if f.Group == "oracle" && f.Settled && !f.WindowEnd.After(until) {
			value := 0.0
			if f.Value != nil {
				value = *f.Value
			}
			out[line(f.Rule, f.Labels.Get("service_name"), string(f.State), f.WindowEnd, value)] = true
		}
	}
	return out
}
