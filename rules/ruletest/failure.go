package ruletest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
	"github.com/freshet-dev/freshet/rules/label"
)

// Result is what came of a test.
type Result struct {
	// Failures are the expectations that were not met, in the order of the file.
	Failures []Failure
	// Warnings are texts of rules that could not be rendered, and the like.
	Warnings []string
	// Transitions are all that happened to alerts, in order.
	Transitions []Transition
	// Records is how many records were sent.
	Records int
}

// Transition is one step of one alert.
type Transition struct {
	// At is the time since the test's start: the end of the window that was judged.
	At time.Duration
	*finding.Finding
}

// String returns the transition in one line: 1m5s ErrorSpike {service_name: shop} firing, value 101.
func (t Transition) String() string {
	return head(true, t.At, t.Rule, t.Labels.Without(label.AlertName), t.State) + valueText(t.Value, "") + reasonText(t.Reason)
}

// Failure is an expectation that was not met.
type Failure struct {
	// Place is where it stands in the file of tests.
	Place rules.Problem
	// Message says in one line what failed.
	Message string
	// Details are the difference, line by line, and what explains it.
	Details []string
}

// String returns the failure in several lines, the first with its place; there is no newline at the end.
func (f Failure) String() string {
	head := fmt.Sprintf("%s:%d:%d: %s", f.Place.File, f.Place.Line, f.Place.Column, f.Message)
	return strings.Join(append([]string{head}, f.Details...), "\n")
}

// Run runs the test. The error is that of the context, or says that the rules cannot be run at all.
func (t *Test) Run(ctx context.Context) (*Result, error) {
	story, err := t.replay(ctx)
	if err != nil {
		return nil, err
	}
	result := &Result{Warnings: story.warnings, Records: story.records}
	for _, f := range story.findings {
		result.Transitions = append(result.Transitions, Transition{f.WindowEnd.Sub(t.start), f})
	}
	missed := t.check(story)
	if len(missed) == 0 {
		return result, nil
	}
	// What the rules measured is asked for only now: most tests pass.
	explain := newExplanation(t, story, missed)
	if _, _, err := t.replayIn(ctx, 1, explain.until(), explain.measure); err != nil {
		return nil, err
	}
	for i := range missed {
		result.Failures = append(result.Failures, missed[i].failure(explain))
	}
	return result, nil
}

// miss is an expectation that was not met.
type miss struct {
	place   rules.Problem
	message string
	timed   bool
	at      time.Duration
	pairs   []pair
}

// check compares what was expected with what came.
func (t *Test) check(story *story) (missed []miss) {
	failed := func(p pair) bool { return !p.meets() }
	for _, e := range t.expected {
		var got []*shown
		for _, f := range t.alertsAt(story.findings, e.at) {
			if e.only == "" || f.name == e.only {
				got = append(got, f)
			}
		}
		if pairs := match(e.alerts, got); e.alerts != nil && slices.ContainsFunc(pairs, failed) {
			missed = append(missed, miss{e.place, fmt.Sprintf("alerts at %s%s", expr.FormatDuration(e.at), about(e.only)), false, e.at, pairs})
		}
		if pairs := match(e.recorded, t.recordedAt(story.recorded, &e)); slices.ContainsFunc(pairs, failed) {
			missed = append(missed, miss{e.place, "recorded at " + expr.FormatDuration(e.at), false, e.at, pairs})
		}
	}
	if t.history == nil {
		return missed
	}
	var got []*shown
	for _, f := range story.findings {
		got = append(got, t.show(f, true))
	}
	if pairs := match(t.history.transitions, got); slices.ContainsFunc(pairs, failed) {
		missed = append(missed, miss{t.history.place, "transitions", true, 0, pairs})
	}
	return missed
}

func about(alert string) string {
	if alert == "" {
		return ""
	}
	return " of " + alert
}

// failure words what was missed.
func (m *miss) failure(e *explanation) Failure {
	f := Failure{Place: m.place, Message: m.message + " (- expected, + found):"}
	for _, p := range m.pairs {
		f.Details = append(f.Details, p.lines(m.timed)...)
	}
	for i := range f.Details {
		f.Details[i] = "  " + f.Details[i]
	}
	f.Details = append(f.Details, e.of(m)...)
	return f
}
