package deadletter

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/ingest/kafka"
)

func TestWrapAndRead(t *testing.T) {
	at := time.Date(2026, 5, 1, 10, 0, 0, 123e6, time.UTC)
	m := &kafka.Message{
		Topic: "shop.orders", Partition: 3, Offset: 1 << 40, Time: at, Key: []byte("key"), Value: []byte{0, 1, 0xff},
		Headers: []kafka.Header{{Key: "trace", Value: "abc"}, {Key: headerOrigin, Value: "forged/0@1"}, {Key: headerReplays, Value: "2"}},
	}
	letter := Wrap("dead", m, &ingest.DecodeError{Fault: ingest.Truncated, Format: "otlp_proto", Message: "ends within a field"})
	if letter.Topic != "dead" || letter.Partition != 0 {
		t.Errorf("written to %s/%d", letter.Topic, letter.Partition)
	}
	m.Value[0], m.Key[0] = 'x', 'x' // the letter must not change with the buffer of the record
	letter.Offset, letter.Time = 77, at.Add(time.Minute)
	l, mark, err := read(&letter)
	if err != nil || mark != nil {
		t.Fatal(mark, err)
	}
	want := Letter{
		Origin: Origin{"shop.orders", 3, 1 << 40}, OriginTime: at, Kind: "truncated", Error: "decoding otlp_proto: ends within a field",
		At: letter.Time, Offset: 77, Replays: 2,
	}
	if l.Origin != want.Origin || !l.OriginTime.Equal(want.OriginTime) || l.Kind != want.Kind || l.Error != want.Error ||
		!l.At.Equal(want.At) || l.Offset != want.Offset || l.Replays != want.Replays {
		t.Errorf("read %+v, want %+v", l, want)
	}
	if string(l.Key) != "key" || !bytes.Equal(l.Value, []byte{0, 1, 0xff}) {
		t.Errorf("key %q value %x", l.Key, l.Value)
	}
	record, mark2 := l.Replay("dead", 4)
	if record.Topic != "shop.orders" || record.Partition != 3 || !record.Time.Equal(at) || !bytes.Equal(record.Value, l.Value) {
		t.Errorf("replayed as %+v", record)
	}
	if !slices.Equal(record.Headers, []kafka.Header{{Key: "trace", Value: "abc"}, {Key: headerReplays, Value: "3"}}) {
		t.Errorf("replayed with %v", record.Headers)
	}
	if record, _ = l.Replay("dead", 3); record.Partition != kafka.ByKey {
		t.Errorf("partition %d of a topic that has 3", record.Partition)
	}
	mark2.Time = at.Add(time.Hour)
	_, k, err := read(&mark2)
	if err != nil || k == nil || k.origin != l.Origin || k.offset != 77 || !k.at.Equal(mark2.Time) {
		t.Errorf("mark %+v, %v", k, err)
	}
}

func TestLongErrorsAreCut(t *testing.T) {
	letter := Wrap("dead", &kafka.Message{Topic: "in"}, errors.New(strings.Repeat("é", maxError)))
	l, _, err := read(&letter)
	if err != nil || len(l.Error) > maxError+3 || !utf8.ValidString(l.Error) || l.Kind != "malformed" {
		t.Errorf("error of %d bytes, kind %s, %v", len(l.Error), l.Kind, err)
	}
}

// Marks count only for the letter that they name.
func TestMarks(t *testing.T) {
	log := newLog()
	put := func(offset int64, m kafka.Message) {
		m.Offset, m.Time = offset, time.Unix(offset, 0)
		log.add(&m)
	}
	bad := func(offset int64) kafka.Message {
		return Wrap("dead", &kafka.Message{Topic: "in", Offset: offset}, errors.New("bad"))
	}
	markOf := func(origin, letter int64) kafka.Message {
		_, mark := (&Letter{Origin: Origin{"in", 0, origin}, Offset: letter}).Replay("dead", 1)
		return mark
	}
	put(0, bad(5))
	put(1, bad(6))
	put(3, markOf(5, 0))
	put(4, markOf(9, 1)) // copied from elsewhere: another record is at that offset
	put(5, markOf(6, 99))
	put(6, kafka.Message{Value: []byte("somebody wrote this by hand")})
	put(7, bad(5)) // the topic was made anew
	var replayed []bool
	for _, e := range log.Entries {
		replayed = append(replayed, !e.Replayed.IsZero())
	}
	if !slices.Equal(replayed, []bool{true, false, false}) || log.Foreign != 1 {
		t.Errorf("replayed %v, foreign %d", replayed, log.Foreign)
	}
	if got := log.Select(Filter{Origins: []Origin{{"in", 0, 5}}}); len(got) != 1 || got[0].Offset != 7 {
		t.Errorf("the id names %+v, want the newest", got)
	}
}

func TestFilterAndPlan(t *testing.T) {
	log := newLog()
	for i, l := range []struct {
		topic   string
		fault   ingest.Fault
		replays string
	}{{"a", ingest.Malformed, ""}, {"a", ingest.TooLarge, "1"}, {"b", ingest.Malformed, ""}, {"b", ingest.Malformed, "nonsense"}} {
		m := Wrap("dead", &kafka.Message{Topic: l.topic, Offset: int64(i), Headers: []kafka.Header{{Key: headerReplays, Value: l.replays}}},
			&ingest.DecodeError{Fault: l.fault})
		m.Offset, m.Time = int64(i), time.Unix(int64(i), 0)
		log.add(&m)
	}
	offsets := func(es []Entry) (out []int64) {
		for _, e := range es {
			out = append(out, e.Offset)
		}
		return out
	}
	for _, c := range []struct {
		filter Filter
		want   []int64
	}{
		{Filter{}, []int64{0, 1, 2, 3}},
		{Filter{Topic: "a"}, []int64{0, 1}},
		{Filter{Kind: "malformed"}, []int64{0, 2, 3}},
		{Filter{Since: time.Unix(2, 0)}, []int64{2, 3}},
		{Filter{Kind: "malformed", Since: time.Unix(3, 0)}, []int64{3}},
		{Filter{Origins: []Origin{{"b", 0, 2}, {"b", 1, 2}}}, []int64{2}},
	} {
		if got := offsets(log.Select(c.filter)); !slices.Equal(got, c.want) {
			t.Errorf("%+v takes %v, want %v", c.filter, got, c.want)
		}
	}
	log.Entries[2].Replayed = time.Unix(9, 0)
	p := log.Plan(Filter{}, false)
	if !slices.Equal(offsets(p.Send), []int64{0, 3}) || !slices.Equal(offsets(p.CameBack), []int64{1}) || !slices.Equal(offsets(p.Replayed), []int64{2}) {
		t.Errorf("plan %+v", p)
	}
	if p = log.Plan(Filter{}, true); !slices.Equal(offsets(p.Send), []int64{0, 1, 3}) || len(p.CameBack) != 0 || len(p.Replayed) != 1 {
		t.Errorf("plan with again %+v", p)
	}
}

func FuzzParseOrigin(f *testing.F) {
	for _, s := range []string{"orders/0@12", "a/b@c/1@2", "/0@1", "x/-1@3", "x/0@-1", "x/0@", "x@1/0", "x/99999999999@1", "x/0@99999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := ParseOrigin(text)
		if err != nil {
			return
		}
		if o.Topic == "" || o.Partition < 0 || o.Offset < 0 {
			t.Errorf("%q gives %+v", text, o)
		}
		if again, err := ParseOrigin(o.String()); err != nil || again != o {
			t.Errorf("%q gives %+v, which gives %+v, %v", text, o, again, err)
		}
	})
}
