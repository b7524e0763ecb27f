package expr

import (
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/freshet-dev/freshet/ingest"
)

// seeds are the expressions of the golden file and of the reference.
func seeds(f *testing.F) []string {
	f.Helper()
	content, err := os.ReadFile("testdata/faults.txt")
	if err != nil {
		f.Fatal(err)
	}
	out := []string{typicalWhere, "a.`b-c` == r'\\d' // x\n && b", "'''x\ny''' == a.b", `count() >= 50 && p99(duration).over("1h") > 1.5 * p99(duration).offset("1d").zscore("2h")`, `changed(max(duration).forecast("1h", "2h")) || count().upper("1d").lower("none", "1h") < avg(duration).outlier()`, "\xff", "a\u0301.b == 1",
		`increase(metric("a").sum, b == 1) / rate(metric("a").count) > 1`, `sum(last(metric("a"), c > 1)) > 5`, `before(a.b == "x", !has(c.d)) >= 3 && fresh(a.b, c.d > 1) > 0`,
		`changed(distinct(service.version), "2h") && count().offset("1d").forecast("1h", "6h") >= 5`, `(count(a.b) / count()).over("1h").previous() > 0.5 && count() >= 50`,
		`count() < count().lower("1w") || count().expected("1d", "30m") > 2 ? count() > 5 && count() < 3 : !(count() >= 0)`, `a.b in ["x", "y"] && a.b == "z" || a.b.lower() != "A"`}
	for line := range strings.Lines(string(content)) {
		if _, source, found := strings.Cut(strings.TrimSpace(line), ": "); found {
			out = append(out, source)
		}
	}
	for _, row := range References() {
		out = append(out, row.Example, row.Name)
	}
	return out
}

// sound asserts what every fault promises.
func sound(t *testing.T, source string, faults Faults) {
	t.Helper()
	for _, f := range faults {
		if f.Message == "" || f.Offset < 0 || f.Offset > len(source) || f.Length < 1 {
			t.Errorf("%q has the fault %+v", source, f)
		}
	}
}

func FuzzCompileRecord(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed, uint8(1))
	}
	f.Fuzz(func(t *testing.T, source string, s uint8) {
		signal := ingest.Signal(s%5 + 1)
		r := logRecord()
		r.Signal = signal
		w, faults := CompileWhere(source, signal, nil)
		sound(t, source, faults)
		if (w == nil) == (faults == nil) {
			t.Fatalf("%q gives %v and %v", source, w, faults)
		}
		if w != nil {
			again, faults := CompileWhere(w.Text, signal, nil)
			if faults != nil || again.Text != w.Text {
				t.Fatalf("%q is written as %q, which is read as %+v, %v", source, w.Text, again, faults)
			}
			if w.Holds(r) != again.Holds(r) {
				t.Errorf("%q and %q differ", source, w.Text)
			}
		}
		k, faults := CompileKey(source, signal, nil)
		sound(t, source, faults)
		if k != nil {
			k.Value(r)
		}
	})
}

// FuzzCompileRule compiles all that a rule can say about measures.
func FuzzCompileRule(f *testing.F) {
	f.Add("errors", "count(status == ERROR)", "warning", "errors / count() > 0.1", "critical", "errors > 100", "errors < 5", "errors")
	f.Add("n", "max(duration)", "warning", "n > n.upper(\"1d\")", "critical", "changed(n)", "n.outlier() < 2", "n.forecast(\"1h\", \"2h\")")
	f.Add("n", "count() > 5", "critical", "n && count() < 3", "warning", "n.over(\"1h\")", "!n", "count()")
	f.Fuzz(func(t *testing.T, name, let, mild, first, harsh, second, until, value string) {
		parts := []Part{
			{RoleLet, name, let}, {RoleLet, name + "2", name + ".over(\"1h\")"}, {RoleWhen, mild, first}, {RoleWhen, harsh, second},
			{RoleUntil, "", until}, {RoleValue, "", value},
		}
		o := Options{Signal: ingest.Spans, By: []Key{{Label: "service_name", Text: "service.name"}}, Interval: 5 * time.Second, Window: time.Minute}
		p, faults := Compile(parts, o)
		for i, part := range parts {
			sound(t, part.Source, faults[i])
			if p != nil && p.Doubts != nil {
				sound(t, part.Source, p.Doubts[i])
			}
		}
	})
}

func FuzzCompileCondition(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed, uint8(2))
	}
	f.Fuzz(func(t *testing.T, source string, s uint8) {
		signal := ingest.Signal(s%5 + 1)
		by := []Key{{Label: "service_name", Text: "service.name"}}
		o := Options{Signal: signal, By: by, Interval: 5 * time.Second, Window: time.Minute}
		p, faults := CompileCondition(source, o)
		sound(t, source, faults)
		if (p == nil) == (faults == nil) {
			t.Fatalf("%q gives %v and %v", source, p, faults)
		}
		if p == nil {
			return
		}
		frame := &Frame{Reads: make([]float64, len(p.Reads)), By: []ingest.Value{ingest.StringValue("x")}}
		for _, m := range p.Models {
			x := 1.0
			if m.Input != nil {
				x = m.Input(frame)
			}
			frame.Models = append(frame.Models, x)
		}
		holds := p.Conditions[0].Holds(frame)
		for _, faults := range p.Doubts {
			sound(t, source, faults)
			for _, d := range faults {
				if holds && strings.HasPrefix(d.Message, "this never holds, so it") || !holds && strings.HasPrefix(d.Message, "this always holds, so it") {
					t.Errorf("%q is %v, and %s", source, holds, d.Message)
				}
			}
		}
		if p.Conditions[0].Value != nil {
			p.Conditions[0].Value(frame)
			p.Conditions[0].Threshold(frame)
		}
		for _, r := range p.Reads {
			if r.Aggregate < 0 || r.Aggregate >= len(p.Aggregates) || r.Window%o.Interval != 0 || r.Offset%o.Interval != 0 {
				t.Fatalf("%q reads %+v", source, r)
			}
		}
		again, faults := CompileCondition(p.Text, o)
		if utf8.ValidString(source) && (faults != nil || again.Text != p.Text) {
			t.Fatalf("%q is written as %q, which is read as %+v, %v", source, p.Text, again, faults)
		}
	})
}
