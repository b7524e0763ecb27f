package detect

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/freshet-dev/freshet/detect/explain"
	"github.com/freshet-dev/freshet/rules/label"
)

// stateVersion stands first in every value of the state topic.
const stateVersion = 5

// ErrState is wrapped by the errors of Restore. The state is of another version of freshet, or damaged: the caller
// starts clean, with a new Evaluator and none of the records, and says so.
var ErrState = errors.New("detect: state cannot be read")

func stateFault(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrState}, args...)...)
}

// The first byte of a state record's key says what it is about.
const (
	keyGroup   = 'g' // then the rule's id (8 bytes) and the group's key
	keySegment = 'h' // then the rule's id, the width of its buckets, its number (8 bytes each) and the group's key
	keyRule    = 'r' // then the rule's id (8 bytes)
	keySample  = 'e' // then the rule's id (8 bytes) and what names the sample (explain.KeySize bytes)
	keySource  = 's' // then the source's number (4 bytes)
)

func groupKey(rule uint64, key string) []byte {
	b := make([]byte, 0, 9+len(key))
	b = binary.BigEndian.AppendUint64(append(b, keyGroup), rule)
	return append(b, key...)
}

func sampleKey(rule uint64, name [explain.KeySize]byte) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{keySample}, rule), name[:]...)
}

func ruleKey(rule uint64) []byte { return binary.BigEndian.AppendUint64([]byte{keyRule}, rule) }

func sourceKey(number uint32) []byte { return binary.BigEndian.AppendUint32([]byte{keySource}, number) }

// Changes returns what changed since the last call, to be written to the compacted state topic in the transaction that
// commits the offset of the last record applied. The slices are the caller's. Before the first Apply there are none.
func (e *Evaluator) Changes() []Change {
	if e.unsettled {
		return nil
	}
	var changes []Change
	for i := range e.sources {
		if s := &e.sources[i]; s.dirty {
			s.dirty = false
			changes = append(changes, Change{sourceKey(uint32(i)), e.appendSource(nil, s.Source)})
		}
	}
	for _, r := range e.rules {
		if r.dirty {
			r.dirty = false
			changes = append(changes, Change{ruleKey(r.rule.ID), r.append(nil)})
		}
		changes = r.appendChanges(changes)
		r.memory.Changes([]byte{stateVersion}, func(name [explain.KeySize]byte, value []byte) {
			changes = append(changes, Change{sampleKey(r.rule.ID, name), value})
		})
	}
	for key := range e.orphans {
		changes = append(changes, Change{Key: []byte(key)})
	}
	clear(e.orphans)
	return changes
}

// appendChanges appends the records of the groups that changed.
func (r *ruleState) appendChanges(changes []Change) []Change {
	changes = append(changes, r.tombstones...)
	r.tombstones = nil
	for _, g := range r.changed {
		g.dirty = false
		switch {
		case !g.gone:
			g.stored = true
			changes = r.seal(changes, g)
			changes = append(changes, Change{groupKey(r.rule.ID, g.key), r.appendGroup(nil, g)})
		case g.stored:
			changes = append(changes, Change{Key: groupKey(r.rule.ID, g.key)})
		}
	}
	clear(r.changed)
	r.changed = r.changed[:0]
	return changes
}

const (
	sourceMarked  = 1
	sourceForeign = 2
	ruleStarted   = 1
	ruleOverflow  = 2
	ruleCrowds    = 4
	ruleGap       = 8
	groupAlive    = 1
	groupAlert    = 2
	groupEarly    = 4
	groupExpected = 8
	alertFiring   = 1
	alertCleared  = 2
)

func (e *Evaluator) appendSource(b []byte, s Source) []byte {
	b = append(b, stateVersion)
	b = binary.AppendUvarint(b, uint64(len(s.Topic)))
	b = append(b, s.Topic...)
	b = binary.AppendUvarint(b, uint64(uint32(s.Partition)))
	m, ok := e.marks.Get(s.Topic, s.Partition)
	if !ok {
		return append(b, 0)
	}
	flags := byte(sourceMarked)
	if m.Foreign {
		flags |= sourceForeign
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(uint32(m.Partitions)))
	for _, read := range m.Read {
		b = binary.AppendVarint(b, read.Time)
		b = binary.AppendVarint(b, read.Start)
	}
	return binary.LittleEndian.AppendUint64(b, m.Version)
}

func (r *ruleState) append(b []byte) []byte {
	b = append(b, stateVersion)
	flags := byte(0)
	if r.started {
		flags |= ruleStarted
	}
	if r.overflow != nil {
		flags |= ruleOverflow
	}
	if r.crowds != nil {
		flags |= ruleCrowds
	}
	if r.gap {
		flags |= ruleGap
	}
	b = append(b, flags)
	if r.started {
		b = binary.AppendVarint(b, r.step)
		b = binary.AppendVarint(b, r.first)
		b = binary.AppendVarint(b, r.complete)
	}
	if r.overflow != nil {
		b = r.overflow.append(b)
	}
	if r.crowds != nil {
		b = r.crowds.append(b)
	}
	return b
}

func (r *ruleState) appendGroup(b []byte, g *group) []byte {
	b = append(b, stateVersion)
	flags := byte(0)
	if g.life != nil {
		flags |= groupAlive
	}
	if g.alert != nil {
		flags |= groupAlert
	}
	if g.early != noStep {
		flags |= groupEarly
	}
	since, expected := r.expected[g.key]
	if expected = expected && since != noStep; expected {
		flags |= groupExpected
	}
	b = append(b, flags)
	b = binary.AppendVarint(b, r.step)
	b = binary.AppendVarint(b, g.birth)
	b = binary.AppendUvarint(b, uint64(g.episode))
	// The alert stands early in the value and with all that is needed to resolve it, should the rule be gone.
	if g.alert != nil {
		b = r.appendAlert(b, g.alert)
	}
	if g.early != noStep {
		b = binary.AppendVarint(b, g.early)
	}
	if expected {
		b = binary.AppendVarint(b, since)
	}
	b = appendSized(b, g.open)
	if g.life != nil {
		b = r.appendLife(b, g.life)
	}
	return b
}

func (r *ruleState) appendAlert(b []byte, a *alert) []byte {
	flags := byte(0)
	if a.firing {
		flags |= alertFiring
	}
	if a.cleared != noStep {
		flags |= alertCleared
	}
	b = append(b, flags)
	b = binary.AppendVarint(b, a.since)
	if a.cleared != noStep {
		b = binary.AppendVarint(b, a.cleared)
	}
	b = binary.AppendVarint(b, a.transition)
	b = binary.AppendUvarint(b, uint64(len(a.labels)))
	for _, l := range a.labels {
		b = appendSized(b, []byte(l.Name))
		b = appendSized(b, []byte(l.Value))
	}
	b = binary.AppendVarint(b, r.plan.interval)
	b = appendSized(b, []byte(r.rule.Group))
	for i := range a.above {
		h := &a.above[i]
		b = binary.AppendVarint(b, h.since)
		b = binary.AppendVarint(b, h.cleared)
		b = append(b, b2i(h.firing))
	}
	return b
}

func b2i(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func appendSized(b, content []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(content))), content...)
}

// stateReader reads a value of the state topic: like reader, but its errors wrap ErrState.
type stateReader struct{ reader }

// fault returns the first error, if any.
func (r *stateReader) fault(about string) error {
	if r.err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s: %w", ErrState, about, r.err)
}

// open checks the version of a value.
func openState(value []byte, about string) (*stateReader, error) {
	r := &stateReader{reader{b: value}}
	if v := r.byte("version"); r.err == nil && v != stateVersion {
		return nil, stateFault("%s has version %d, expected %d: written by another version of freshet", about, v, stateVersion)
	}
	return r, r.fault(about)
}

// rule reads what ruleState.append wrote. How the groups lay is read for a rule that is known only.
func (r *stateReader) rule(id uint64, c *crowds) (p progress, o *overflow) {
	flags := r.byte("flags")
	if p.started = flags&ruleStarted != 0; p.started {
		p.step = r.varint("step")
		p.first = r.varint("first step")
		p.complete = r.varint("first complete step")
		p.gap = flags&ruleGap != 0
	}
	if flags&ruleOverflow != 0 {
		o = r.overflow(id)
	}
	if c != nil && flags&ruleCrowds != 0 {
		r.crowds(c)
	}
	return p, o
}

func (r *stateReader) labels() label.Set {
	n := r.uvarint("labels")
	m := map[string]string{}
	for range n {
		name := r.bytes("label")
		value := r.bytes("label")
		if r.err != nil {
			return nil
		}
		m[string(name)] = string(value)
	}
	return label.FromMap(m)
}

// alert reads an alert, the interval of its rule and the name of the rule's group. What follows of further severities is
// read for a rule that is known only.
func (r *stateReader) alert(conditions int) (a *alert, interval int64, ruleGroup string) {
	flags := r.byte("alert")
	a = newAlert(conditions)
	a.firing = flags&alertFiring != 0
	a.since = r.varint("alert")
	if flags&alertCleared != 0 {
		a.cleared = r.varint("alert")
	}
	a.transition = r.varint("alert")
	a.labels = r.labels()
	interval = r.varint("interval")
	ruleGroup = string(r.bytes("rule group"))
	for i := range a.above {
		a.above[i] = hold{since: r.varint("severity"), cleared: r.varint("severity"), firing: r.byte("severity") != 0}
	}
	return a, interval, ruleGroup
}

// decode takes what a decoder of another package reads off the front.
func (r *stateReader) decode(decode func(b []byte) ([]byte, error)) {
	if r.err != nil {
		return
	}
	rest, err := decode(r.b)
	if err != nil {
		r.err, r.b = err, nil
		return
	}
	r.b = rest
}
