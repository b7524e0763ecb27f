// Package finding is the contract of the topic freshet.findings: what the detector found, as the alerter, the web page
// and everybody else reads it.
package finding

import (
	"time"

	"github.com/freshet-dev/freshet/rules/label"
)

// State is what a finding says about its alert.
type State string

// The states. A pending alert holds its condition but not yet for as long as `for` asks.
const (
	Pending  State = "pending"
	Firing   State = "firing"
	Resolved State = "resolved"
)

// Finding is one transition of one alert.
type Finding struct {
	// ID names the transition: (rule, group, Birth, Episode, State), and in a rule of several severities Transition. A replay repeats a finding with the same ID.
	ID string `json:"id"`
	// Fingerprint identifies the alert: that of its labels without annotations.
	Fingerprint label.Fingerprint `json:"fingerprint"`
	// Rule is the alert's name and Group the rule group's; File says where the rule stands.
	Rule  string `json:"rule"`
	Group string `json:"group"`
	State State  `json:"state"`
	// Settled tells a finding over a complete window from an early one, whose ID and state are final but whose value
	// may still grow. A settled finding with the same ID follows each early one.
	Settled bool `json:"settled"`
	// Birth, Episode and Transition order the findings of one alert: Birth is the offset in the panes topic at which
	// the group's state was created, Episode counts firings, Transition the steps within an episode.
	Birth      int64 `json:"birth"`
	Episode    int64 `json:"episode"`
	Transition int64 `json:"transition"`

	Labels      label.Set         `json:"labels"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// Value is the measure that the rule reports, Threshold the number it was compared with; nil when missing.
	Value     *float64 `json:"value,omitempty"`
	Threshold *float64 `json:"threshold,omitempty"`
	// Peak is the value furthest beyond the threshold since the alert fires, nil when it is not known.
	Peak *float64 `json:"peak,omitempty"`
	// Values are the rule's named measures, those that are not missing.
	Values map[string]float64 `json:"values,omitempty"`
	// Unit is how to show Value: "s", "By", "1", or "" when unknown.
	Unit string `json:"unit,omitempty"`
	// Update: it is no transition, but says how an alert that fires stands now: Value, Threshold, Expected, Peak and Chart
	// are newer. Detectors write such records now and then for people; they are no part of what was found.
	Update bool `json:"update,omitempty"`
	// Quiet: the alert is to be shown, and nobody notified.
	Quiet bool `json:"quiet,omitempty"`
	// Derived: the rule reads findings itself. Such findings are not read by rules, so that none leads to itself.
	Derived bool `json:"derived,omitempty"`
	// Condition is the rule's `when` as written, or that of its severity.
	Condition string `json:"condition"`
	// WindowStart and WindowEnd bound the window that was judged. All times are those of the records, by the clock
	// that the rule goes by: event time, or arrival.
	WindowStart time.Time `json:"window_start"`
	WindowEnd   time.Time `json:"window_end"`
	// StartsAt is when the episode began to hold (pending or firing), EndsAt when it resolved.
	StartsAt time.Time `json:"starts_at"`
	EndsAt   time.Time `json:"ends_at,omitzero"`
	// FirstRecord is the time of the first matching record of the window, zero when there is none.
	FirstRecord time.Time `json:"first_record,omitzero"`
	// Reason says why an alert resolved when it was not its condition: "rule removed", "no data", "forgotten".
	Reason string `json:"reason,omitempty"`
	// Samples are up to three matching records, Offsets where all matching records of the window lie.
	Samples []Sample      `json:"samples,omitempty"`
	Offsets []OffsetRange `json:"offsets,omitempty"`
	// Explanation says what sets the matching records apart from those before, nil when nothing does. Findings that say
	// that an alert is over have none.
	Explanation *Explanation `json:"explanation,omitempty"`
	// Expected is what the rule's model expects of Value, nil when it has none.
	Expected *Band `json:"expected,omitempty"`
	// Chart is how the measure went of late, as far as the detector that wrote the finding saw it; nil when it is not
	// held. It is a picture for people: of two detectors that find the same, the charts may differ.
	Chart *Chart `json:"chart,omitempty"`

	// Expires is when an alert that others post to the API is over unless they post it again, zero for freshet's own.
	Expires time.Time `json:"expires,omitzero"`
	// GeneratorURL is where such an alert says that it comes from.
	GeneratorURL string `json:"generator_url,omitempty"`
}

// Band is what a measure is expected to be, nil bounds when there are none.
type Band struct {
	Value *float64 `json:"value,omitempty"`
	Lower *float64 `json:"lower,omitempty"`
	Upper *float64 `json:"upper,omitempty"`
	// Subject is the measure that is expected to be so, and Unit its unit, where the finding's Value is only how unusual it
	// is; else Subject is nil, and the band is about Value.
	Subject *float64 `json:"subject,omitempty"`
	Unit    string   `json:"unit,omitempty"`
}

// Chart holds points of a measure, Step seconds apart from Start on; nil is a point that is missing. Thresholds, Lower and
// Upper have as many points as Values or none. Where a rule judges how unusual a measure is, the chart is of the measure.
type Chart struct {
	Start      time.Time  `json:"start"`
	Step       float64    `json:"step"`
	Values     []*float64 `json:"values"`
	Thresholds []*float64 `json:"thresholds,omitempty"`
	Lower      []*float64 `json:"lower,omitempty"`
	Upper      []*float64 `json:"upper,omitempty"`
	// Above says that a value beyond the threshold is above it.
	Above bool `json:"above,omitempty"`
	// Unit is how to show the numbers: "s", "By", "1", or "" when unknown.
	Unit string `json:"unit,omitempty"`
}

// Sample is one matching record.
type Sample struct {
	Topic     string    `json:"topic"`
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	Index     int       `json:"index"`
	Time      time.Time `json:"time"`
	// Text is the record in one line: a log's body, a span's name and duration, a metric's name and value.
	Text string `json:"text"`
	// TraceID is set when the record belongs to a trace.
	TraceID string `json:"trace_id,omitempty"`
}

// OffsetRange is a range of a partition, both ends included.
type OffsetRange struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	First     int64  `json:"first"`
	Last      int64  `json:"last"`
}

// Key is the finding's Kafka key: findings of one alert share it.
func (f *Finding) Key() []byte { return []byte(f.Fingerprint.String()) }

// Below says whether the alert is about a value below its threshold.
func (f *Finding) Below() bool {
	return f.Value != nil && f.Threshold != nil && *f.Value < *f.Threshold
}

// Newer says whether f comes after the finding that other describes, of the same alert: by birth, then episode, then
// transition.
func (f *Finding) Newer(other *Finding) bool {
	if f.Birth != other.Birth {
		return f.Birth > other.Birth
	}
	if f.Episode != other.Episode {
		return f.Episode > other.Episode
	}
	return f.Transition > other.Transition
}
