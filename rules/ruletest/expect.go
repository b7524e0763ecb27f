package ruletest

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/detect"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
	"github.com/freshet-dev/freshet/rules/label"
)

// expectation is which alerts there are to be at a time, and what is to be recorded.
type expectation struct {
	place rules.Problem
	at    time.Duration
	// only is the one alert that this is about, "" for all.
	only   string
	alerts []*wanted // nil where nothing is expected of alerts
	// recorded are values of rules that record, of all the rules that are named; nil for none.
	recorded []*wanted
}

// history is all that is to happen to alerts.
type history struct {
	place       rules.Problem
	transitions []*wanted
}

// wanted is one expected alert, one expected transition or, without a state, one expected value that is recorded.
type wanted struct {
	name   string
	at     time.Duration // of a transition
	labels label.Set     // without the name
	state  finding.State
	// What follows is compared only where it is given.
	value       *float64
	tolerance   tolerance
	annotations []label.Label
	reason      *string
}

// tolerance is how far a value may be off.
type tolerance struct{ absolute, relative float64 }

// overflowLabel is a label of the group that stands for those beyond a rule's max_groups.
const overflowLabel = "pane_partition"

// exactly forgives what rounding does.
const exactly = 1e-9

// admits says whether a value is near enough to the expected one.
func (t tolerance) admits(want, got float64) bool {
	if want == got || math.IsNaN(want) && math.IsNaN(got) {
		return true
	}
	return math.Abs(want-got) <= max(t.absolute, t.relative*math.Abs(want), exactly*math.Abs(want))
}

// String returns the tolerance as it is written, "" for none.
func (t tolerance) String() string {
	switch {
	case t.relative > 0:
		return strconv.FormatFloat(t.relative*100, 'g', 6, 64) + "%"
	case t.absolute > 0:
		return strconv.FormatFloat(t.absolute, 'g', 6, 64)
	default:
		return ""
	}
}

var (
	expectKeys     = []string{"at", "alert", "alerts", "recorded"}                                             //nolint:gochecknoglobals // constant table
	alertKeys      = []string{"alert", "labels", "state", "value", "tolerance", "annotations"}                 //nolint:gochecknoglobals // constant table
	recordedKeys   = []string{"record", "labels", "value", "tolerance"}                                        //nolint:gochecknoglobals // constant table
	transitionKeys = []string{"alert", "state", "at", "labels", "value", "tolerance", "annotations", "reason"} //nolint:gochecknoglobals // constant table
	alertStates    = []string{string(finding.Firing), string(finding.Pending)}                                 //nolint:gochecknoglobals // constant table
	allStates      = []string{string(finding.Pending), string(finding.Firing), string(finding.Resolved)}       //nolint:gochecknoglobals // constant table
)

// expect reads an entry of `expect`.
func (t *testReader) expect(f rules.Field) {
	e := expectation{place: f.Place()}
	var at, alerts, recorded rules.Field
	before := t.document.Faults()
	for _, entry := range f.Fields("an entry of `expect`", expectKeys) {
		switch entry.Key() {
		case "at":
			at = entry
			e.place = entry.Place()
		case "alert":
			if s, ok := entry.Scalar(); ok && t.known(s, alerting) {
				e.only = s.Text
				t.test.named = append(t.test.named, s.Text)
			}
		case "alerts":
			alerts = entry
		case "recorded":
			recorded = entry
		}
	}
	if !alerts.Is() && !recorded.Is() || !at.Is() {
		if t.document.Faults() > before {
			return
		}
		switch {
		case !at.Is():
			f.Fault("this does not say when", "add at: 5m")
		default:
			f.Fault("this does not say which alerts there are", "add alerts: with - alert: …, or alerts: [] for none")
		}
		return
	}
	if alerts.Is() {
		e.alerts = []*wanted{}
	}
	for _, item := range recorded.Items() {
		if w := t.recordedValue(item); w != nil {
			e.recorded = append(e.recorded, w)
		}
	}
	for _, item := range alerts.Items() {
		if w := t.wanted(item, "an alert", alertKeys, e.only); w != nil {
			if e.only != "" && w.name != e.only {
				item.Fault("this entry of `expect` is about "+e.only+" alone", "remove alert: "+e.only+" beside `at`, or write an entry for each alert")
			}
			e.alerts = append(e.alerts, w)
		}
	}
	for _, item := range at.Items() {
		if d, ok := t.moment(item); ok {
			e.at = d
			t.test.expected = append(t.test.expected, e)
		}
	}
}

// moment reads a time at which something is expected.
func (t *testReader) moment(f rules.Field) (d time.Duration, ok bool) {
	if d, ok = readBounded(f); ok {
		t.moments = append(t.moments, expectedAt{d, f})
	}
	return d, ok
}

// transitions reads the history.
func (t *testReader) transitions(f rules.Field) {
	t.test.history = &history{place: f.Place()}
	for _, item := range f.Items() {
		if w := t.wanted(item, "a transition", transitionKeys, ""); w != nil {
			t.test.history.transitions = append(t.test.history.transitions, w)
		}
	}
}

// wanted reads an expected alert or transition, nil after a fault. name is that of an entry without one.
func (t *testReader) wanted(f rules.Field, what string, keys []string, name string) *wanted {
	w := &wanted{name: name}
	isTransition := slices.Contains(keys, "at")
	var labels, annotations, tolerance, at rules.Field
	before := t.document.Faults()
	for _, entry := range f.Fields(what, keys) {
		switch entry.Key() {
		case "alert":
			if s, ok := entry.Scalar(); ok && t.known(s, alerting) {
				w.name = s.Text
			}
		case "labels":
			labels = entry
		case "annotations":
			annotations = entry
		case "tolerance":
			tolerance = entry
		case "at":
			at = entry
			w.at, _ = t.moment(entry)
		default:
			w.read(entry, isTransition)
		}
	}
	w.labels = label.FromMap(t.texts(labels, w.name, "label", t.labelNames(w.name)))
	for name, text := range t.texts(annotations, w.name, "annotation", t.annotationNames(w.name)) {
		w.annotations = append(w.annotations, label.Label{Name: name, Value: text})
	}
	slices.SortFunc(w.annotations, func(a, b label.Label) int { return strings.Compare(a.Name, b.Name) })
	w.readTolerance(tolerance)
	if t.document.Faults() > before {
		return nil
	}
	switch {
	case w.name == "":
		f.Fault(what+" needs its name", "add alert: ErrorSpike")
	case isTransition && w.state == "":
		f.Fault("a transition needs the state that the alert takes", "add state: firing")
	case isTransition && !at.Is():
		f.Fault("a transition needs its time", "add at: 5m")
	case w.state == "":
		w.state = finding.Firing
	}
	t.test.named = append(t.test.named, w.name)
	return w
}

// recordedValue reads an expected value of a rule that records, nil after a fault.
func (t *testReader) recordedValue(f rules.Field) *wanted {
	w := new(wanted)
	var labels, tolerance rules.Field
	before := t.document.Faults()
	for _, entry := range f.Fields("a recorded value", recordedKeys) {
		switch entry.Key() {
		case "record":
			if s, ok := entry.Scalar(); ok && t.known(s, recording) {
				w.name = s.Text
			}
		case "labels":
			labels = entry
		case "tolerance":
			tolerance = entry
		default:
			w.read(entry, false)
		}
	}
	w.labels = label.FromMap(t.texts(labels, w.name, "label", t.labelNames(w.name)))
	w.readTolerance(tolerance)
	if t.document.Faults() > before {
		return nil
	}
	switch {
	case w.name == "":
		f.Fault("a recorded value needs its name", "add record: errors")
		return nil
	case w.value == nil:
		f.Fault("this does not say what is recorded", "add value: 5")
		return nil
	}
	t.test.named = append(t.test.named, w.name)
	return w
}

// read takes one of the entries that stand for themselves.
func (w *wanted) read(f rules.Field, isTransition bool) {
	switch f.Key() {
	case "state":
		s, ok := f.Scalar()
		if !ok {
			return
		}
		states := alertStates
		if isTransition {
			states = allStates
		}
		if !slices.Contains(states, s.Text) {
			hint := "it is one of " + strings.Join(states, ", ")
			if s.Text == "inactive" || s.Text == string(finding.Resolved) {
				hint = "an alert that is over is not listed; what happens to alerts is in transitions:"
			}
			s.Fault(0, len(s.Text), "there is no state "+s.Text, hint)
			return
		}
		w.state = finding.State(s.Text)
	case "value":
		if s, ok := f.Scalar(); ok {
			if x, ok := readNumber(strings.TrimSpace(s.Text), true); ok {
				w.value = &x
			} else {
				s.Fault(0, len(s.Text), strconv.Quote(s.Text)+" is no number", "as in value: 0.25")
			}
		}
	case "reason":
		if s, ok := f.Blank(); ok {
			w.reason = &s.Text
		}
	}
}

func (w *wanted) readTolerance(f rules.Field) {
	if !f.Is() {
		return
	}
	s, ok := f.Scalar()
	if !ok {
		return
	}
	number, percent := strings.CutSuffix(strings.TrimSpace(s.Text), "%")
	x, ok := readNumber(strings.TrimSpace(number), false)
	switch {
	case !ok || !(x >= 0) || math.IsInf(x, 0):
		s.Fault(0, len(s.Text), "this is no tolerance", "as in tolerance: 1%, or tolerance: 0.5")
	case w.value == nil:
		f.Fault("there is no value that may be off by so much", "add value: …")
	case percent:
		w.tolerance.relative = x / 100
	default:
		w.tolerance.absolute = x
	}
}

// texts reads labels or annotations. Names that the alert cannot have are faults; nil names are not known.
func (t *testReader) texts(f rules.Field, alert, what string, names []string) map[string]string {
	if !f.Is() {
		return nil
	}
	out := map[string]string{}
	for _, entry := range f.Fields("`"+f.Key()+"`", nil) {
		s, ok := entry.Blank()
		switch name := entry.Key(); {
		case !ok:
		case what == "label" && name == label.AlertName:
			entry.Fault("the label alertname is the alert's name", "write it as alert: "+s.Text)
		case names != nil && !slices.Contains(names, name) && name != overflowLabel:
			hint := "it has none"
			if len(names) > 0 {
				hint = "it has " + strings.Join(names, ", ")
			}
			if near := expr.Nearest(strings.ReplaceAll(name, ".", "_"), names); near != "" {
				hint = "did you mean " + near + "?"
			} else if dotted := strings.ReplaceAll(name, ".", "_"); slices.Contains(names, dotted) {
				hint = "dots of a name are underscores in its label: " + dotted
			}
			entry.Fault(fmt.Sprintf("%s has no %s `%s`", alert, what, name), hint)
		default:
			out[name] = s.Text
		}
	}
	return out
}

// labelNames returns the labels that an alert may have, nil where that is not known.
func (t *testReader) labelNames(alert string) []string {
	if t.rules == nil || alert == "" || alert == detect.TooManyGroups {
		return nil
	}
	names := []string{}
	for _, r := range t.test.rules.Rules {
		if r.Name != alert {
			continue
		}
		for _, k := range r.By {
			names = append(names, k.Label)
		}
		for _, l := range r.Labels {
			names = append(names, l.Name)
		}
		if r.Graded() {
			names = append(names, label.Severity)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// annotationNames returns the annotations that an alert may have, nil where that is not known.
func (t *testReader) annotationNames(alert string) []string {
	if t.rules == nil || alert == "" || alert == detect.TooManyGroups {
		return nil
	}
	names := []string{}
	for _, r := range t.test.rules.Rules {
		if r.Name == alert {
			for _, a := range r.Annotations {
				names = append(names, a.Name)
			}
		}
	}
	return names
}
