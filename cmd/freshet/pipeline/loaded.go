package pipeline

import (
	"fmt"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/config"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/rules"
)

// loaded is a set of rules and what follows from it. It does not change: a reload puts another in its place, and whoever
// works by one goes on with that one until it is made anew.
type loaded struct {
	rules  *rules.Set
	inputs inputs
	shapes map[string]shape // by name
	at     time.Time
}

func newLoaded(cfg *config.Config, set *rules.Set, at time.Time) *loaded {
	l := &loaded{rules: set, inputs: newInputs(cfg, set), shapes: map[string]shape{}, at: at}
	for _, r := range set.Rules {
		l.shapes[r.Name] = shapeOf(r)
	}
	return l
}

// try makes what the stages will make of the rules, so that what cannot be is known before anything goes over to them.
func (p *Pipeline) try(l *loaded) error {
	if _, err := newEvaluator(l, 0, 1); err != nil {
		return fmt.Errorf("rules: %w", err)
	}
	names := map[string]string{} // how rules on events name each topic
	for _, topic := range l.inputs.names() {
		names[topic] = ""
	}
	for _, pattern := range l.inputs.patterns {
		names[pattern.Name] = pattern.Name
	}
	for topic, name := range names {
		if _, err := p.newAccumulator(l, name, kafka.Claim{Topic: topic, Partitions: 1}); err != nil {
			return fmt.Errorf("rules: %w", err)
		}
	}
	return nil
}

// differences counts the rules by what became of them: a rule whose meaning changed is another.
func (l *loaded) differences(before *loaded) (added, removed, kept int) {
	ids := map[uint64]bool{}
	for _, r := range before.rules.Rules {
		ids[r.ID] = true
	}
	for _, r := range l.rules.Rules {
		if ids[r.ID] {
			kept++
		}
	}
	return len(l.rules.Rules) - kept, len(ids) - kept, kept
}

// names are those of the rules.
func (l *loaded) names() map[string]bool {
	names := map[string]bool{}
	for name := range l.shapes {
		names[name] = true
	}
	return names
}
