package window

import "math"

// Mark says how far one source partition is complete.
type Mark struct {
	// Partitions is how many partitions the source's topic has.
	Partitions int32
	// Time is the event time reached; it only grows.
	Time int64
	// Start is the event time from which on everything was read, math.MinInt64 when from the beginning.
	Start int64
	// Version is that of the rules under which the source was last read.
	Version uint64
	// Foreign: whoever noted the mark had other rules, and passed over the panes of those that it did not have.
	Foreign bool
}

// Marks holds the marks of all partitions of all topics and tells how far several topics are complete together.
type Marks struct{ topics map[string]*topicMarks }

type topicMarks struct {
	partitions int32
	marks      map[int32]Mark
}

// Observe notes a mark. Its time and the number of partitions never go back. It returns the mark that holds now, and
// whether anything changed.
func (m *Marks) Observe(topic string, partition int32, mark Mark) (held Mark, changed bool) {
	if m.topics == nil {
		m.topics = map[string]*topicMarks{}
	}
	t := m.topics[topic]
	if t == nil {
		t = &topicMarks{marks: map[int32]Mark{}}
		m.topics[topic] = t
	}
	before, known := t.marks[partition]
	if known {
		mark.Time = max(mark.Time, before.Time)
		mark.Partitions = max(mark.Partitions, before.Partitions)
	}
	t.partitions = max(t.partitions, mark.Partitions, partition+1)
	t.marks[partition] = mark
	return mark, !known || mark != before
}

// Get returns the mark of a partition.
func (m *Marks) Get(topic string, partition int32) (mark Mark, ok bool) {
	t := m.topics[topic]
	if t == nil {
		return mark, false
	}
	mark, ok = t.marks[partition]
	return mark, ok
}

// Complete returns the event time that every partition of every given topic has reached; ok is false while one of them
// has no mark, or when there are no topics: nothing is known to be complete then.
func (m *Marks) Complete(topics []string) (at int64, ok bool) {
	at = math.MaxInt64
	for _, topic := range topics {
		t := m.topics[topic]
		if t == nil || int32(len(t.marks)) < t.partitions {
			return 0, false
		}
		for _, mark := range t.marks {
			at = min(at, mark.Time)
		}
	}
	return at, len(topics) > 0
}

// Start returns the event time from which on every partition of the topics was read under the version of the rules; ok
// is false while one of them has no mark of that version, or a foreign one.
func (m *Marks) Start(topics []string, version uint64) (at int64, ok bool) {
	at = math.MinInt64
	for _, topic := range topics {
		t := m.topics[topic]
		if t == nil || int32(len(t.marks)) < t.partitions {
			return 0, false
		}
		for _, mark := range t.marks {
			if mark.Version != version || mark.Foreign {
				return 0, false
			}
			at = max(at, mark.Start)
		}
	}
	return at, len(topics) > 0
}
