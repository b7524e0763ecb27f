package ingest

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSeverityOf(t *testing.T) {
	for name, want := range map[string]int32{
		"trace": 1, "TRACE": 1, "Verbose": 1, "debug": 5, "DEBUG2": 6, "info": 9, "Information": 9, "I": 9, "notice": 10,
		"warn": 13, "WARNING": 13, "warn4": 16, "error": 17, "ERR": 17, "Severe": 17, "error2": 18, "crit": 18, "Critical": 18,
		"alert": 19, "emerg": 21, "fatal": 21, "panic": 21, "FATAL3": 23, " info ": 9,
		"": 0, "gold": 0, "error5": 0, "crit2": 0, "errors": 0, "a name that is far too long to be a level": 0, "２": 0,
	} {
		if got := SeverityOf(name); got != want {
			t.Errorf("%q is %d, expected %d", name, got, want)
		}
	}
}

func TestFaults(t *testing.T) {
	err := fmt.Errorf("reading: %w", &DecodeError{Fault: TooLarge, Format: "json", Message: "5 bytes"})
	if FaultOf(err) != TooLarge || FaultOf(err).String() != "too_large" || err.Error() != "reading: decoding json: 5 bytes" {
		t.Errorf("%v has the fault %s", err, FaultOf(err))
	}
	if FaultOf(errors.New("x")) != Malformed {
		t.Error("an error of another kind is not malformed")
	}
}

// TestSlab fills slabs with runs and single elements of random sizes, resets them, and checks that nothing moved or was
// handed out twice.
func TestSlab(t *testing.T) {
	var s Slab[int]
	for round := range 4 {
		s.Reset()
		var runs [][]int
		next := 0
		for i := range 400 {
			var run []int
			switch i % 3 {
			case 0:
				run = s.Run()
				for range (i*7 + round) % 150 {
					run = s.Extend(run)
					run[len(run)-1] = next
					next++
				}
				run = s.Keep(run)
			case 1:
				p := s.New()
				if *p != 0 {
					t.Fatal("a new element is not zero")
				}
				*p = next
				next++
				run = []int{*p}
			default:
				run = s.Take(i % 90)
				for j := range run {
					run[j] = next
					next++
				}
			}
			if cap(run) != len(run) {
				t.Fatalf("a run of %d has room for %d: an append would write over others", len(run), cap(run))
			}
			runs = append(runs, run)
		}
		want := 0
		for _, run := range runs {
			for _, got := range run {
				if got != want {
					t.Fatalf("round %d: element %d became %d", round, want, got)
				}
				want++
			}
		}
	}
	if allocs := testing.AllocsPerRun(10, func() {
		s.Reset()
		for range 100 {
			s.Take(70)
		}
	}); allocs != 0 {
		t.Errorf("%v allocations in the steady state", allocs)
	}
}

func TestSlabGivesBackMemoryOfAHugeMessage(t *testing.T) {
	var s Slab[Attr]
	run := s.Run()
	for range 2 * keptBytes / 48 {
		run = s.Extend(run)
	}
	s.Keep(run)
	s.Reset()
	total := 0
	for _, c := range s.chunks {
		total += len(c) * 48
	}
	if total > keptBytes {
		t.Errorf("%d bytes are kept, expected at most %d", total, keptBytes)
	}
}

func TestBatchIsReused(t *testing.T) {
	var b Batch
	for range 2 {
		arena := b.Begin()
		r := b.Add()
		if !reflect.DeepEqual(*r, Record{}) {
			t.Fatalf("a new record is %+v", *r)
		}
		r.Name, r.Resource = arena.Hex([]byte{0xab, 1}), arena.Resources.New()
		r.Resource.SchemaURL = "x"
		if b.Add().Index != 1 || b.Records[0].Name != "ab01" {
			t.Fatalf("records are %+v", b.Records)
		}
	}
	if id := b.Begin().ID(make([]byte, 16)); id != "" {
		t.Errorf("an id of zeros is %q", id)
	}
}

func TestValueTexts(t *testing.T) {
	for _, c := range []struct {
		value      Value
		text, json string
	}{
		{Value{}, "", "null"},
		{BoolValue(true), "true", "true"},
		{IntValue(-5), "-5", "-5"},
		{DoubleValue(500), "500", "500"},
		{DoubleValue(0.1), "0.1", "0.1"},
		{DoubleValue(1780000000.25), "1780000000.25", "1780000000.25"},
		{DoubleValue(1e300), "1e+300", "1e+300"},
		{DoubleValue(math.NaN()), "NaN", `"NaN"`},
		{DoubleValue(math.Inf(-1)), "-Inf", `"-Infinity"`},
		{StringValue("a\"\\\n\x01é\xff<"), "a\"\\\n\x01é\xff<", `"a\"\\\n\u0001é` + "\uFFFD" + `<"`},
		{BytesValue("\x01\x02"), "\x01\x02", `"AQI="`},
		{ListValue("[1]"), "[1]", "[1]"},
		{MapValue("{}"), "{}", "{}"},
	} {
		if got := c.value.Text(); got != c.text {
			t.Errorf("the text of %v is %q, expected %q", c.value, got, c.text)
		}
		got := string(c.value.AppendJSON(nil))
		if got != c.json || !json.Valid([]byte(got)) {
			t.Errorf("the JSON of %v is %s, expected %s", c.value, got, c.json)
		}
	}
}

func FuzzAppendJSONString(f *testing.F) {
	f.Add("a\"\\\x00\xff\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		if err := json.Unmarshal(AppendJSONString(nil, s), &back); err != nil || back != string([]rune(s)) {
			t.Fatalf("%q comes back as %q, %v", s, back, err)
		}
	})
}

func TestAppendText(t *testing.T) {
	point := func(p Point) Record { return Record{Signal: Metrics, Name: "m", Point: &p} }
	for _, c := range []struct {
		record Record
		limit  int
		want   string
	}{
		{Record{Signal: Logs, Body: StringValue("line\none\x1b[0m\xff")}, 50, "line one [0m\uFFFD"},
		{Record{Signal: Logs, Body: MapValue(`{"a":1}`)}, 50, `{"a":1}`},
		{Record{Signal: Logs, Body: BytesValue("abc")}, 50, "3 bytes"},
		{Record{Signal: Logs, Name: "only.a.name"}, 50, "only.a.name"},
		{Record{Signal: Events, Attributes: Attrs{{"n", IntValue(1)}, {"s", StringValue("x y")}}}, 50, "n=1 s=x y"},
		{Record{Signal: Spans, Name: "GET /", Duration: 1.23456, StatusCode: 2, StatusMessage: "late"}, 50, "GET / 1.23s ERROR late"},
		{Record{Signal: Spans, Name: "q", Duration: 0.0456, StatusCode: 1}, 50, "q 45.6ms OK"},
		{Record{Signal: Spans, Name: "q", Duration: 789e-6}, 50, "q 789µs"},
		{Record{Signal: Spans, Name: "q", Duration: 12e-9}, 50, "q 12ns"},
		{Record{Signal: Spans, Name: "q", Duration: 4321}, 50, "q 4321s"},
		{Record{Signal: SpanEvents, Name: "exception", Attributes: Attrs{{"exception.message", StringValue("gone")}}}, 50,
			"exception: gone"},
		{point(Point{Type: Gauge, Value: DoubleValue(0.9312345), Unit: "1"}), 50, "m 0.931234 1"},
		{point(Point{Type: Sum, Value: IntValue(123456789)}), 50, "m 123456789"},
		{point(Point{Type: Histogram, Count: 3, Sum: 1.5, HasSum: true, Unit: "s"}), 50, "m count=3 sum=1.5 s"},
		{point(Point{Type: Gauge, NoValue: true, Unit: "s"}), 50, "m no value"},
		{Record{Signal: Logs, Body: StringValue("0123456789")}, 10, "0123456789"},
		{Record{Signal: Logs, Body: StringValue("0123456789a")}, 10, "0123456…"},
		{Record{Signal: Logs, Body: StringValue("012345é789a")}, 10, "012345…"},
		{Record{Signal: Logs, Body: StringValue("abc")}, 2, ""},
	} {
		got := string(c.record.AppendText([]byte("> "), c.limit))
		if got != "> "+c.want || len(got)-2 > c.limit || !utf8.ValidString(got) {
			t.Errorf("got %q, expected %q", got, c.want)
		}
	}
}

// TestCloneSharesNothing overwrites everything that a record points to and compares its clone with what it was.
func TestCloneSharesNothing(t *testing.T) {
	memory := []byte(strings.Repeat("abcdefgh", 4))
	var arena Arena
	text := func() string { return arena.Text(memory) }
	attrs := func() Attrs { return Attrs{{text(), StringValue(text())}} }
	build := func() Record {
		return Record{
			Signal: Metrics, Index: 3, Time: 4, Resource: &Resource{attrs(), text()}, Scope: &Scope{text(), text(), attrs()},
			Attributes: attrs(), Name: text(), TraceID: text(), SpanID: text(), Severity: 5, SeverityText: text(),
			Body: StringValue(text()), SpanKind: 1, StatusCode: 2, StatusMessage: text(), ParentSpanID: text(), Duration: 1,
			Point: &Point{
				Type: Histogram, Unit: text(), Description: text(), Value: StringValue(text()), Bounds: []float64{1},
				Buckets: []uint64{1, 2}, Quantiles: []Quantile{{1, 2}},
				Exponential: &Exponential{Positive: []uint64{1}, Negative: []uint64{2}},
			},
		}
	}
	record, want := build(), build()
	want = *want.Clone()
	clone := record.Clone()
	for _, c := range arena.text.chunks {
		clear(c)
	}
	record.Attributes[0], record.Scope.Attributes[0], record.Resource.Attributes[0] = Attr{}, Attr{}, Attr{}
	record.Resource.SchemaURL, record.Scope.Name = "", ""
	p := record.Point
	p.Bounds[0], p.Buckets[0], p.Quantiles[0].Value, p.Exponential.Positive[0], p.Exponential.Negative[0] = 9, 9, 9, 9, 9
	p.Unit = ""
	if !reflect.DeepEqual(*clone, want) {
		t.Errorf("the clone is\n%+v, expected\n%+v", *clone, want)
	}
	if c := (&Record{}).Clone(); c.Resource == nil || c.Scope == nil || c.Point != nil {
		t.Errorf("the clone of an empty record is %+v", c)
	}
}

func TestHex(t *testing.T) {
	var arena Arena
	bytes := make([]byte, 256)
	for i := range bytes {
		bytes[i] = byte(i)
	}
	for from := range bytes {
		for _, n := range []int{0, 1, 3, 8, 16, 21} {
			b := bytes[from:min(from+n, len(bytes))]
			if got, want := arena.Hex(b), hex.EncodeToString(b); got != want {
				t.Fatalf("%x gives %q", b, got)
			}
		}
	}
	for i := range 16 { // each byte alone makes an id
		id := make([]byte, 16)
		id[i] = 0x10
		if got, want := arena.ID(id), hex.EncodeToString(id); got != want {
			t.Errorf("%x gives %q", id, got)
		}
	}
}
