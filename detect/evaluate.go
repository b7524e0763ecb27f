package detect

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/detect/pane"
	"github.com/freshet-dev/freshet/detect/window"
)

// Evaluator is stage 2 for one partition of freshet.panes: a deterministic state machine from panes and markers to
// findings. It is used by one goroutine. The order of use is Restore for every record of its state, then Apply for
// every panes record from the committed offset on, and Changes for each commit.
//
// Settled findings do not depend on how sections are batched into records or how those of different input partitions
// are interleaved; only Birth, Episode and ID, which are made of them, do, and when a group that is expected and never sent is missed first. A
// replay from a commit repeats the same ids.
type Evaluator struct {
	opts  EvaluatorOptions
	rules []*ruleState
	byID  map[uint64]*ruleState
	feeds []*feed
	marks window.Marks
	// absent topics do not exist.
	absent map[string]bool

	// sources are the input partitions by the number that evidence knows them by.
	sources []sourceState
	numbers map[Source]uint32
	order   pane.Order

	offset  int64
	result  *Result
	touched []ruleGroup // groups to look ahead at
	// orphans are the keys of state of removed rules, with the finding that resolves the alert where there is one.
	orphans     map[string]*finding.Finding
	overflowKey string
	// unsettled: records were restored since the last Apply.
	unsettled bool
	stats     EvaluatorStats
}

type ruleGroup struct {
	rule  *ruleState
	group *group
}

type sourceState struct {
	Source
	dirty bool
}

// EvaluatorStats is what an Evaluator has counted since it was made.
type EvaluatorStats struct {
	// Sections were read; LatePanes came for a step that was over, UnknownPanes for a rule that is not in the set.
	Sections, LatePanes, UnknownPanes uint64
	// Overflows has one entry per rule that had panes for groups beyond its max_groups.
	Overflows []RuleOverflow
	// Groups is how many are held now.
	Groups int
	// Watermarks has one entry per rule that has started.
	Watermarks []RuleWatermark
	// Waiting is how many rules are not judged because some of what they read is read under other rules.
	Waiting int
}

// RuleWatermark is the time (Unix nanoseconds), by the rule's clock, up to which a rule has been evaluated.
type RuleWatermark struct {
	Rule, Group string
	Time        int64
}

// NewEvaluator returns the evaluator of one partition of freshet.panes. It fails on a rule that cannot be.
func NewEvaluator(opts EvaluatorOptions) (*Evaluator, error) {
	if opts.Rules == nil {
		return nil, errors.New("evaluator: no rules given")
	}
	if opts.MeasureGroups == 0 {
		opts.MeasureGroups = defaultMeasureGroups
	}
	opts.PanePartitions = max(opts.PanePartitions, 1)
	e := &Evaluator{
		opts: opts, byID: map[uint64]*ruleState{}, numbers: map[Source]uint32{}, result: new(Result),
		orphans: map[string]*finding.Finding{}, absent: map[string]bool{}, overflowKey: overflowKey(opts.Partition),
	}
	e.order = func(a, b uint32) int {
		x, y := e.source(a), e.source(b)
		return cmp.Or(strings.Compare(x.Topic, y.Topic), cmp.Compare(x.Partition, y.Partition))
	}
	for _, r := range opts.Rules.Rules {
		p, err := newPlan(r)
		if err != nil {
			return nil, err
		}
		if other := e.byID[r.ID]; other != nil {
			return nil, fmt.Errorf("rules %s and %s have the same id %d", other.rule.Name, r.Name, r.ID)
		}
		f := e.feedOf(r)
		state := &ruleState{
			rule: r, plan: p, scratch: newScratch(p), memory: newMemory(p, len(opts.Rules.Rules)), groups: map[string]*group{}, share: shareOf(r, opts.PanePartitions),
			expected: expectedKeys(r, opts.Partition, opts.PanePartitions), crowds: newCrowds(r), restored: map[*group]restoredGroup{}, segments: map[string]map[segmentID][]byte{},
		}
		f.rules = append(f.rules, state)
		e.rules = append(e.rules, state)
		e.byID[r.ID] = state
	}
	return e, nil
}

// Apply takes the next panes record and returns what it leads to. The error says what of the record could not be read
// and wraps ErrSection or pane.ErrEncoding; all that could be was applied, so the caller logs it and goes on.
func (e *Evaluator) Apply(offset int64, value []byte) (Result, error) {
	e.offset = offset
	e.settle()
	for _, r := range e.rules {
		clear(r.husks)
		r.lowest = noPane
	}
	err := e.applySections(value)
	for _, f := range e.feeds {
		if f.dirty {
			f.dirty = false
			e.advanceFeed(f)
		}
	}
	for _, t := range e.touched {
		t.group.touched = false
		e.foresee(t.rule, t.group)
	}
	clear(e.touched)
	e.touched = e.touched[:0]
	res := *e.result
	e.result = new(Result)
	return res, err
}

func (e *Evaluator) applySections(value []byte) error {
	var errs []error
	for len(value) > 0 {
		head, blocks, rest, err := nextSection(value)
		if err != nil {
			errs = append(errs, err)
			if rest == nil {
				break
			}
			value = rest
			continue
		}
		e.stats.Sections++
		number := e.number(head.source)
		listed, err := e.applyBlocks(number, &blocks)
		if err != nil {
			errs = append(errs, err)
		}
		if head.hasMarker {
			e.observe(number, head.source, head.marker)
			e.holdUnlisted(head.source, head.marker, listed)
		}
		value = rest
	}
	return errors.Join(errs...)
}

// applyBlocks returns the IDs of the rules that the source is read under, nil where the section does not say them.
func (e *Evaluator) applyBlocks(number uint32, blocks *reader) (listed []byte, err error) {
	var errs []error
	for {
		b, ok := nextBlock(blocks)
		if !ok {
			return listed, errors.Join(append(errs, blocks.err)...)
		}
		if len(b.rules) == 0 {
			listed = b.samples.b
			continue
		}
		for ids := b.rules; len(ids) >= 8; ids = ids[8:] {
			r := e.byID[binary.LittleEndian.Uint64(ids)]
			errs = append(errs, e.applyBlock(r, number, b))
		}
	}
}

// applyBlock takes a block for one of its rules, which is nil when it is not in the set.
func (e *Evaluator) applyBlock(r *ruleState, number uint32, b block) error {
	var errs []error
	for {
		entry, ok := nextEntry(&b.entries)
		if !ok {
			break
		}
		if r == nil {
			e.stats.UnknownPanes++
			continue
		}
		if err := e.applyPane(r, number, entry); err != nil {
			errs = append(errs, err)
		}
	}
	if r != nil {
		errs = append(errs, r.applySamples(&b.samples))
	}
	return errors.Join(append(errs, b.entries.err, b.samples.err)...)
}

// applyPane merges one pane delta into its group.
func (e *Evaluator) applyPane(r *ruleState, number uint32, in entry) error {
	p, s := r.plan, r.scratch
	if limit := maxTime / p.interval; in.index <= -limit || in.index >= limit {
		return sectionFault("pane number %d of rule %s is out of range", in.index, r.rule.Name)
	}
	if r.started && in.index < r.step {
		e.stats.LatePanes++
		return nil
	}
	if err := s.pane.Decode(in.pane, in.index*p.interval, e.order); err != nil {
		return err
	}
	s.pane.Evidence.SetSource(number)
	g := e.group(r, in)
	r.touch(g)
	if err := p.addOpen(g, in.index, s, e.order); err != nil {
		return err
	}
	r.lowest = min(r.lowest, in.index)
	if p.early && g.alert == nil && g.early == noStep && !g.touched {
		g.touched = true
		e.touched = append(e.touched, ruleGroup{r, g})
	}
	return nil
}

// group returns the group of an entry, made when it is not there. Beyond the rule's share of groups it is the overflow
// group.
func (e *Evaluator) group(r *ruleState, in entry) *group {
	if g := r.groups[string(in.key)]; g != nil {
		return g
	}
	key := string(in.key)
	if r.full() && !r.expects(key) {
		r.overflowPanes++
		key = e.overflowKey
		if g := r.groups[key]; g != nil {
			return g
		}
	}
	g := &group{key: key, early: noStep, birth: e.offset, episode: r.husks[key]}
	r.groups[key] = g
	r.list = append(r.list, g)
	if _, ok := overflowPartition(key); ok {
		e.overflows(r, g, in.index)
	}
	return g
}

// observe notes how far a source is.
func (e *Evaluator) observe(number uint32, src Source, m Marker) {
	if _, changed := e.marks.Observe(src.Topic, src.Partition, e.mark(src, m)); !changed {
		return
	}
	e.sources[number].dirty = true
	e.meet(src.Topic)
	delete(e.absent, src.Topic)
	for _, f := range e.feeds {
		if slices.Contains(f.topics, src.Topic) {
			f.dirty = true
		}
	}
}

// number returns the number of a source, given out when it is new.
func (e *Evaluator) number(src Source) uint32 {
	n, ok := e.numbers[src]
	if !ok {
		n = uint32(len(e.sources))
		e.numbers[src] = n
		e.sources = append(e.sources, sourceState{Source: src, dirty: true})
	}
	return n
}

// source returns the source of a number; an unknown number, which only damaged state could hold, gives an empty one.
func (e *Evaluator) source(number uint32) Source {
	if int(number) >= len(e.sources) {
		return Source{}
	}
	return e.sources[number].Source
}

// Stats returns the counts.
func (e *Evaluator) Stats() EvaluatorStats {
	s := e.stats
	s.Watermarks, s.Overflows = nil, nil
	for _, r := range e.rules {
		s.Groups += len(r.list)
		if r.overflowPanes > 0 {
			s.Overflows = append(s.Overflows, RuleOverflow{r.rule.Name, r.rule.Group, r.overflowPanes})
		}
		if r.started {
			s.Watermarks = append(s.Watermarks, RuleWatermark{r.rule.Name, r.rule.Group, r.step * r.plan.interval})
		}
	}
	s.Waiting = e.waiting()
	return s
}
