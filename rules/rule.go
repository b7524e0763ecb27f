// Package rules is the rule language: it reads rule files, finds everything that is wrong with them and compiles the
// rules that the detector runs.
//
// Load and Parse give a Set of Rules, or Problems with their places. A Rule holds closures over records and over the
// measures of a window (package rules/expr), durations and texts; it does not change after loading.
package rules

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules/expr"
	"github.com/freshet-dev/freshet/rules/label"
)

// Rule is one entry of a rule file, checked and compiled. It does not change after loading.
type Rule struct {
	// Name is the alert's name (the label alertname), or the metric's of a rule that records; Group is the name of the rule
	// group.
	Name, Group string
	// Records: the rule records its value as a metric of its name, and makes no alerts.
	Records bool
	// File, Line and Column say where the rule stands.
	File         string
	Line, Column int

	From  ingest.Signal
	Topic string // for From == Events: the topic that they come from
	// Where selects records; nil selects all. WhereText is its canonical source, "" when it is nil.
	// Bounds are equalities that it requires.
	Where     expr.Predicate
	WhereText string
	Bounds    []expr.Bound
	// By names the group: its labels, in the order written.
	By []Key

	// Interval is the step of the sliding window and the width of a pane; Window is a multiple of it.
	Interval, Window time.Duration
	// For is how long the condition must hold before the alert fires; KeepFiringFor how long it fires on after.
	For, KeepFiringFor time.Duration
	// Arrival: records are judged at the time at which their Kafka record was written, not at their own.
	Arrival bool
	// Lateness is how long after its time a record may be read and still count.
	Lateness time.Duration
	// MaxGroups bounds the groups of the rule. It is no part of its meaning: a rule keeps its state when it is changed.
	MaxGroups int

	// Expect are groups that are there even if they never send: of each the texts of its `by` values. They are sorted and differ.
	// They are no part of the rule's meaning either.
	Expect [][]string

	// When holds the conditions and what they read.
	When *expr.Program
	// OnMissing says what a known group is judged as while none of its records is in a window. ForgetAfter is how long an
	// alert is kept whose group sends nothing any more. A group is not judged before it is NewGroupDelay old.
	OnMissing                  Missing
	ForgetAfter, NewGroupDelay time.Duration
	// Quiet: its alerts are shown, and nobody is notified of them.
	Quiet bool

	// Labels are added to the alert's, sorted by name. Annotations are rendered for each finding, in the order written.
	Labels      []Template
	Annotations []Template

	// Panes is the hash of all that decides what its panes hold, whatever it makes of them: rules of equal ones share them.
	// 0 is none.
	Panes uint64
	// ID is the hash of the rule's meaning (all that decides its state): a rule whose ID is unchanged keeps its state.
	// Texts of labels and annotations are not part of it. IDs of a set differ.
	ID uint64
}

// Graded says whether the rule has a condition for each of several severities, which its one alert moves between.
func (r *Rule) Graded() bool { return r.When.Conditions[0].Severity != "" }

// Missing is what a known group without records is judged as.
type Missing uint8

// The judgements. MissingDefault is zero where all measures have a value without records, else keep.
const (
	MissingDefault Missing = iota
	MissingZero            // its counts are 0, everything else is missing
	MissingKeep            // the alert stays as it is
	MissingResolve         // the alert resolves
	MissingFire            // the condition holds
)

var missingNames = [...]string{"default", "zero", "keep", "resolve", "fire"} //nolint:gochecknoglobals // constant table

// String returns the word as rules write it.
func (m Missing) String() string { return missingNames[m] }

// Missing returns what the rule does about groups without records, the default decided.
func (r *Rule) Missing() Missing {
	switch {
	case r.OnMissing != MissingDefault:
		return r.OnMissing
	case r.When.ZeroOnEmpty:
		return MissingZero
	default:
		return MissingKeep
	}
}

// Key is one entry of `by`.
type Key struct {
	Label string // a valid label name: dots became underscores
	Value expr.RecordValue
	Text  string // canonical source
}

// hasher hashes texts and numbers with a separator between them.
type hasher struct{ xxhash.Digest }

func newHasher() *hasher {
	h := new(hasher)
	h.Reset()
	return h
}

func (h *hasher) texts(texts ...string) {
	for _, t := range texts {
		_, _ = h.WriteString(t)
		_, _ = h.Write([]byte{0xff}) // no UTF-8 text has this byte
	}
}

func (h *hasher) numbers(numbers ...int64) {
	for _, n := range numbers {
		h.texts(strconv.FormatInt(n, 10))
	}
}

// meaning hashes all that decides the rule's state, from canonical texts, so that spaces and defaults that are written
// out do not show.
func (r *Rule) meaning() uint64 {
	h := newHasher()
	h.texts(r.Group, r.Name)
	r.hashMeaning(h)
	return h.Sum64()
}

// likeness hashes all but the names and the severity: rules of an equal one say the same.
func (r *Rule) likeness() uint64 {
	h := newHasher()
	r.hashMeaning(h)
	r.hashExpect(h)
	for _, l := range r.Labels {
		if l.Name != label.Severity {
			h.texts(l.Name, l.Text)
		}
	}
	return h.Sum64()
}

func (r *Rule) hashMeaning(h *hasher) {
	h.texts(r.From.String(), r.Topic, r.WhereText, r.When.Text)
	for _, k := range r.By {
		h.texts(k.Label, k.Text)
	}
	// What is only shown is kept as well.
	for _, a := range r.When.Aggregates {
		h.texts(a.Text)
	}
	for _, read := range r.When.Reads {
		h.numbers(int64(read.Aggregate), int64(read.Stat), int64(math.Float64bits(read.Quantile)), int64(read.Window), int64(read.Offset), int64(read.PreviousWindows))
	}
	for _, m := range r.When.Models {
		h.texts(m.Text)
	}
	h.numbers(int64(r.Interval), int64(r.Window), int64(r.For), int64(r.KeepFiringFor), int64(r.Lateness))
	// What few rules have is named, so that the others keep their ids when there is more of it.
	if r.Arrival {
		h.texts("time", "arrival")
	}
	for _, few := range []struct {
		name  string
		value int64
	}{{"on_missing", int64(r.OnMissing)}, {"new_group_delay", int64(r.NewGroupDelay)}} {
		if few.value != 0 {
			h.texts(few.name)
			h.numbers(few.value)
		}
	}
}

// hashExpect hashes which groups are expected, where there are any.
func (r *Rule) hashExpect(h *hasher) {
	if len(r.Expect) > 0 {
		h.numbers(int64(len(r.Expect)))
	}
	for _, group := range r.Expect {
		h.texts(group...)
	}
}

// panes hashes all that decides what the panes of the rule hold.
func (r *Rule) panes() uint64 {
	h := newHasher()
	h.texts(r.From.String(), r.Topic, r.WhereText)
	for _, k := range r.By {
		h.texts(k.Text)
	}
	h.numbers(int64(r.Interval), int64(r.Lateness), int64(len(r.By)))
	if r.Arrival {
		h.texts("time", "arrival")
	}
	if r.When.ComparesGroups() {
		h.texts("compares groups") // they are all in one partition
	}
	for _, a := range r.When.Aggregates {
		h.texts(a.Text)
	}
	return h.Sum64()
}

// reach returns how far before a step a read looks.
func (r *Rule) reach(read expr.Read) time.Duration {
	window := read.Window
	if window == 0 {
		window = r.Window
	}
	return window*time.Duration(1+read.PreviousWindows) + read.Offset
}

// Set is a loaded set of rules.
type Set struct {
	// Rules are in the order of their files and in these as written.
	Rules []*Rule
	// Version is a hash over the IDs, limits, expected groups and texts of all rules.
	Version uint64
}

// newSet makes the IDs unique and computes the version.
func newSet(list []*Rule) *Set {
	s := &Set{Rules: list}
	taken := map[uint64]bool{}
	h := newHasher()
	for _, r := range list {
		for taken[r.ID] { // rules that differ in their labels only; which is first decides
			next := newHasher()
			next.numbers(int64(r.ID))
			r.ID = next.Sum64()
		}
		taken[r.ID] = true
		h.numbers(int64(r.ID), int64(r.MaxGroups), int64(r.ForgetAfter))
		if r.Quiet {
			h.texts("quiet")
		}
		r.hashExpect(h)
		for _, texts := range [][]Template{r.Labels, r.Annotations} {
			h.numbers(int64(len(texts)))
			for _, t := range texts {
				h.texts(t.Name, t.Text)
			}
		}
	}
	s.Version = h.Sum64()
	return s
}

// Topics returns the topics that rules of From == Events name, sorted, each once.
func (s *Set) Topics() []string {
	var topics []string
	for _, r := range s.Rules {
		if r.Topic != "" {
			topics = append(topics, r.Topic)
		}
	}
	slices.Sort(topics)
	return slices.Compact(topics)
}

// LongestWindow returns how far back any rule looks from a step: window, offsets and .over() included. What models
// remember is not: they keep numbers of their own.
func (s *Set) LongestWindow() time.Duration {
	var longest time.Duration
	for _, r := range s.Rules {
		if r.From == ingest.Findings {
			continue // their topic is read from its beginning
		}
		longest = max(longest, r.Window)
		for _, read := range r.When.Reads {
			longest = max(longest, r.reach(read))
		}
	}
	return longest
}
