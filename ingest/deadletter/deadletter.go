// Package deadletter is the contract of the dead-letter topic: what stands there of a Kafka record that could not be
// decoded, and how such a record is sent back to where it came from, once.
//
// A letter is the record itself, its key, value and headers unchanged, with further headers that say where it came from
// and what was wrong. It is written in the transaction that commits the offset behind it, so there is one letter for each
// such record.
//
// A replay writes the record to its origin again and a mark, an empty record that names the letter, to the dead-letter
// topic, both in one transaction. Since a replay begins by ending what other replays left open, and then reads the topic
// to its end, a letter that has a mark is sent no second time, whatever dies. The record carries how often it was
// replayed, so that one which is bad again is known as such.
package deadletter

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/ingest/kafka"
)

// The headers of the topic.
const (
	headerOrigin     = "freshet.origin"      // topic/partition@offset
	headerOriginTime = "freshet.origin_time" // Kafka's timestamp of the record there, RFC 3339
	headerKind       = "freshet.error_kind"  // an ingest.Fault
	headerError      = "freshet.error"
	headerReplayed   = "freshet.replayed" // of a mark, whose key is the origin: the letter's offset in the dead-letter topic
	headerReplays    = "freshet.replays"  // of a replayed record: how often it was
)

// maxError bounds the text of an error in bytes.
const maxError = 4 << 10

// Origin is where a record lay.
type Origin struct {
	Topic     string
	Partition int32
	Offset    int64
}

// String returns topic/partition@offset, the id of a letter.
func (o Origin) String() string { return fmt.Sprintf("%s/%d@%d", o.Topic, o.Partition, o.Offset) }

// Compare orders origins by topic, partition and offset.
func (o Origin) Compare(other Origin) int {
	return cmp.Or(strings.Compare(o.Topic, other.Topic), cmp.Compare(o.Partition, other.Partition), cmp.Compare(o.Offset, other.Offset))
}

// ParseOrigin reads what String writes.
func ParseOrigin(text string) (Origin, error) {
	fault := fmt.Errorf("%q is no id of a dead letter, expected topic/partition@offset as in orders/0@1234", text)
	place, offset, ok := cutLast(text, "@")
	if !ok {
		return Origin{}, fault
	}
	topic, partition, ok := cutLast(place, "/")
	if !ok || topic == "" {
		return Origin{}, fault
	}
	p, err := strconv.ParseUint(partition, 10, 31)
	if err != nil {
		return Origin{}, fault
	}
	at, err := strconv.ParseUint(offset, 10, 63)
	if err != nil {
		return Origin{}, fault
	}
	return Origin{Topic: topic, Partition: int32(p), Offset: int64(at)}, nil // both were bounded above
}

func cutLast(text, separator string) (before, after string, ok bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return "", "", false
	}
	return text[:i], text[i+len(separator):], true
}

// Letter is one record of the dead-letter topic.
type Letter struct {
	Origin Origin
	// OriginTime is Kafka's timestamp of the record at its origin, zero if it is not known.
	OriginTime time.Time
	// Kind is the name of the fault, Error says what was wrong.
	Kind, Error string
	// At is when it was set aside, Offset where it lies in the dead-letter topic.
	At     time.Time
	Offset int64
	// Replays is how often the record had been replayed before it came here.
	Replays int
	// Key, Value and Headers are those of the record at its origin.
	Key, Value []byte
	Headers    []kafka.Header
}

// Wrap makes the letter of a record that cannot be decoded, to be written to the dead-letter topic. It copies what it
// takes.
func Wrap(topic string, m *kafka.Message, err error) kafka.Message {
	origin := Origin{m.Topic, m.Partition, m.Offset}
	text := err.Error()
	if len(text) > maxError {
		text = strings.ToValidUTF8(text[:maxError], "") + "…"
	}
	headers := append(others(m.Headers),
		kafka.Header{Key: headerOrigin, Value: origin.String()},
		kafka.Header{Key: headerOriginTime, Value: m.Time.UTC().Format(time.RFC3339Nano)},
		kafka.Header{Key: headerKind, Value: ingest.FaultOf(err).String()},
		kafka.Header{Key: headerError, Value: text},
	)
	return kafka.Message{
		Topic: topic, Partition: 0, Headers: headers,
		Key: slices.Clone(m.Key), Value: slices.Clone(m.Value),
	}
}

// others returns the headers that are not ours; how often a record was replayed stays with it.
func others(headers []kafka.Header) []kafka.Header {
	return slices.DeleteFunc(slices.Clone(headers), func(h kafka.Header) bool {
		switch h.Key {
		case headerOrigin, headerOriginTime, headerKind, headerError, headerReplayed:
			return true
		default:
			return false
		}
	})
}

// mark says that a letter was replayed.
type mark struct {
	origin Origin
	offset int64 // of the letter
	at     time.Time
}

// read takes a record of the dead-letter topic apart; the mark is nil for a letter. An error says that freshet did not
// write it.
func read(m *kafka.Message) (Letter, *mark, error) {
	l := Letter{At: m.Time, Offset: m.Offset, Key: m.Key, Value: m.Value}
	var origin, replayed string
	for _, h := range m.Headers {
		switch h.Key {
		case headerOrigin:
			origin = h.Value
		case headerReplayed:
			replayed = h.Value
		case headerOriginTime:
			l.OriginTime, _ = time.Parse(time.RFC3339Nano, h.Value) // older letters have none
		case headerKind:
			l.Kind = h.Value
		case headerError:
			l.Error = h.Value
		case headerReplays:
			l.Replays = replaysOf(h.Value)
		}
	}
	var err error
	if origin == "" && replayed != "" {
		k := &mark{at: m.Time}
		if k.offset, err = strconv.ParseInt(replayed, 10, 64); err == nil {
			k.origin, err = ParseOrigin(string(m.Key))
		}
		return Letter{}, k, err
	}
	l.Headers = others(m.Headers)
	l.Origin, err = ParseOrigin(origin)
	return l, nil, err
}

func replaysOf(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// Replay returns the record to be written to the letter's origin, which has a number of partitions now, and the mark to
// be written to the dead-letter topic in the same transaction. The record goes to the partition that it came from, or
// where its key belongs when there is no such partition any more.
func (l *Letter) Replay(deadLetters string, partitions int32) (record, mark kafka.Message) {
	headers := slices.DeleteFunc(slices.Clone(l.Headers), func(h kafka.Header) bool { return h.Key == headerReplays })
	record = kafka.Message{
		Topic: l.Origin.Topic, Partition: l.Origin.Partition, Time: l.OriginTime, Key: l.Key, Value: l.Value,
		Headers: append(headers, kafka.Header{Key: headerReplays, Value: strconv.Itoa(l.Replays + 1)}),
	}
	if record.Partition >= partitions {
		record.Partition = kafka.ByKey
	}
	mark = kafka.Message{
		Topic: deadLetters, Partition: 0,
		Key: []byte(l.Origin.String()), Headers: []kafka.Header{{Key: headerReplayed, Value: strconv.FormatInt(l.Offset, 10)}},
	}
	return record, mark
}

// Size is about how many bytes the letter takes.
func (l *Letter) Size() int {
	n := len(l.Key) + len(l.Value)
	for _, h := range l.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}
