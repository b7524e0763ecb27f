package kafka

import (
	"context"
	"time"
)

// Message is one Kafka record, read or to be written.
type Message struct {
	Topic     string
	Partition int32     // of a record to be written: ByKey chooses one by the key
	Offset    int64     // of a record read
	Time      time.Time // Kafka's timestamp; of a record to be written, now if it is zero
	Key       []byte
	Value     []byte
	Headers   []Header
}

// Header is one header of a Message.
type Header struct{ Key, Value string }

// Stage is a consume-transform-produce loop: the partitions of Topics are shared among the members of Group, each
// partition is owned by one Task, and what the tasks give out is written together with the input offsets in one
// transaction per flush (KIP-447).
type Stage struct {
	// Group is the consumer group; Instance is a name that is stable across restarts of this process and differs
	// between processes. The transactional id is made of both, unless the stage is Exclusive.
	Group, Instance string
	// Exclusive is for a stage that reads one partition, so that one process works and the others stand by. The
	// transactional id is the group's name, and whoever is given the partition takes it over before anything is read: a
	// transaction that a process left open when it died is aborted at once rather than at its timeout, and a process that
	// lives on without the partition can write nothing more.
	Exclusive bool
	Topics    []string
	// Match says which other topics are read too; nil means none. Topics that appear, and partitions that are added, are
	// noticed within ten seconds; a topic that is deleted is let go.
	Match func(topic string) bool
	// StartAt is where a partition without a committed offset starts: at the first record of that time or later, from
	// the oldest when it is zero.
	StartAt time.Time
	// FromOldest are topics that start from the oldest record all the same.
	FromOldest []string
	// SessionTimeout is how long this member may be silent before its partitions are given to others; 0 is the client's.
	SessionTimeout time.Duration
	// FlushInterval is the time between transactions (default 100 ms).
	FlushInterval time.Duration
	// LeaveOnStop has the member leave the group when Run ends, so that others take over its partitions at once. Without
	// it they wait for the same instance to come back, at most for the session timeout.
	LeaveOnStop bool
	// Brake, when set, holds back reading.
	Brake *Brake
	// Handover, when set, can have another stage take this one's place while it runs.
	Handover *Handover
	// Open makes the task that owns a claimed partition; it may take long (it recovers state) and ends when ctx does.
	Open func(ctx context.Context, c Claim) (Task, error)
	// Join may merge the messages of a flush, e.g. those for the same partition into one; nil leaves them as they are.
	Join func([]Message) []Message
	// Oversized, when set, is given a message that its topic refuses for its size: it makes the message smaller and returns
	// true, or returns false. One that it cannot make smaller is left out, logged and counted, and all else is written. Without
	// it, and with Join, all output waits until somebody raises the topic's max.message.bytes.
	Oversized func(*Message) bool
}

// Claim is a partition that was given to this process.
type Claim struct {
	Topic     string
	Partition int32
	// Partitions is the number of partitions of the topic when the claim was made.
	Partitions int32
	// Offset is the first that Process will see; Metadata is what was committed with it, "" when nothing was committed.
	Offset   int64
	Metadata string
	// Flush asks for a transaction now rather than at the next interval. It does not block.
	Flush func()
	// Owned says whether the group has confirmed within half the session timeout that the partition is this process's. While
	// it is false another process may be about to take over, so nothing that must not be done by both is to be begun. It does
	// not block.
	Owned func() bool
}

// Task owns one partition. The loop never calls its methods concurrently.
type Task interface {
	// Process takes the next record. The Message is valid during the call only; its Key, Value and Headers may be kept, and
	// keep the memory of the fetch that they came with. An error means that the partition cannot go on: it is logged and the partition is
	// opened anew from its committed offset after a pause. A bad record is no such error; it is written to a
	// dead-letter topic.
	Process(m *Message) error
	// Idle says that at the given time the end of the partition was asked for and everything before it has been
	// processed; nothing is then hidden behind an open transaction of a producer. It is called about once a second while
	// that is so, but not in the first seconds after an outage, when producers write what they have held.
	Idle(at time.Time)
	// Take hands over what the records processed since the last Take give: messages, and metadata to commit with the
	// offset. The loop keeps it until its transaction is committed and writes it again after an abort. An error means
	// the same as one of Process: nothing since the last Take may be committed, and the partition is opened anew.
	Take(now time.Time) (Output, error)
	// Committed says that everything handed over by all earlier calls of Take is committed.
	Committed()
	// Close is called once, after the last flush of the partition, when the claim ends.
	Close()
}

// Finisher is a Task that has work under way outside of Kafka, e.g. a message to a person. Finish is called before the last
// flush of a stage that ends: it begins nothing new and waits for what is under way, at most until ctx ends, so that the
// flush can say what came of it.
type Finisher interface{ Finish(ctx context.Context) }

// Output is what a task hands over for the next transaction. With no messages and no new offset the flush is skipped.
type Output struct {
	Messages []Message
	Metadata string
}
