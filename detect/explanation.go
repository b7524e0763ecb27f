package detect

import (
	"fmt"
	"strings"

	"github.com/freshet-dev/freshet/detect/explain"
	"github.com/freshet-dev/freshet/detect/finding"
)

func newMemory(p *plan, rules int) *explain.Memory {
	return explain.NewMemory(p.own().Length, explain.NewPlan(rules, choosy(p.rule)))
}

// applySamples takes the samples of a block. Those of steps that are over come with panes that are late.
func (r *ruleState) applySamples(in *reader) error {
	for len(in.b) > 0 {
		step := in.varint("pane number")
		sample := in.bytes("sample")
		if in.err != nil {
			return nil // the caller reports it
		}
		if !r.saneStep(step) {
			return sectionFault("sample of step %d of rule %s, which is out of range", step, r.rule.Name)
		}
		if r.started && step < r.step {
			continue
		}
		if err := r.memory.Take(step, sample); err != nil {
			return fmt.Errorf("%w: sample of rule %s: %w", ErrSection, r.rule.Name, err)
		}
	}
	return nil
}

// explain adds what sets the matching records of the group apart.
func (r *ruleState) explain(f *finding.Finding, g *group, step int64) {
	e, since := r.memory.Explain([]byte(g.key), step, r.plan.own().Length, r.asksFor)
	if e != nil {
		e.Since = r.plan.time(since)
	}
	f.Explanation = e
}

// severityNames are names under which a level is found: where a rule chooses by it, all that it chooses have it.
var severityNames = [...]string{ //nolint:gochecknoglobals // constant table
	"level", "lvl", "loglevel", "log.level", "severity", "severity_text", "severity_number", "levelname", "levelno",
}

// asksFor says whether what the condition of the rule chooses by a name: all that it chooses have it then.
func (r *ruleState) asksFor(name string) bool {
	for _, n := range severityNames {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	for i := range r.rule.When.Aggregates {
		if mentions(r.rule.When.Aggregates[i].Text, name) {
			return true
		}
	}
	return false
}

// mentions says whether an expression has a name in it as a whole.
func mentions(text, name string) bool {
	partOfName := func(b byte) bool {
		return b == '.' || b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
	}
	for from := 0; name != ""; {
		i := strings.Index(text[from:], name)
		if i < 0 {
			return false
		}
		begin, end := from+i, from+i+len(name)
		if (begin == 0 || !partOfName(text[begin-1])) && (end == len(text) || !partOfName(text[end])) {
			return true
		}
		from = end
	}
	return false
}
