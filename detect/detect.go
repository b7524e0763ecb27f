// Package detect is freshet's detector as two pure stages, without clock, goroutines or I/O.
//
// Stage 1, Accumulator: one per input partition; matches records against the rules and adds them to panes, the
// aggregates of one rule and group over one step of time. That of a record is its own, the event time, or for rules that
// say so the one at which its Kafka record was written, its arrival; each rule goes by one of these clocks.
//
//	records ──► Accumulator ──► sections (pane deltas + marker) ──► topic freshet.panes
//
// Stage 2, Evaluator: one per partition of freshet.panes; merges the deltas, advances watermarks by the markers, slides
// windows and judges conditions.
//
//	sections ──► Evaluator ──► findings, measures, changed state
//
// What a group costs does not grow with how far its rule looks back: long windows begin at the boundary of a bucket, and
// long looks back see the nearest step that was kept; package window states the errors.
package detect

import (
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/label"
)

// Source names an input partition.
type Source struct {
	Topic     string
	Partition int32
}

// AccumulatorOptions configure an Accumulator.
type AccumulatorOptions struct {
	Rules  *rules.Set
	Source Source
	// Input is how rules on events name the source's topic, when that is not its own name.
	Input string
	// Partitions is the number of partitions of the source's topic; markers carry it so that stage 2 knows how many to
	// wait for.
	Partitions int32
	// PanePartitions is the number of partitions of freshet.panes.
	PanePartitions int32
	// ClockTolerance is how far (nanoseconds) a record's event time may lie after its Kafka timestamp before its clock
	// counts as ahead.
	ClockTolerance int64
}

// Section is what one input partition gives for one partition of freshet.panes in one flush. The value of a panes
// record is one or more sections one after the other: concatenating two values gives a valid value.
type Section struct {
	PanePartition int32
	Value         []byte
}

// Topics says which topics carry each signal. Span events come with Spans.
type Topics map[ingest.Signal][]string

// EvaluatorOptions configure an Evaluator.
type EvaluatorOptions struct {
	Rules  *rules.Set
	Topics Topics
	// Patterns are the inputs beside Topics.
	Patterns []Pattern
	// Partition is the partition of freshet.panes that the evaluator reads, PanePartitions how many there are: each
	// enforces its share of a rule's MaxGroups.
	Partition, PanePartitions int32
	// MeasureGroups is how many groups of a rule give a Measure at each step, besides those that are pending or firing:
	// 0 means 50, a negative number none.
	MeasureGroups int
}

// Result is what one panes record leads to.
type Result struct {
	Findings []*finding.Finding
	Measures []Measure
	// Recorded are the values of rules that record: all of them, in order.
	Recorded []Recorded
	// Warnings are for the log: texts that could not be rendered, panes that could not be read. None stops anything.
	Warnings []error
}

// Measure is what a rule's measure was for one group at one step: for charts, not for decisions.
type Measure struct {
	Rule, Group      string
	Labels           label.Set
	Time             int64 // end of the window, Unix nanoseconds
	Value, Threshold float64
	// Subject is what a chart shows, and Limit its threshold. They are Value and Threshold, but where a rule judges how
	// unusual a measure is (anomaly, zscore, outlier): there they are that measure, and the one at which Value is Threshold.
	Subject, Limit float64
	// Expected is what the rule's model expects of Subject, Lower and Upper are where the band about it ends; NaN where
	// nothing is expected.
	Expected, Lower, Upper float64
	Firing                 bool
	// Fingerprint is that of the group's alert while it fires, else 0.
	Fingerprint label.Fingerprint
}

// Recorded is the value of a rule that records, for one group at one step.
type Recorded struct {
	Name   string
	Labels label.Set
	Time   int64 // end of the window, Unix nanoseconds
	Value  float64
	Unit   string
}

// Change is a state record to write to the compacted topic freshet.state; a nil Value deletes the key.
type Change struct{ Key, Value []byte }
