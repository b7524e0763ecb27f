package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/ingest/format"
	"github.com/freshet-dev/freshet/ingest/kafka"
)

func TestParseStart(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		text   string
		follow bool
		want   kafka.Start
	}{
		{"", true, kafka.Newest()},
		{"", false, kafka.Oldest()},
		{"newest", false, kafka.Newest()},
		{"oldest", true, kafka.Oldest()},
		{"20", true, kafka.Last(20)},
		{"0", true, kafka.Last(0)},
		{"1h", true, kafka.At(now.Add(-time.Hour))},
		{"1h30m", true, kafka.At(now.Add(-90 * time.Minute))},
		{"7d", true, kafka.At(now.AddDate(0, 0, -7))},
		{"2026-05-01T10:00:00Z", true, kafka.At(now.Add(-2 * time.Hour))},
	} {
		if got, err := parseStart(test.text, test.follow, now); err != nil || got != test.want {
			t.Errorf("%q: %+v, %v; want %+v", test.text, got, err, test.want)
		}
	}
	for _, text := range []string{"-1", "1.5", "yesterday", "1 h", "-1h", "2026-05-01"} {
		if got, err := parseStart(text, true, now); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestSplitKeys(t *testing.T) {
	for text, want := range map[string][]string{
		"service.name":                        {"0 service.name"},
		"service.name, severity_text":         {"0 service.name", "14 severity_text"},
		" a ,b ":                              {"1 a", "4 b"},
		`f(a, b),c`:                           {"0 f(a, b)", "8 c"},
		`x in ["a,b", 'c,d'],y`:               {`0 x in ["a,b", 'c,d']`, "20 y"},
		`a == "," ? "x" : "y",b`:              {`0 a == "," ? "x" : "y"`, "21 b"},
		`a == "\",",b`:                        {`0 a == "\","`, "11 b"},
		`a.matches(r"\"), b`:                  {`0 a.matches(r"\")`, "17 b"},
		`a == """x",y""",b`:                   {`0 a == """x",y"""`, "16 b"},
		"a.`x,y`,b":                           {"0 a.`x,y`", "8 b"},
		`resource["service.name"],attributes`: {`0 resource["service.name"]`, "25 attributes"},
		`a),b`:                                {"0 a)", "3 b"},
		`a,,b,`:                               {"0 a", "2 ", "3 b", "5 "},
		`"a,b`:                                {`0 "a,b`},
		`"a\`:                                 {`0 "a\`},
		``:                                    {"0 "},
	} {
		var got []string
		for _, k := range splitKeys(text) {
			got = append(got, fmt.Sprintf("%d %s", k.offset, k.text))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestCutLine(t *testing.T) {
	line := []span{{red, "abc"}, {"", "  "}, {"", "日本語"}, {faint, "e\u0301f"}} // 3 + 2 + 6 + 2 columns
	for columns, want := range map[int]string{
		20: "abc  日本語e\u0301f", 13: "abc  日本語e\u0301f", 12: "abc  日本語…", 11: "abc  日本…", 10: "abc  日本…", 9: "abc  日…", 5: "abc …", 4: "abc…", 3: "ab…", 1: "…",
	} {
		var b strings.Builder
		for _, s := range cutLine(slices.Clone(line), columns) {
			b.WriteString(s.text)
		}
		if b.String() != want {
			t.Errorf("%d columns: %q, want %q", columns, b.String(), want)
		}
		if n := textWidth(b.String()); n > columns {
			t.Errorf("%d columns: %d are used", columns, n)
		}
	}
}

// lineOf returns what people see of a record.
func lineOf(l *tailLines, r ingest.Record) string {
	if r.Resource == nil {
		r.Resource = &ingest.Resource{}
	}
	r.Scope = &ingest.Scope{}
	r.Time = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC).UnixNano()
	l.record(&r, &ingest.Origin{})
	defer l.buf.Reset()
	return l.buf.String()
}

func TestTailLine(t *testing.T) {
	str := ingest.StringValue
	l := &tailLines{zone: time.UTC, columns: func() int { return 0 }, now: time.Now}
	for _, test := range []struct {
		r    ingest.Record
		want string
	}{
		// A repeated key has its last value, and one of the record hides that of the resource.
		{
			ingest.Record{
				Signal: ingest.Logs, Body: str("hello"), Name: "greeting",
				Attributes: ingest.Attrs{{Key: "a", Value: str("1")}, {Key: "b", Value: ingest.BoolValue(true)}, {Key: "a", Value: str("")}},
				Resource:   &ingest.Resource{Attributes: ingest.Attrs{{Key: "a", Value: str("hidden")}, {Key: "c", Value: ingest.DoubleValue(0.5)}}},
			}, `  hello  name=greeting b=true a="" c=0.5`,
		},
		// What would be read as something else, or as a command to the terminal, is quoted.
		{
			ingest.Record{Signal: ingest.Events, Attributes: ingest.Attrs{
				{Key: "k e=y", Value: str(`a "b"`)}, {Key: "esc", Value: str("\x1b[2J\u202e\xff")}, {Key: "nbsp", Value: str("a\u00a0b")},
				{Key: "raw", Value: ingest.BytesValue("\x00\x01")}, {Key: "list", Value: ingest.ListValue("[\n\"a\u009b\"]")},
			}}, `  "k e=y"="a \"b\"" esc="\x1b[2J\u202e\xff" nbsp="a\u00a0b" raw=<2 bytes> list=[ "a�"]`,
		},
		// The message of an event is not repeated, but a second field that says the same is.
		{ingest.Record{Signal: ingest.Events, Body: str("m"), Attributes: ingest.Attrs{{Key: "msg", Value: str("m")}, {Key: "other", Value: str("m")}}}, "  m  other=m"},
		{ingest.Record{Signal: ingest.Logs, Severity: 18, Body: ingest.MapValue(`{"a":1}`)}, `  ERROR2  {"a":1}`},
		{ingest.Record{Signal: ingest.Logs, Severity: 13, SeverityText: "warn\n", Body: ingest.BytesValue("abc")}, `  warn    <3 bytes>`},
		{ingest.Record{Signal: ingest.Logs, Name: "device.crash"}, "          device.crash"},
		{ingest.Record{Signal: ingest.Metrics, Name: "m", Point: &ingest.Point{Type: ingest.Gauge, NoValue: true}}, "          m no value"},
	} {
		if got := lineOf(l, test.r); got != "2026-05-01 12:00:00.000"+test.want+"\n" {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
	// A terminal has little room, and colours.
	today := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	l = &tailLines{zone: time.UTC, color: true, columns: func() int { return 32 }, now: func() time.Time { return today }}
	long := ingest.Record{Signal: ingest.Spans, Name: "GET /a/long/path", StatusCode: 2}
	expectText(t, lineOf(l, long), faint+"12:00:00.000"+reset+"  "+red+"GET /a/long/path …"+reset+"\n")
	today = today.Add(-time.Nanosecond)
	expectText(t, lineOf(l, long), faint+"2026-05-01 12:00:00.000"+reset+"  "+red+"GET /a…"+reset+"\n")
}

// newTail returns a tail of JSON events, and what it takes.
func newTail(t *testing.T) *tail {
	t.Helper()
	decoder, err := format.New(ingest.Events, format.Auto, format.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return &tail{decoder: decoder, signal: ingest.Events}
}

func TestTailGroupsOnTerminal(t *testing.T) {
	tl := newTail(t)
	keys, problems := (&tailFlags{by: "user"}).compile(tl)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var out strings.Builder
	g := &tailGroups{tail: tl, keys: keys, out: &out, follow: true}
	tl.view = g
	send := func(user string, n int) {
		for range n {
			m := &kafka.Message{Value: fmt.Appendf(nil, `{"user": %q}`, user), Time: noon.Add(time.Duration(tl.read) * time.Second)}
			if err := tl.take(m); err != nil {
				t.Fatal(err)
			}
		}
	}
	draw := func(columns, rows int, below string) string {
		t.Helper()
		out.Reset()
		if err := g.draw(columns, rows, below); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	send("a", 1)
	expectText(t, draw(80, 24, "so far"), "COUNT  SHARE    PER SECOND  user\n1      100.0 %  -           a\nso far\n")
	send("b", 3)
	// Three lines up, and what is there goes.
	expectText(t, draw(80, 24, ""), "\x1b[3A\r\x1b[JCOUNT  SHARE   PER SECOND  user\n3      75.0 %  1           b\n1      25.0 %  0.333       a\n")
	send(strings.Repeat("c", 100), 2)
	got := draw(40, 8, "so far")
	expectText(t, got, "\x1b[3A\r\x1b[JCOUNT  SHARE   PER SECOND  user\n3      50.0 %  0.6         b\n2      33.3 %  0.4         cccccccccccc…\n… 1 group more, with 1 record\nso far\n")
	for i := range 40 {
		send(fmt.Sprint("user ", i), 1)
	}
	if got := strings.Count(draw(80, 100, ""), "\n"); got != 1+mostGroupsShown+1 {
		t.Errorf("%d lines on a large terminal", got)
	}
	g.drawn = 0
	if got := strings.Count(draw(0, 0, ""), "\n"); got != 1+43 {
		t.Errorf("%d lines in a file", got)
	}
}

// When reading is interrupted, the counts are printed all the same, and so is the summary.
func TestTailInterrupted(t *testing.T) {
	tl := newTail(t)
	keys, _ := (&tailFlags{by: "user"}).compile(tl)
	var out, summary strings.Builder
	tl.view = &tailGroups{tail: tl, keys: keys, out: &out, follow: true}
	ctx, cancel := context.WithCancel(t.Context())
	err := tl.run(ctx, &summary, func(_ context.Context, take func(*kafka.Message) error) error {
		_ = take(&kafka.Message{Value: []byte(`{"user": 1}{"user": 1}{"user": 2}`)})
		_ = take(&kafka.Message{Value: []byte(`{`)})
		cancel()
		return ctx.Err()
	})
	if err != nil {
		t.Error(err)
	}
	expectLines(t, out.String(), "COUNT SHARE PER SECOND user\n2 66.7 % - 1\n1 33.3 % - 2")
	expectText(t, summary.String(), "3 records read, 3 matched, 1 Kafka record could not be decoded\n")
	fault := errors.New("no Kafka")
	err = tl.run(t.Context(), &summary, func(context.Context, func(*kafka.Message) error) error { return fault })
	if !errors.Is(err, fault) {
		t.Error(err)
	}
}

func TestRateText(t *testing.T) {
	for rate, want := range map[float64]string{0.012345: "0.0123", 1.5: "1.5", 99.94: "99.9", 1234.5: "1234", 5e6: "5000000"} {
		if got := rateText(rate); got != want {
			t.Errorf("%g: %q, want %q", rate, got, want)
		}
	}
}

func TestEscapeUnprintable(t *testing.T) {
	for text, want := range map[string]string{
		`"aé日"`:                          `"aé日"`,
		"\"\u009b\u202e\x7f\U000e0001\"": `"\u009b\u202e\u007f\udb40\udc01"`,
		"\"\xff\"":                       "\"\uFFFD\"",
	} {
		if got := string(escapeUnprintable([]byte("before"+text), len("before"))); got != "before"+want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
