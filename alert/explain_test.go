package alert

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/rules/label"
)

const explained = `
route:
  receiver: team
  group_by: [alertname]
  routes:
    - matchers: [severity="critical"]
      receiver: pager
      group_wait: 5s
      continue: true
      mute_time_intervals: [nights]
    - matchers: [team="db"]
      receiver: db
      active_time_intervals: [weekdays]
receivers: [{name: team}, {name: pager}, {name: db}]
inhibit_rules:
  - name: down
    source_matchers: [alertname="Down"]
    target_matchers: [host=~".+"]
    equal: [host]
time_intervals:
  - name: nights
    time_intervals: [{times: [{start_time: '22:00', end_time: '24:00'}, {start_time: '00:00', end_time: '06:00'}], location: Europe/Berlin}]
mute_time_intervals:
  - name: weekdays
    time_intervals: [{weekdays: ['monday:friday']}]
`

func TestExplain(t *testing.T) {
	c := decode(t, explained)
	if fs := c.Validate(); len(fs) > 0 {
		t.Fatal(fs)
	}
	setting := Setting{Route: c.RouteTree(AlertmanagerDefaults()), Inhibitions: c.Inhibitions(), Intervals: c.Intervals()}
	saturday := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name   string
		at     time.Time
		alerts []label.Set
		mute   *Silence
		want   string
	}{
		{"a day of the week", saturday.AddDate(0, 0, 2), []label.Set{label.New("team", "db", "severity", "critical")}, nil, "pager,db told pager,db"},
		{"out of an active interval", saturday, []label.Set{label.New("team", "db", "severity", "critical")}, nil, "pager,db told pager inactive"},
		{"22:30 in Berlin", time.Date(2026, 11, 30, 21, 30, 0, 0, time.UTC), []label.Set{label.New("team", "db", "severity", "critical")}, nil, "pager,db told db [nights]"},
		{"21:30 in Berlin", time.Date(2026, 11, 30, 20, 30, 0, 0, time.UTC), []label.Set{label.New("severity", "critical")}, nil, "pager told pager"},
		{"the source tells, the target does not", saturday, []label.Set{label.New("alertname", "Down", "host", "a"), label.New("alertname", "Slow", "host", "a"),
			label.New("alertname", "Slow", "host", "b")}, nil, `team told team; team told  by {alertname="Down", host="a"} down; team told team`},
		{"a source that is a target too is not inhibited", saturday, []label.Set{label.New("alertname", "Down", "host", "a"), label.New("alertname", "Down", "host", "a", "rack", "1")},
			nil, "team told team; team told team"},
		{"silenced", saturday, []label.Set{label.New("alertname", "Slow", "host", "b"), label.New("alertname", "Fast", "host", "b")},
			&Silence{ID: "s1", Matchers: []string{`alertname="Slow"`}, StartsAt: saturday, EndsAt: saturday.Add(time.Hour)}, "team told  silenced [s1]; team told team"},
		{"a silence that is over", saturday.Add(time.Hour), []label.Set{label.New("alertname", "Slow")},
			&Silence{ID: "s1", Matchers: []string{`alertname="Slow"`}, StartsAt: saturday, EndsAt: saturday.Add(time.Hour)}, "team told team"},
	} {
		setting.Silences = nil
		if tc.mute != nil {
			if err := tc.mute.Validate(); err != nil {
				t.Fatal(err)
			}
			setting.Silences = []*Silence{tc.mute}
		}
		var got []string
		for _, r := range Explain(setting, tc.alerts, tc.at) {
			text := strings.Join(r.Receivers(), ",") + " told " + strings.Join(r.Told(), ",")
			for _, taken := range r.Taken {
				if taken.Inactive {
					text += " inactive"
				}
				if len(taken.Muted) > 0 {
					text += fmt.Sprintf(" %v", taken.Muted)
				}
			}
			if len(r.Silences) > 0 {
				text += fmt.Sprintf(" silenced %v", r.Silences)
			}
			for _, by := range r.Inhibited {
				text += fmt.Sprintf(" by %s %s", by.By, by.Rule)
			}
			got = append(got, text)
		}
		if text := strings.Join(got, "; "); text != tc.want {
			t.Errorf("%s:\n  got %s\n want %s", tc.name, text, tc.want)
		}
	}
}
