package detect

import (
	"slices"
	"strings"

	"github.com/freshet-dev/freshet/detect/window"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
)

// Pattern is an input whose topics are not known beforehand. A topic that it matches and that Topics does not list
// belongs to the rules that read the input from its first marker on; of several patterns that match, the first decides.
type Pattern struct {
	// Name is how rules on events name the input.
	Name   string
	Signal ingest.Signal
	Match  func(topic string) bool
}

// feed is what several rules read: the topics of a signal, or one input of events, by one clock. They share a watermark.
type feed struct {
	signal ingest.Signal // span events come with spans
	input  string        // of rules on events that name one
	clock  window.Clock
	topics []string // sorted
	rules  []*ruleState
	dirty  bool
}

// feedOf returns the feed of a rule, made when it is the first to read it.
func (e *Evaluator) feedOf(r *rules.Rule) *feed {
	f := &feed{signal: r.From, clock: clockOf(r)}
	switch r.From {
	case ingest.SpanEvents:
		f.signal = ingest.Spans
	case ingest.Events:
		f.input = r.Topic
	default:
	}
	for _, other := range e.feeds {
		if other.signal == f.signal && other.input == f.input && other.clock == f.clock {
			return other
		}
	}
	switch {
	case f.input == "":
		f.topics = slices.Sorted(slices.Values(e.opts.Topics[f.signal]))
	case !slices.ContainsFunc(e.opts.Patterns, func(p Pattern) bool { return p.Name == f.input }):
		f.topics = []string{f.input}
	}
	e.feeds = append(e.feeds, f)
	return f
}

// meet adds a topic of a pattern to the feeds that read the pattern.
func (e *Evaluator) meet(topic string) {
	for _, f := range e.feeds {
		if slices.Contains(f.topics, topic) {
			return
		}
	}
	for _, topics := range e.opts.Topics {
		if slices.Contains(topics, topic) {
			return
		}
	}
	i := slices.IndexFunc(e.opts.Patterns, func(p Pattern) bool { return p.Match(topic) })
	if i < 0 {
		return
	}
	p := e.opts.Patterns[i]
	for _, f := range e.feeds {
		if f.signal == p.Signal && (f.input == "" || f.input == p.Name) {
			at, _ := slices.BinarySearch(f.topics, topic)
			f.topics = slices.Insert(f.topics, at, topic)
			f.dirty = true
		}
	}
}

// Topics returns the topics that rules read, as far as they are known, sorted.
func (e *Evaluator) Topics() []string {
	var topics []string
	for _, f := range e.feeds {
		topics = append(topics, f.topics...)
	}
	slices.Sort(topics)
	return slices.Compact(topics)
}

// SetAbsent says which topics are known not to exist: nothing is waited for from them. The next Apply acts on it. A
// topic is no longer absent once a marker of it comes. When this is said does not change what is found, only how soon.
func (e *Evaluator) SetAbsent(topics []string) {
	for _, f := range e.feeds {
		for _, t := range f.topics {
			f.dirty = f.dirty || e.absent[t] != slices.Contains(topics, t)
		}
	}
	clear(e.absent)
	for _, t := range topics {
		e.absent[strings.Clone(t)] = true
	}
}

// awaited returns the topics of a feed that are not absent.
func (e *Evaluator) awaited(f *feed) []string {
	if len(e.absent) == 0 {
		return f.topics
	}
	return slices.DeleteFunc(slices.Clone(f.topics), func(t string) bool { return e.absent[t] })
}
