package alert

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/template"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules/label"
)

// KV is a set of names and values with the methods that Alertmanager's templates know: SortedPairs, Remove, Names,
// Values.
type KV = template.KV

// Sample is one matching record.
type Sample = finding.Sample

// The states of an alert in a message.
const (
	statusFiring   = string(finding.Firing)
	statusResolved = string(finding.Resolved)
)

// Data is what a message is made of: the data of Alertmanager's templates and webhook, and what freshet knows beyond.
type Data struct {
	Receiver string `json:"receiver"`
	// Status is firing when any alert fires, else resolved.
	Status             string `json:"status"`
	Alerts             Alerts `json:"alerts"`
	NotificationReason string `json:"notification_reason"`
	GroupLabels        KV     `json:"groupLabels"`
	CommonLabels       KV     `json:"commonLabels"`
	CommonAnnotations  KV     `json:"commonAnnotations"`
	RouteLabels        KV     `json:"routeLabels"`
	ExternalURL        string `json:"externalURL"`
	// Notes are what people and remediations did about the alerts since the last notification, for the message's thread.
	Notes []Note `json:"-"`
}

// Note is something that was done about a group of alerts.
type Note struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Link leads to where more is to be seen, or something can be done.
type Link struct {
	// Name is dashboard, runbook, silence or trace.
	Name string `json:"name"`
	URL  string `json:"url"`
}

// Acknowledgement says that somebody looks after an alert.
type Acknowledgement struct {
	By      string    `json:"by,omitempty"`
	At      time.Time `json:"at"`
	Comment string    `json:"comment,omitempty"`
}

// Alert is one alert in a message.
type Alert struct {
	Status       string    `json:"status"`
	Labels       KV        `json:"labels"`
	Annotations  KV        `json:"annotations"`
	StartsAt     time.Time `json:"startsAt"`
	EndsAt       time.Time `json:"endsAt"`
	GeneratorURL string    `json:"generatorURL"`
	Fingerprint  string    `json:"fingerprint"`
	// Evidence is in the JSON under a key of its own, so that nothing in Alertmanager's body changes its meaning.
	Evidence `json:"freshet"`
}

// Evidence is why an alert fires.
type Evidence struct {
	Value     *float64 `json:"value,omitempty"`
	Threshold *float64 `json:"threshold,omitempty"`
	Unit      string   `json:"unit,omitempty"`
	Condition string   `json:"condition,omitempty"`
	// Reason says why the alert resolved when its condition was not the cause.
	Reason      string    `json:"reason,omitempty"`
	FirstRecord time.Time `json:"first_record,omitzero"`
	Samples     []Sample  `json:"samples,omitempty"`
	// Offsets is where the matching records lie. Explanation is what sets them apart from those before, nil when nothing
	// does; {{ .Explanation }} writes it in one line.
	Offsets     []finding.OffsetRange `json:"offsets,omitempty"`
	Explanation *finding.Explanation  `json:"explanation,omitempty"`
	// Peak is the value furthest beyond the threshold since the alert began to fire, nil when none is known.
	Peak *float64 `json:"peak,omitempty"`
	// Values are the rule's named measures.
	Values map[string]float64 `json:"values,omitempty"`
	// Expected is what the rule's model expects of Value, Chart how the measure went; nil when there is none.
	Expected *finding.Band  `json:"expected,omitempty"`
	Chart    *finding.Chart `json:"-"`
	// Links lead to a dashboard at that time, the runbook, a silence and the trace.
	Links []Link `json:"links,omitempty"`
	// Acknowledged is nil until somebody acknowledges the alert.
	Acknowledged *Acknowledgement `json:"acknowledged,omitempty"`
	// Flapping is how often the alert fired of late when it flaps, else 0: its ends are held back until it stays calm.
	Flapping int `json:"flapping,omitempty"`
	// Muted says what mutes the alert since the receiver was told that it fires, "" when nothing does.
	Muted string `json:"muted,omitempty"`
	// Moved says, of an alert that another route takes since it became more severe, where it went: this is the last that the
	// receiver hears of it by this route. "" when it did not move.
	Moved string `json:"moved,omitempty"`
	// Belated says of an alert that is over that its beginning could not be delivered while it fired.
	Belated bool `json:"belated,omitempty"`
	// New says that the receiver is told for the first time that the alert fires, or that it is over.
	New bool `json:"new,omitempty"`
}

// ShownValue returns the value with its unit as a person reads it, e.g. "1.24 s", "" when it is missing.
func (e Evidence) ShownValue() string {
	value, _ := FormatMeasure(e.Value, e.Threshold, e.Unit)
	return value
}

// ShownThreshold is ShownValue of the threshold.
func (e Evidence) ShownThreshold() string {
	_, threshold := FormatMeasure(e.Value, e.Threshold, e.Unit)
	return threshold
}

// Traits returns the values that are over-represented among the alert's records while it fires, the most telling first,
// at most so many.
func (a Alert) Traits(most int) []finding.Trait {
	if a.Status != statusFiring || a.Explanation == nil {
		return nil
	}
	return a.Explanation.Traits[:min(most, len(a.Explanation.Traits))]
}

// Severity returns the label severity in lower case.
func (a Alert) Severity() string { return strings.ToLower(a.Labels["severity"]) }

// Name returns the alert's name.
func (a Alert) Name() string { return a.Labels[label.AlertName] }

// Summary returns the annotation that says in one line what is wrong: summary, else description, else "".
func (a Alert) Summary() string {
	if s := a.Annotations["summary"]; s != "" {
		return s
	}
	return a.Annotations["description"]
}

// Alerts is a list of alerts.
type Alerts []Alert

// Firing returns those that fire.
func (as Alerts) Firing() []Alert { return as.with(statusFiring) }

// Staying returns those that fire and did not move to another route.
func (as Alerts) Staying() []Alert {
	return slices.DeleteFunc(as.Firing(), func(a Alert) bool { return a.Moved != "" })
}

// Resolved returns those that are over.
func (as Alerts) Resolved() []Alert { return as.with(statusResolved) }

func (as Alerts) with(status string) []Alert {
	out := []Alert{}
	for _, a := range as {
		if a.Status == status {
			out = append(out, a)
		}
	}
	return out
}

// newData fills in what follows from the alerts.
func newData(receiver, externalURL string, reason Reason, group label.Set, alerts Alerts) Data {
	d := Data{
		Receiver: regexp.QuoteMeta(receiver), // as Alertmanager has it: the name is meant for a filter
		Status:   statusResolved, Alerts: alerts, NotificationReason: string(reason), GroupLabels: group.Map(),
		CommonLabels: KV{}, CommonAnnotations: KV{}, RouteLabels: KV{}, ExternalURL: externalURL,
	}
	if len(alerts.Firing()) > 0 {
		d.Status = statusFiring
	}
	if len(alerts) == 0 {
		return d
	}
	d.CommonLabels = common(alerts, func(a Alert) KV { return a.Labels })
	d.CommonAnnotations = common(alerts, func(a Alert) KV { return a.Annotations })
	return d
}

// Only returns the data of a message about some of the alerts only.
func (d Data) Only(alerts Alerts) Data {
	only := newData("", d.ExternalURL, Reason(d.NotificationReason), nil, alerts)
	only.Receiver, only.GroupLabels = d.Receiver, d.GroupLabels
	if d.RouteLabels != nil {
		only.RouteLabels = d.RouteLabels
	}
	return only
}

func common(alerts Alerts, of func(Alert) KV) KV {
	out := KV{}
	for name, value := range of(alerts[0]) {
		if !slices.ContainsFunc(alerts[1:], func(a Alert) bool { return of(a)[name] != value }) {
			out[name] = value
		}
	}
	return out
}
