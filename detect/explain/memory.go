package explain

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

// A Memory keeps the samples of a rule. Those of steps that may still get records are open. When a step is complete its
// sample joins that of a fraction of the window, of which as many are kept as the window needs; older ones are joined
// into spans of the window's length, of which some are kept, these into longer ones, and so on. A span has no more
// records than a step, however long it is.
//
// All spans are aligned, so that what a Memory holds depends on nothing but the records and the step reached.
type Memory struct {
	plan  Plan
	width int64  // of the fractions, in steps
	spans []span // by level, then number
	pool  pool
	// gone are the spans that were written and are no more.
	gone []spanKey
}

// The levels: 0 holds the steps that are open, 1 the fractions of the window.
const (
	openLevel = 0
	lastLevel = 4
)

// fractions is how many parts the window has. A span is made of some of the level below it, and each level keeps the
// span at hand and some before it; the levels together reach back 64 windows and more.
const fractions = 8

var (
	spanOf = [lastLevel + 1]int64{2: fractions, 3: 4, 4: 4}       //nolint:gochecknoglobals // constant table
	keeps  = [lastLevel + 1]int64{1: fractions, 2: 4, 3: 4, 4: 4} //nolint:gochecknoglobals // constant table
)

// maxOpen bounds the open steps: should one input be read this far ahead of another, explanations may lack something.
const maxOpen = 4096

type spanKey struct {
	level  uint8
	number int64
}

type span struct {
	spanKey
	matching, all Sample
	dirty, stored bool
}

// NewMemory returns the empty memory of a rule whose window has so many steps.
func NewMemory(window int64, plan Plan) *Memory {
	return &Memory{plan: plan, width: max(1, (window+fractions-1)/fractions)}
}

func compareKeys(a, b spanKey) int {
	return cmp.Or(cmp.Compare(a.level, b.level), cmp.Compare(a.number, b.number))
}

func (m *Memory) find(key spanKey) (at int, found bool) {
	return slices.BinarySearchFunc(m.spans, key, func(s span, key spanKey) int { return compareKeys(s.spanKey, key) })
}

// span returns the span of a key, made when it is new. It is valid until the next call.
func (m *Memory) span(key spanKey) *span {
	at, found := m.find(key)
	if !found {
		s := span{spanKey: key, matching: Sample{Sizes: m.plan.Matching}, all: Sample{Sizes: m.plan.All}}
		m.spans = slices.Insert(m.spans, at, s)
	}
	return &m.spans[at]
}

// Take adds to a step that is not complete the records that two samples wrote: the matching ones, then those of all.
func (m *Memory) Take(step int64, b []byte) error {
	key := spanKey{openLevel, step}
	if at, found := m.find(key); !found && at >= maxOpen && m.spans[at-1].level == openLevel {
		return nil
	}
	s := m.span(key)
	s.dirty = true
	if err := s.take(b, &m.pool); err != nil {
		return fmt.Errorf("step %d: %w", step, err)
	}
	m.prune()
	return nil
}

func (s *span) take(b []byte, p *pool) error {
	b, err := s.matching.Take(b, p)
	if err == nil {
		b, err = s.all.Take(b, p)
	}
	if err == nil && len(b) > 0 {
		err = fmt.Errorf("%w: %d bytes too many", ErrEncoding, len(b))
	}
	return err
}

// prune lets go of the texts that nobody uses any more.
func (m *Memory) prune() {
	if !m.pool.grown() {
		return
	}
	m.pool = pool{}
	for i := range m.spans {
		for _, sample := range []*Sample{&m.spans[i].matching, &m.spans[i].all} {
			for _, r := range sample.records {
				r.Group, r.Shared = m.pool.get(r.Group), m.pool.get(r.Shared)
			}
		}
	}
	m.pool.prune = 2 * len(m.pool.texts)
}

// Close says that all steps before one are complete.
func (m *Memory) Close(step int64) {
	for len(m.spans) > 0 && m.spans[0].level == openLevel && m.spans[0].number < step {
		m.join(0, spanKey{1, floorDiv(m.spans[0].number, m.width)})
	}
	for level, at := uint8(1), floorDiv(step-1, m.width); level <= lastLevel; level++ {
		for {
			i, _ := m.find(spanKey{level: level, number: -1 << 62})
			if i == len(m.spans) || m.spans[i].level != level || m.spans[i].number >= at-keeps[level] {
				break
			}
			if level == lastLevel {
				m.remove(i)
				continue
			}
			m.join(i, spanKey{level + 1, floorDiv(m.spans[i].number, spanOf[level+1])})
		}
		if level < lastLevel {
			at = floorDiv(at, spanOf[level+1])
		}
	}
}

// join moves the records of a span into another, of a level above it.
func (m *Memory) join(i int, into spanKey) {
	from := m.spans[i]
	m.remove(i)
	s := m.span(into)
	s.dirty = true
	for _, r := range from.matching.records {
		s.matching.Add(r)
	}
	for _, r := range from.all.records {
		s.all.Add(r)
	}
}

func (m *Memory) remove(i int) {
	if m.spans[i].stored {
		m.gone = append(m.gone, m.spans[i].spanKey)
	}
	m.spans = slices.Delete(m.spans, i, i+1)
}

// KeySize is the length of the keys of Changes.
const KeySize = 9

// Changes calls a function with each span that changed since the last call, its value appended to the bytes that are
// given; a span that is gone has no value.
func (m *Memory) Changes(prefix []byte, change func(key [KeySize]byte, value []byte)) {
	for _, key := range m.gone {
		if at, again := m.find(key); !again || !m.spans[at].dirty {
			change(key.bytes(), nil)
		}
	}
	m.gone = m.gone[:0]
	for i := range m.spans {
		s := &m.spans[i]
		if !s.dirty {
			continue
		}
		s.dirty, s.stored = false, true
		change(s.bytes(), s.all.Append(s.matching.Append(slices.Clone(prefix))))
	}
}

func (k spanKey) bytes() (b [KeySize]byte) {
	b[0] = k.level
	binary.BigEndian.PutUint64(b[1:], uint64(k.number))
	return b
}

// Restore takes what Changes gave, after the prefix; nil takes it back.
func (m *Memory) Restore(key, value []byte) error {
	if len(key) != KeySize || key[0] > lastLevel {
		return fmt.Errorf("%w: key of %d bytes", ErrEncoding, len(key))
	}
	k := spanKey{key[0], int64(binary.BigEndian.Uint64(key[1:]))}
	if at, found := m.find(k); found {
		m.spans = slices.Delete(m.spans, at, at+1)
	}
	if value == nil {
		return nil
	}
	if k.number <= -1<<61 || k.number >= 1<<61 {
		return fmt.Errorf("%w: span %d is of no time", ErrEncoding, k.number)
	}
	s := m.span(k)
	s.stored = true
	err := s.take(value, &m.pool)
	m.prune()
	return err
}

// floorDiv divides and rounds down.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
