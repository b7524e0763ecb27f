package deadletter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/freshet-dev/freshet/ingest/kafka"
)

// The most that one transaction of a replay holds.
const (
	batchBytes   = 4 << 20
	batchLetters = 500
)

// errEnough ends a reading that has what it wants.
var errEnough = errors.New("enough")

func enough(err error) error {
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// Plan is what a replay does with the letters that were chosen.
type Plan struct {
	// Send are to be sent to their origins.
	Send []Entry
	// Replayed were sent before. CameBack are records that were replayed before and were bad again.
	Replayed, CameBack []Entry
	// Unknown are the origins asked for of which there is no letter.
	Unknown []Origin
}

// Plan decides what is sent of the letters that a filter takes. Records that came back are sent again only if again is
// set; those that were sent never are.
func (l *Log) Plan(f Filter, again bool) Plan {
	var p Plan
	for _, o := range f.Origins {
		if _, known := l.newest[o]; !known {
			p.Unknown = append(p.Unknown, o)
		}
	}
	for _, e := range l.Select(f) {
		switch {
		case !e.Replayed.IsZero():
			p.Replayed = append(p.Replayed, e)
		case e.Replays > 0 && !again:
			p.CameBack = append(p.CameBack, e)
		default:
			p.Send = append(p.Send, e)
		}
	}
	return p
}

// Replay sends letters of a dead-letter topic to their origins, each once.
type Replay struct {
	Client *kafka.Client
	// Topic is the dead-letter topic.
	Topic string
	// ID is the transactional id. Replays of one topic must have the same: the later one keeps the others from writing.
	ID     string
	Filter Filter
	// Again sends also records that were replayed before and were bad again.
	Again bool
}

// Run makes a plan and carries it out. It returns how many were sent, also with an error: those are marked, and the same
// replay may be run again to go on. Nothing is sent when one of the origins asked for is unknown.
func (r Replay) Run(ctx context.Context) (p Plan, sent int, err error) {
	// Whoever replayed before is kept from writing more before it is looked at what they wrote.
	tx, err := r.Client.Transactor(ctx, r.ID)
	if err != nil {
		return p, 0, err
	}
	defer tx.Close()
	log, err := Read(ctx, r.Client, r.Topic, r.Filter.Since)
	if err != nil {
		return p, 0, err
	}
	p = log.Plan(r.Filter, r.Again)
	if len(p.Send) == 0 || len(p.Unknown) > 0 {
		return p, 0, nil
	}
	partitions, err := r.partitions(ctx, p.Send)
	if err != nil {
		return p, 0, err
	}
	b := &bundle{replay: r, tx: tx, partitions: partitions, left: make(map[int64]bool, len(p.Send))}
	for _, e := range p.Send {
		b.left[e.Offset] = true
	}
	err = enough(r.Client.ReadSettled(ctx, r.Topic, 0, kafka.Offset(p.Send[0].Offset), func(m *kafka.Message) error {
		return b.add(ctx, m)
	}))
	if err == nil {
		err = b.commit(ctx)
	}
	return p, b.sent, err
}

// partitions returns how many partitions the topics of letters have.
func (r Replay) partitions(ctx context.Context, letters []Entry) (map[string]int32, error) {
	counts := map[string]int32{}
	for _, e := range letters {
		if _, known := counts[e.Origin.Topic]; known {
			continue
		}
		n, err := r.Client.Partitions(ctx, e.Origin.Topic)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, fmt.Errorf("nothing was sent: topic %s, from which %s came, does not exist any more", e.Origin.Topic, e.Origin)
		}
		counts[e.Origin.Topic] = n
	}
	return counts, nil
}

// bundle is what goes into the next transaction.
type bundle struct {
	replay     Replay
	tx         *kafka.Transactor
	partitions map[string]int32
	left       map[int64]bool // offsets of letters that are to be sent

	messages []kafka.Message
	bytes    int
	letters  int
	sent     int
}

// add takes a record of the dead-letter topic.
func (b *bundle) add(ctx context.Context, m *kafka.Message) error {
	if !b.left[m.Offset] {
		return nil
	}
	delete(b.left, m.Offset)
	l, _, err := read(m)
	if err != nil {
		return err
	}
	if b.letters > 0 && (b.bytes+l.Size() > batchBytes || b.letters == batchLetters) {
		if err := b.commit(ctx); err != nil {
			return err
		}
	}
	record, mark := l.Replay(b.replay.Topic, b.partitions[l.Origin.Topic])
	b.messages = append(b.messages, record, mark)
	b.bytes += l.Size()
	b.letters++
	if len(b.left) == 0 {
		return errEnough
	}
	return nil
}

func (b *bundle) commit(ctx context.Context) error {
	if b.letters == 0 {
		return nil
	}
	// A transaction is not broken off half-way: its time is limited anyway.
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if err := b.tx.Commit(whole, b.messages...); err != nil {
		return err
	}
	b.sent += b.letters
	b.messages, b.bytes, b.letters = nil, 0, 0
	return ctx.Err()
}
