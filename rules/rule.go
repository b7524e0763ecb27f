package rules

import (
	"time"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules/expr"
)

// Rule is one entry of a rule file, checked and compiled. It does not change after loading.
type Rule struct {
	// Name is the alert's name (the label alertname); Group is the name of the rule group.
	Name, Group string
	// File, Line and Column say where the rule stands.
	File         string
	Line, Column int

	From  ingest.Signal
	Topic string // for From == Events: the topic; "" for all event topics
	// Where selects records; nil selects all.
	Where expr.Predicate
	// By names the group: its labels, in the order written.
	By []Key

	// Interval is the step of the sliding window and the width of a pane; Window is a multiple of it.
	Interval, Window time.Duration
	// For is how long the condition must hold before the alert fires; KeepFiringFor how long it fires on after.
	For, KeepFiringFor time.Duration
	// Lateness is how long after its event time a record may arrive and still count.
	Lateness time.Duration
	// MaxGroups bounds the groups of the rule.
	MaxGroups int

	When *expr.Program

	// Labels are added to the alert's. Annotations are rendered for each finding.
	Labels      []Template
	Annotations []Template

	// ID is the hash of the rule's meaning (all that decides its state): a rule whose ID is unchanged keeps its state.
	// Texts of labels and annotations are not part of it.
	ID uint64
}

// Key is one entry of `by`.
type Key struct {
	Label string // a valid label name: dots became underscores
	Value expr.RecordValue
	Text  string // as written
}

// Set is a loaded set of rules.
type Set struct {
	Rules []*Rule
	// Version is a hash over the IDs and texts of all rules.
	Version uint64
}

// Topics returns the topics that rules of From == Events name, sorted, each once.
func (s *Set) Topics() []string { return nil }

// LongestWindow returns how far back any rule looks from a step: window, offsets and .over() included.
func (s *Set) LongestWindow() time.Duration { return 0 }
