package deadletter

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/ingest/kafka"
)

// maxEntryError bounds the text of an error that Log keeps in bytes.
const maxEntryError = 300

// Entry is what Log keeps of a letter: all but its content.
type Entry struct {
	Origin      Origin
	Kind, Error string
	// At is when the record was set aside, Offset where its letter lies in the dead-letter topic, Size what it takes.
	At     time.Time
	Offset int64
	Size   int
	// Replays is how often the record had been replayed before it came here: above 0 it is bad again.
	Replays int
	// Replayed is when it was sent back to its origin, zero if it was not.
	Replayed time.Time
}

// Log is the content of the dead-letter topic in its order.
type Log struct {
	Entries []Entry
	// Foreign is the number of records that freshet did not write; they are passed over.
	Foreign int

	newest map[Origin]int    // index of the newest entry of an origin
	texts  map[string]string // faults are told in few words, again and again
}

// Read reads a dead-letter topic from a time on, all of it for the zero time, to the end of what is written.
func Read(ctx context.Context, client *kafka.Client, topic string, since time.Time) (*Log, error) {
	from := kafka.Oldest()
	if !since.IsZero() {
		from = kafka.At(since)
	}
	l := newLog()
	err := client.ReadSettled(ctx, topic, 0, from, func(m *kafka.Message) error {
		l.add(m)
		return nil
	})
	return l, err
}

func newLog() *Log { return &Log{newest: map[Origin]int{}, texts: map[string]string{}} }

func (l *Log) add(m *kafka.Message) {
	letter, mark, err := read(m)
	switch {
	case err != nil:
		l.Foreign++
	case mark != nil:
		i, ok := slices.BinarySearchFunc(l.Entries, mark.offset, func(e Entry, at int64) int { return cmp.Compare(e.Offset, at) })
		if ok && l.Entries[i].Origin == mark.origin {
			l.Entries[i].Replayed = mark.at
		}
	default:
		letter.Origin.Topic = l.text(letter.Origin.Topic)
		l.newest[letter.Origin] = len(l.Entries)
		l.Entries = append(l.Entries, Entry{
			Origin: letter.Origin, Kind: l.text(letter.Kind), Error: l.text(letter.Error[:min(len(letter.Error), maxEntryError)]),
			At: letter.At, Offset: letter.Offset, Size: letter.Size(), Replays: letter.Replays,
		})
	}
}

// text returns one copy of equal texts.
func (l *Log) text(s string) string {
	if held, ok := l.texts[s]; ok {
		return held
	}
	s = strings.ToValidUTF8(strings.Clone(s), "\uFFFD") // it may be a small part of a large text, and cut within a rune
	l.texts[s] = s
	return s
}

// Find returns the newest letter of an origin, with its content.
func Find(ctx context.Context, client *kafka.Client, topic string, origin Origin) (letter Letter, entry Entry, found bool, err error) {
	log, err := Read(ctx, client, topic, time.Time{})
	if err != nil {
		return letter, entry, false, err
	}
	i, ok := log.newest[origin]
	if !ok {
		return letter, entry, false, nil
	}
	entry = log.Entries[i]
	err = client.ReadSettled(ctx, topic, 0, kafka.Offset(entry.Offset), func(m *kafka.Message) error {
		if m.Offset != entry.Offset {
			return errEnough
		}
		found = true
		letter, _, err = read(m)
		letter.Key, letter.Value = slices.Clone(letter.Key), slices.Clone(letter.Value)
		return err
	})
	return letter, entry, found, enough(err)
}

// Filter chooses among letters; a field that is empty lets all through.
type Filter struct {
	Topic, Kind string
	Since       time.Time
	Origins     []Origin
}

// Takes says whether an entry passes.
func (f Filter) Takes(e *Entry) bool {
	return (f.Topic == "" || f.Topic == e.Origin.Topic) && (f.Kind == "" || f.Kind == e.Kind) && !e.At.Before(f.Since) &&
		(len(f.Origins) == 0 || slices.Contains(f.Origins, e.Origin))
}

// Select returns the entries that a filter takes, in their order. Of several letters of one origin the newest counts
// where origins are named.
func (l *Log) Select(f Filter) []Entry {
	var out []Entry
	for i := range l.Entries {
		e := &l.Entries[i]
		if f.Takes(e) && (len(f.Origins) == 0 || l.newest[e.Origin] == i) {
			out = append(out, *e)
		}
	}
	return out
}
