package detect

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/window"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
)

const sec = int64(time.Second)

// at0 is the event time from which tests count.
const at0 = 1_800_000_000 * sec

// errorRule counts errors per service, more than one of which in 20 s is an alert.
func errorRule() *rules.Rule {
	p := simple(countOf(isError), expr.Read{Stat: expr.StatCount}, true, 1)
	p.Monotone, p.ZeroOnEmpty = true, true
	return &rules.Rule{
		Name: "Errors", Group: "shop", From: ingest.Logs, Interval: 5 * time.Second, Window: 20 * time.Second,
		Lateness: 10 * time.Second, When: p, ID: 77,
		By: []rules.Key{{Label: "service_name", Value: attr("service.name"), Text: "service.name"}},
	}
}

func ruleSet(rs ...*rules.Rule) *rules.Set { return &rules.Set{Rules: rs, Version: 5} }

func accumulatorOf(t *testing.T, set *rules.Set, partitions int32) *Accumulator {
	t.Helper()
	a, err := NewAccumulator(AccumulatorOptions{
		Rules: set, Source: Source{"logs", 0}, Partitions: 1, PanePartitions: partitions, ClockTolerance: 60 * sec,
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// errorAt is an error of a service, seconds after at0.
func errorAt(service string, seconds float64) ingest.Record {
	r := ingest.Record{
		Signal: ingest.Logs, Severity: 17, Time: at0 + int64(seconds*1e9), Scope: &ingest.Scope{},
		Resource: &ingest.Resource{}, Body: ingest.StringValue("payment declined"), TraceID: "0af7651916cd43dd8448eb211c80319c",
	}
	if service != "" {
		r.Resource.Attributes = ingest.Attrs{{Key: "service.name", Value: ingest.StringValue(service)}}
	}
	return r
}

// add gives an accumulator one message, written to Kafka as many seconds after at0.
func add(a *Accumulator, offset int64, written float64, records ...ingest.Record) {
	for i := range records {
		records[i].Index = i
	}
	a.Add(&ingest.Batch{Records: records}, ingest.Origin{Topic: "logs", Offset: offset, Timestamp: at0 + int64(written*1e9)})
}

func TestLateAndAheadAreCountedByService(t *testing.T) {
	a := accumulatorOf(t, ruleSet(errorRule()), 1)
	add(a, 0, 100, errorAt("pay", 100))
	add(a, 1, 100,
		errorAt("pay", 90),  // out of order, within the lateness
		errorAt("pay", 86),  // its pane ends at 90: closed once 100 was seen
		errorAt("cart", 12), // late
		errorAt("pay", 161), // the clock is ahead of Kafka's by more than a minute
		errorAt("", 10),     // no group, so late for nobody
		errorAt("pay", 159), // ahead, but tolerated: event time moves
		errorAt("pay", 143), // late now
	)
	s := a.Stats()
	if want := map[string]uint64{"pay": 2, "cart": 1}; !maps.Equal(s.Late, want) {
		t.Errorf("late %v, expected %v", s.Late, want)
	}
	if want := map[string]uint64{"pay": 1}; !maps.Equal(s.Ahead, want) {
		t.Errorf("ahead %v, expected %v", s.Ahead, want)
	}
	if want := map[string]uint64{"pay": 6, "cart": 1, "": 1}; !maps.Equal(s.Services, want) {
		t.Errorf("services %v, expected %v", s.Services, want)
	}
	if want := (RuleStats{"Errors", "shop", a.opts.Rules.Rules[0].ID, 7, 3, 1, 3}); s.Rules[0] != want {
		t.Errorf("the rule counts %+v, expected %+v", s.Rules[0], want)
	}
	if want := at0 + 159*sec; s.Reached != want || s.Records != 8 || s.Signals[ingest.Logs] != 8 {
		t.Errorf("event time %d after %d records, %v by signal, expected %d and 8", s.Reached, s.Records, s.Signals, want)
	}
}

func TestServicesAreBounded(t *testing.T) {
	a := accumulatorOf(t, ruleSet(errorRule()), 1)
	add(a, 0, 100, errorAt("x", 100))
	for i := range 300 {
		add(a, int64(i+1), 100, errorAt(fmt.Sprint("service-", i), 1))
	}
	late := a.Stats().Late
	if len(late) != maxServices+1 || late[OtherServices] != 200 {
		t.Errorf("%d services and %d others, expected %d and 200", len(late), late[OtherServices], maxServices+1)
	}
}

func TestRecordWithoutTimeTakesKafkas(t *testing.T) {
	a := accumulatorOf(t, ruleSet(errorRule()), 1)
	r := errorAt("pay", 0)
	r.Time = 0
	add(a, 0, 42, r)
	if got := a.Stats().Reached; got != at0+42*sec {
		t.Errorf("event time %d, expected that of Kafka's timestamp", got)
	}
}

func extentText(x window.Extent) string {
	if x.Time == math.MinInt64 {
		return "nowhere"
	}
	text := fmt.Sprintf("at %g", float64(x.Time-at0)/1e9)
	if x.Start > 0 {
		text += fmt.Sprintf(" since %.12g", float64(x.Start-at0)/1e9)
	}
	return text
}

// markers says what sections hold: how far they are in event time and, if it is named, by arrival.
func markers(t *testing.T, sections []Section, clocks ...window.Clock) (out []string) {
	t.Helper()
	for _, s := range sections {
		for value := s.Value; len(value) > 0; {
			head, blocks, rest, err := nextSection(value)
			if err != nil {
				t.Fatal(err)
			}
			text := "no marker"
			if head.hasMarker {
				text = extentText(head.marker.Read[window.EventTime])
				if slices.Contains(clocks, window.ArrivalTime) {
					text += ", arrival " + extentText(head.marker.Read[window.ArrivalTime])
				}
			}
			for b, ok := nextBlock(&blocks); ok; b, ok = nextBlock(&blocks) {
				if len(b.rules) == 0 {
					text += fmt.Sprintf(" of %d rules", len(b.samples.b)/8)
				} else {
					text += " with panes"
				}
			}
			out = append(out, text)
			value = rest
		}
	}
	return out
}

func TestMarkersGoToEveryPanePartitionWhenTheyMatter(t *testing.T) {
	a := accumulatorOf(t, ruleSet(errorRule()), 2)
	take := func(want ...string) {
		t.Helper()
		got := markers(t, a.Take())
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("sections %q, expected %q", got, want)
		}
	}
	take()
	add(a, 7, 100, errorAt("pay", 100))
	take("at 100 since 100 of 1 rules", "at 100 since 100 of 1 rules with panes")
	take()
	add(a, 8, 100, errorAt("pay", 100.4))
	take("no marker with panes")
	add(a, 9, 101, errorAt("pay", 101.3))
	take("at 101.3 since 100", "at 101.3 since 100 with panes")
	add(a, 10, 101, errorAt("pay", 101.6))
	a.Idle(at0 + 110*sec)
	take("at 110 since 100", "at 110 since 100 with panes")
	a.Idle(at0 + 110*sec)
	take()
	a.Idle(at0 + 110*sec + 300)
	take()
	a.Idle(at0 + 111*sec)
	take("at 111 since 100", "at 111 since 100")
}

func TestMetadataCarriesEventTimeAndStart(t *testing.T) {
	set := ruleSet(errorRule())
	a := accumulatorOf(t, set, 1)
	if err := a.Restore(""); err != nil {
		t.Fatal(err)
	}
	add(a, 7, 100, errorAt("pay", 100))
	a.Idle(at0 + 103*sec)
	b := accumulatorOf(t, set, 1)
	if err := b.Restore(a.Metadata()); err != nil {
		t.Fatal(err)
	}
	if a.Metadata() != b.Metadata() {
		t.Errorf("%q is restored as %q", a.Metadata(), b.Metadata())
	}
	if got := markers(t, b.Take()); !slices.Equal(got, []string{"at 103 since 100 of 1 rules"}) {
		t.Errorf("the restored accumulator says %q", got)
	}
	// Other rules: their windows are complete from here on.
	other := &rules.Set{Rules: set.Rules, Version: 6}
	c := accumulatorOf(t, other, 1)
	if err := c.Restore(a.Metadata()); err != nil {
		t.Fatal(err)
	}
	if got := markers(t, c.Take()); !slices.Equal(got, []string{"at 103 since 103 of 1 rules"}) {
		t.Errorf("the accumulator with other rules says %q", got)
	}
	for _, bad := range []string{
		"1 5 none - -", "3 5 - none - none -", "2 5 - none -", "2 zz - none - none -", "2 5 x none - none -", "2 5 - x - none -",
		"2 5 - none - none 9223372036854775807",
	} {
		d := accumulatorOf(t, set, 1)
		if err := d.Restore(bad); err == nil || !strings.Contains(err.Error(), "logs/0") {
			t.Errorf("metadata %q: error %v, expected one that names the partition", bad, err)
		}
		if d.Metadata() != accumulatorOf(t, set, 1).Metadata() {
			t.Errorf("metadata %q left something behind", bad)
		}
	}
}

// TestReadingFromTheBeginningHasNoStart: nothing lies before offset 0, and nothing in a partition that is idle before
// its first record.
func TestReadingFromTheBeginningHasNoStart(t *testing.T) {
	a := accumulatorOf(t, ruleSet(errorRule()), 1)
	add(a, 0, 100, errorAt("pay", 100))
	b := accumulatorOf(t, ruleSet(errorRule()), 1)
	b.Idle(at0 + 100*sec)
	add(b, 55, 100, errorAt("pay", 100))
	for _, x := range []*Accumulator{a, b} {
		if got := markers(t, x.Take()); !slices.Equal(got, []string{"at 100 of 1 rules with panes"}) {
			t.Errorf("sections %q", got)
		}
	}
}

func TestRulesOfOtherTopicsAndSignalsSeeNothing(t *testing.T) {
	other, mine := errorRule(), errorRule()
	other.From, other.Topic = ingest.Events, "orders"
	mine.From, mine.Topic = ingest.Events, "logs"
	a := accumulatorOf(t, ruleSet(other, mine, errorRule()), 1)
	event := errorAt("pay", 1)
	event.Signal = ingest.Events
	add(a, 0, 1, event)
	stats := a.Stats().Rules
	if len(stats) != 2 || stats[0].Matched != 1 || stats[1].Matched != 0 {
		t.Errorf("the rules of this topic count %+v", stats)
	}
}

// TestMonotoneRulesSkipWhatTheyDoNotCount: the record that is no error makes its group known only where silence counts.
func TestMonotoneRulesSkipWhatTheyDoNotCount(t *testing.T) {
	silence := errorRule()
	silence.When = simple(countOf(isError), expr.Read{Stat: expr.StatCount}, false, 5)
	silence.When.ZeroOnEmpty = true
	a := accumulatorOf(t, ruleSet(errorRule(), silence), 1)
	r := errorAt("pay", 1)
	r.Severity = 9
	add(a, 0, 1, r)
	stats := a.Stats().Rules
	if stats[0].Matched != 0 || stats[1].Matched != 1 {
		t.Errorf("the rules count %+v", stats)
	}
}

func TestGroupsAreLetGo(t *testing.T) {
	a := accumulatorOf(t, ruleSet(errorRule()), 1)
	for i := range 1000 {
		at := float64(i)
		add(a, int64(i), at, errorAt(fmt.Sprint("service-", i), at))
		a.Take()
	}
	if n := a.Stats().Groups; n > 120 {
		t.Errorf("%d groups are held after 1000 that were seen once each, a second apart", n)
	}
	for i := range maxTallyGroups + 10 {
		add(a, int64(2000+i), 1000, errorAt(fmt.Sprint("flood-", i), 1000))
	}
	if n := a.Pending(); n <= maxTallyGroups {
		t.Errorf("%d panes pending", n)
	}
	a.Take()
	if n := a.Stats().Groups; n != 0 {
		t.Errorf("%d groups are held after a flood of them", n)
	}
}

func TestAddDoesNotAllocate(t *testing.T) {
	all := errorRule()
	all.ID, all.When = 2, &expr.Program{
		Aggregates: []expr.Aggregate{
			valueOf(expr.Moments, "v"), valueOf(expr.Max, "v"), valueOf(expr.Min, "v"), valueOf(expr.Last, "v"),
			valueOf(expr.Sketch, "v"), valueOf(expr.Distinct, "user"), countOf(nil),
		},
		Reads: []expr.Read{{Stat: expr.StatAvg}}, Conditions: []expr.Condition{{Holds: func(*expr.Frame) bool { return false }}},
	}
	all.By[0].Value = attr("service")
	a := accumulatorOf(t, ruleSet(all), 4)
	batches := make([]*ingest.Batch, 20)
	for i := range batches {
		batches[i] = benchBatch(i, 100)
	}
	offset := int64(0)
	round := func() {
		for _, b := range batches {
			for j := range b.Records {
				b.Records[j].Time = at0
			}
			offset++
			a.Add(b, ingest.Origin{Topic: "logs", Offset: offset, Timestamp: at0})
		}
	}
	round()
	if n := testing.AllocsPerRun(20, round); n > 0 {
		t.Errorf("%g allocations for 2000 records in known panes, expected none", n)
	}
}

func TestTextOfSamples(t *testing.T) {
	res, scope := &ingest.Resource{}, &ingest.Scope{}
	for _, c := range []struct {
		r    ingest.Record
		want string
	}{
		{ingest.Record{Signal: ingest.Logs, Body: ingest.StringValue("two\nlines\tof text")}, "two lines of text"},
		{ingest.Record{Signal: ingest.Logs, Body: ingest.StringValue(strings.Repeat("ü", 500))}, strings.Repeat("ü", 120)},
		{ingest.Record{Signal: ingest.Spans, Name: "GET /cart", Duration: 0.25}, "GET /cart 250ms"},
		{ingest.Record{Signal: ingest.Spans, Name: "pay", Duration: 2.5, StatusCode: 2, StatusMessage: "declined"}, "pay 2.5s: declined"},
		{ingest.Record{Signal: ingest.Spans, Name: "pay", Duration: 12e-6, StatusCode: 2}, "pay 12µs error"},
		{ingest.Record{Signal: ingest.Metrics, Name: "cpu", Point: &ingest.Point{Value: ingest.DoubleValue(0.5), Unit: "1"}}, "cpu 0.5"},
		{ingest.Record{Signal: ingest.Metrics, Name: "size", Point: &ingest.Point{Count: 3, Sum: 12, HasSum: true, Unit: "By"}}, "size count 3 sum 12 By"},
		{ingest.Record{Signal: ingest.SpanEvents, Name: "exception"}, "exception"},
		{ingest.Record{Signal: ingest.Events, Attributes: ingest.Attrs{
			{Key: "number", Value: ingest.IntValue(3)}, {Key: "user", Value: ingest.StringValue("ann")},
		}}, "number=3 user=ann"},
		{ingest.Record{Signal: ingest.Events, Attributes: ingest.Attrs{
			{Key: "user", Value: ingest.StringValue("ann")}, {Key: "api_token", Value: ingest.StringValue("hunter2")},
		}}, "user=ann api_token=..."},
	} {
		c.r.Resource, c.r.Scope = res, scope
		if got := string(appendText([]byte(">"), &c.r)); got != ">"+c.want {
			t.Errorf("%v: %q, expected %q", c.r.Signal, got[1:], c.want)
		}
	}
}

func FuzzMetadata(f *testing.F) {
	f.Add("2 5 - none - none -")
	f.Add("2 ffff - 1800000000000000000 1800000000000000000 none -")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := NewAccumulator(AccumulatorOptions{Rules: ruleSet(errorRule()), Source: Source{"logs", 0}})
		if err != nil {
			t.Fatal(err)
		}
		if a.Restore(text) == nil {
			b, _ := NewAccumulator(AccumulatorOptions{Rules: ruleSet(errorRule()), Source: Source{"logs", 0}})
			if err := b.Restore(a.Metadata()); err != nil {
				t.Fatalf("%q, from %q, is not restored: %v", a.Metadata(), text, err)
			}
		}
		a.Take()
	})
}

// Rules that are found by what they require give what they give when each is asked about every record.
func TestIndex(t *testing.T) {
	var yaml strings.Builder
	yaml.WriteString("groups:\n  - name: g\n    rules:\n")
	for i, where := range []string{
		`service.name == "a"`, `service.name in ["a", "b", "b"]`, `service.name == "c" && app.v > 2`, `severity >= ERROR`,
		`host.name == "h" && service.name == "a"`, `service.name == "a" || app.v > 3`, `host.name == "i"`,
	} {
		fmt.Fprintf(&yaml, "      - {alert: R%d, from: logs, where: '%s', by: [service.name], window: 10s, when: sum(app.v) > 5}\n", i, where)
	}
	indexed, problems := rules.Parse("index.yaml", []byte(yaml.String()))
	if problems != nil {
		t.Fatal(problems)
	}
	plain := &rules.Set{Version: indexed.Version}
	for _, r := range indexed.Rules {
		copied := *r
		copied.Bounds = nil
		plain.Rules = append(plain.Rules, &copied)
	}
	random := rand.New(rand.NewPCG(3, 5))
	with, without := accumulatorOf(t, indexed, 2), accumulatorOf(t, plain, 2)
	for offset := range int64(200) {
		var records []ingest.Record
		for range 20 {
			r := errorAt([]string{"", "a", "b", "c"}[random.IntN(4)], float64(offset)/5+random.Float64())
			r.Severity = int32(9 + 8*random.IntN(2))
			r.Attributes = ingest.Attrs{{Key: "app.v", Value: ingest.IntValue(random.Int64N(6))}}
			if random.IntN(2) == 0 {
				r.Attributes = append(r.Attributes, ingest.Attr{Key: "host.name", Value: ingest.StringValue([]string{"h", "i"}[random.IntN(2)])})
			}
			records = append(records, r)
		}
		add(with, offset, float64(offset), slices.Clone(records)...)
		add(without, offset, float64(offset), records...)
		if offset%7 == 0 {
			if got, want := with.Take(), without.Take(); !reflect.DeepEqual(got, want) {
				t.Fatalf("at offset %d the sections differ", offset)
			}
		}
	}
	if got, want := with.Stats(), without.Stats(); !reflect.DeepEqual(got, want) || want.Rules[4].Matched == 0 {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}
