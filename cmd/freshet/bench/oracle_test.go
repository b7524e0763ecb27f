package bench

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The rule of the reference job: errors per service in the last minute, looked at every 5 s of event time.
const (
	step      = 5 * time.Second
	window    = time.Minute
	lateness  = 5 * time.Second
	threshold = 300
)

// transition is an alert that fires or resolves at the end of a window.
type transition struct {
	Service string    `json:"service"`
	Firing  bool      `json:"firing"`
	At      time.Time `json:"at"`
	Errors  int       `json:"errors,omitempty"` // in the window, when it fires
}

func (t transition) String() string {
	if !t.Firing {
		return fmt.Sprintf("%s resolves at %s", t.Service, t.At.UTC().Format(time.TimeOnly))
	}
	return fmt.Sprintf("%s fires at %s with %d errors", t.Service, t.At.UTC().Format(time.TimeOnly), t.Errors)
}

func compareTransitions(a, b transition) int {
	return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Service, b.Service), cmp.Compare(a.Errors, b.Errors),
		cmp.Compare(number(a.Firing), number(b.Firing)))
}

// oracle keeps the time of every error and counts each window anew.
type oracle struct {
	errors      map[int][]time.Time // by service
	first, last time.Time
}

func (o *oracle) add(m message) {
	if o.errors == nil {
		o.errors = map[int][]time.Time{}
		o.first = m.logs[0].at
	}
	for _, l := range m.logs {
		if l.failed {
			o.errors[m.service] = append(o.errors[m.service], l.at)
		}
		if l.at.Before(o.first) {
			o.first = l.at
		}
		if l.at.After(o.last) {
			o.last = l.at
		}
	}
}

// alerts returns all transitions of all windows, in order.
func (o *oracle) alerts() []transition {
	var out []transition
	for service, times := range o.errors {
		slices.SortFunc(times, time.Time.Compare)
		firing := false
		for end := o.first.Truncate(step).Add(step); !end.After(o.last.Add(window + step)); end = end.Add(step) {
			count := 0
			for _, at := range after(times, end.Add(-window)) {
				if !at.Before(end) {
					break
				}
				count++
			}
			if holds := count > threshold; holds != firing {
				firing = holds
				t := transition{Service: serviceName(service), Firing: holds, At: end.UTC()}
				if holds {
					t.Errors = count
				}
				out = append(out, t)
			}
		}
	}
	slices.SortFunc(out, compareTransitions)
	return out
}

// after returns the times that are not before one.
func after(sorted []time.Time, start time.Time) []time.Time {
	i, _ := slices.BinarySearchFunc(sorted, start, time.Time.Compare)
	return sorted[i:]
}

// difference compares alerts and describes the first that differ.
func difference(want, got []transition) (missing, extra int, text string) {
	slices.SortFunc(got, compareTransitions)
	var lines []string
	note := func(what string, t transition) {
		if len(lines) < 10 {
			lines = append(lines, what+": "+t.String())
		}
	}
	for len(want) > 0 || len(got) > 0 {
		order := 0
		switch {
		case len(got) == 0:
			order = -1
		case len(want) == 0:
			order = 1
		default:
			order = compareTransitions(want[0], got[0])
		}
		switch {
		case order < 0:
			note("missing", want[0])
			missing, want = missing+1, want[1:]
		case order > 0:
			note("not expected", got[0])
			extra, got = extra+1, got[1:]
		default:
			want, got = want[1:], got[1:]
		}
	}
	return missing, extra, strings.Join(lines, "\n")
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
