package expr

import (
	"slices"
	"time"

	"github.com/freshet-dev/freshet/ingest"
)

// RecordValue is the record-side half of an expression: it computes a value from one record without allocating. Its
// result may point into the record.
type RecordValue func(*ingest.Record) ingest.Value

// Predicate is a record-side condition; a missing value in a comparison makes it false (true for !=).
type Predicate func(*ingest.Record) bool

// Func is how an Aggregate summarises the values of the matching records.
type Func uint8

// The aggregate functions that a pane keeps. What a rule writes maps to them: avg reads Moments, rate reads Count,
// p99 reads Sketch.
const (
	Count      Func = iota + 1 // records for which Filter holds
	Moments                    // count, exact sum and exact sum of squares: sum, avg, stddev
	Min                        // least value
	Max                        // greatest value
	Last                       // value with the latest (time, partition, offset, index)
	Distinct                   // number of different values
	Sketch                     // relative-error quantile sketch
	Counter                    // what the series of a counter grew by
	Histogram                  // what the series of a histogram grew by, or single values
	SeriesLast                 // of each time series the latest value
	SeriesAvg                  // of each time series the mean
	SeriesMin                  // of each time series the least value
	SeriesMax                  // of each time series the greatest value
	Sequence                   // records that come before others; see SequenceFirst
	Values                     // which values there were
)

// The value of a Sequence\'s Arg is the sum of what a record is to it.
const (
	SequenceFirst  = 1 // it may come before others
	SequenceSecond = 2 // others may come before it
)

// String returns the function's name in canonical texts.
func (f Func) String() string {
	switch f {
	case Count:
		return "count"
	case Moments:
		return "moments"
	case Min:
		return "min"
	case Max:
		return "max"
	case Last:
		return "last"
	case Distinct:
		return "distinct"
	case Sketch:
		return "sketch"
	case Counter:
		return "counter"
	case Histogram:
		return "histogram"
	case SeriesLast:
		return "last by series"
	case SeriesAvg:
		return "avg by series"
	case SeriesMin:
		return "min by series"
	case SeriesMax:
		return "max by series"
	case Sequence:
		return "sequence"
	case Values:
		return "values"
	default:
		return "unknown"
	}
}

// Aggregate is one summary that a rule keeps per group and pane. Equal aggregates of a condition are one.
type Aggregate struct {
	Func Func
	// Arg is the value that is summarised; nil for Count. Records for which it is missing are skipped. Except for
	// Distinct it is always a number: a text that holds one becomes one, and anything else is missing. That of a Histogram
	// is true for points that have buckets in the place of a number.
	Arg RecordValue
	// Filter restricts the records; nil means all that the rule's `where` lets through.
	Filter Predicate
	// Text is the canonical source of function, argument and filter: equal texts mean equal aggregates.
	Text string
}

// Stat is what a Read takes from an aggregate over a window.
type Stat uint8

// The statistics, with the Func that each reads.
const (
	StatCount    Stat = iota + 1 // Count; over series how many there are
	StatRate                     // Count or Counter divided by the window in seconds
	StatSum                      // Moments, Counter; over series
	StatAvg                      // Moments; over series
	StatStddev                   // Moments, of the population; over series
	StatMin                      // Min; over series
	StatMax                      // Max; over series
	StatLast                     // Last
	StatDistinct                 // Distinct
	StatQuantile                 // Sketch or Histogram, at Read.Quantile
	StatAbsent                   // Count: 1 when no record of the group is in the window, else 0
	StatBefore                   // Sequence: how many records come before the last of the others
	StatFresh                    // Values: how many were not seen in the 30 days before; missing in a group\'s first day
)

// Read is one number that a condition takes from an aggregate: over the window that ends Offset before the step.
type Read struct {
	Aggregate int // index into Program.Aggregates
	Stat      Stat
	Quantile  float64
	// Window is the length, 0 for the rule's own; Offset is how far the window's end lies before the step's. One
	// .previous() is PreviousWindows 1: the window directly before, whatever the rule's length.
	Window          time.Duration
	Offset          time.Duration
	PreviousWindows int
}

// Frame is what a condition is evaluated on, for one group at one step. Missing is NaN everywhere.
type Frame struct {
	Reads  []float64      // one per Program.Reads
	Models []float64      // one per Program.Models
	By     []ingest.Value // the group's key, one per `by` entry
}

// Program is what a rule says about measures, compiled: its conditions, and what they read. All its functions are pure
// and safe for concurrent use; none allocates.
type Program struct {
	// Text is the canonical source of all that decides a state: equal texts mean equal conditions.
	Text       string
	Aggregates []Aggregate
	Reads      []Read
	Models     []Model // in order: a model's Input may use earlier models
	// Conditions are those of the severities, the least severe first, or the one of a plain `when`.
	Conditions []Condition
	// Lets are the named measures, for texts.
	Lets []Let
	// Monotone: once a condition holds over a part of a window's records it holds over all of them, e.g. count(p) > n: such
	// a condition may fire before the window is complete. False whenever that cannot be proven.
	Monotone bool
	// ZeroOnEmpty: every read has a value over an empty window (count, rate, sum and distinct are 0, absent is 1), so a
	// silent known group is judged; otherwise its state is kept.
	ZeroOnEmpty bool
	// Doubts are what compiles and yet cannot be meant, for each part that Compile was given; nil when there is nothing.
	Doubts []Faults
}

// Condition is a `when`, or one severity's part of it.
type Condition struct {
	// Severity is the label that it gives the alert, "" in a plain `when`.
	Severity string
	Source   string
	// Holds says whether the condition holds, Until whether one that held is over; a nil Until means that it is as soon as
	// it does not hold.
	Holds, Until func(*Frame) bool
	// Value is the measure that the rule reports: that of `value`, else the left side of the first comparison that is no
	// plain count() floor when there is another; Threshold is the right side. Each is nil when there is none, e.g. for
	// absent().
	Value, Threshold func(*Frame) float64
	// Above tells on which side of Threshold the condition holds: true for > and >=.
	Above bool
	// Unit of Value when it can be told: "s" for durations, "" otherwise.
	Unit string
	// Expects is what a model expects of Value, or of the measure of which Value says how unusual it is; nil where no model
	// does.
	Expects *Expectation

	text   string         // canonical source of Value
	scored *scored[Frame] // of Value
}

// Expectation says of which measure a model expects something.
type Expectation struct {
	// Model is the model as index into Program.Models: a Band, a ZScore or an Outlier.
	Model int
	// Subject is the measure where the condition's Value is its distance from what is expected, in deviations, and Unit the
	// measure's; nil where the measure is Value.
	Subject func(*Frame) float64
	Unit    string
}

// Let is a named measure.
type Let struct {
	Name  string
	Value func(*Frame) float64
}

// Holding returns the index of the most severe condition that holds, -1 when none does.
func (p *Program) Holding(f *Frame) int {
	for i, c := range slices.Backward(p.Conditions) {
		if c.Holds(f) {
			return i
		}
	}
	return -1
}
