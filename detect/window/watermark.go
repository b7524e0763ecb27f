package window

import "math"

// Clock tells the time of records.
type Clock uint8

// The clocks, and how many there are.
const (
	EventTime   Clock = iota // the record's own time
	ArrivalTime              // when its Kafka record was written
	Clocks
)

// Extent is how far a source partition was read by one clock.
type Extent struct {
	// Time is the time reached, math.MinInt64 where none is known yet; it only grows.
	Time int64
	// Start is the time from which on everything was read, math.MinInt64 when from the beginning.
	Start int64
}

// Mark says how far one source partition is complete.
type Mark struct {
	// Partitions is how many partitions the source's topic has.
	Partitions int32
	// Read has an extent for each clock.
	Read [Clocks]Extent
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

// Observe notes a mark. Its times and the number of partitions never go back. It returns the mark that holds now, and
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
		for c := range mark.Read {
			mark.Read[c].Time = max(mark.Read[c].Time, before.Read[c].Time)
		}
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

// Complete returns the time by a clock that every partition of every given topic has reached; ok is false while it is not
// known of one of them, or when there are no topics: nothing is known to be complete then.
func (m *Marks) Complete(topics []string, clock Clock) (at int64, ok bool) {
	at = math.MaxInt64
	for _, topic := range topics {
		t := m.topics[topic]
		if t == nil || int32(len(t.marks)) < t.partitions {
			return 0, false
		}
		for _, mark := range t.marks {
			at = min(at, mark.Read[clock].Time)
		}
	}
	if at == math.MinInt64 || len(topics) == 0 {
		return 0, false
	}
	return at, true
}

// Start returns the time by a clock from which on every partition of the topics was read under the version of the rules; ok
// is false while one of them has no mark of that version, or a foreign one.
func (m *Marks) Start(topics []string, clock Clock, version uint64) (at int64, ok bool) {
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
			at = max(at, mark.Read[clock].Start)
		}
	}
	return at, len(topics) > 0
}
