package expr

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/ingest"
)

func compileRule(t *testing.T, parts ...Part) *Program {
	t.Helper()
	p, faults := Compile(parts, Options{Signal: ingest.Spans, Interval: 5 * time.Second, Window: time.Minute})
	if p == nil {
		t.Fatal(faults)
	}
	return p
}

func TestLets(t *testing.T) {
	p := compileRule(t,
		Part{RoleLet, "errors", "count(status == ERROR)"},
		Part{RoleLet, "ratio", "errors / count()"},
		Part{RoleLet, "unused", "p99(duration)"},
		Part{RoleWhen, "", "ratio > 0.1 && errors > 2 * errors.offset(\"1h\")"},
	)
	if len(p.Aggregates) != 3 || len(p.Reads) != 4 {
		t.Fatalf("%d aggregates, %d reads, expected that equal ones are one", len(p.Aggregates), len(p.Reads))
	}
	if !slices.ContainsFunc(p.Reads, func(r Read) bool { return r.Offset == time.Hour }) {
		t.Errorf("%+v: offset does not reach into the let", p.Reads)
	}
	if !p.ZeroOnEmpty {
		t.Error("a measure that is only shown decides what an empty window is judged as")
	}
	f := &Frame{Reads: make([]float64, len(p.Reads))}
	for i, r := range p.Reads {
		switch {
		case r.Offset > 0:
			f.Reads[i] = 1
		case r.Stat == StatCount && p.Aggregates[r.Aggregate].Filter != nil:
			f.Reads[i] = 30
		case r.Stat == StatCount:
			f.Reads[i] = 100
		default:
			f.Reads[i] = math.NaN()
		}
	}
	if p.Holding(f) != 0 || p.Conditions[0].Value(f) != 0.3 || p.Conditions[0].Threshold(f) != 0.1 {
		t.Errorf("holding %d, value %v of %v", p.Holding(f), p.Conditions[0].Value(f), p.Conditions[0].Threshold(f))
	}
	for i, want := range []float64{30, 0.3, math.NaN()} {
		if got := p.Lets[i].Value(f); got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Errorf("%s is %v, expected %v", p.Lets[i].Name, got, want)
		}
	}
	if plain := compileRule(t, Part{RoleWhen, "", `(count(status == ERROR) / count()) > 0.1 && count(status == ERROR) > 2 * count(status == ERROR).offset("1h")`}); plain.Aggregates[0].Text != p.Aggregates[0].Text {
		t.Errorf("%q and %q", plain.Aggregates[0].Text, p.Aggregates[0].Text)
	}
}

// A name for count() is a floor as count() itself is, and not what the rule reports.
func TestLetOfCountIsAFloor(t *testing.T) {
	all := Part{RoleLet, "all", "count()"}
	for _, parts := range [][]Part{
		{all, {RoleWhen, "", "all >= 50 && p99(duration) > 1"}},
		{all, {RoleLet, "past", `all.over("1h")`}, {RoleWhen, "", "past >= 50 && all >= 20 && p99(duration) > 1"}},
		{all, {RoleWhen, "warning", "all >= 50 && p99(duration) > 1"}, {RoleWhen, "critical", "all >= 50 && p99(duration) > 1"}},
	} {
		p := compileRule(t, parts...)
		f := &Frame{Reads: make([]float64, len(p.Reads))}
		for i, r := range p.Reads {
			f.Reads[i] = 70
			if r.Stat != StatCount {
				f.Reads[i] = 3
			}
		}
		for _, c := range p.Conditions {
			if c.Value(f) != 3 || c.Threshold == nil || c.Threshold(f) != 1 {
				t.Errorf("%+v reports %v, expected the quantile", parts, c.Value(f))
			}
		}
	}
	if p := compileRule(t, all, Part{RoleWhen, "", "all > 50"}); p.Conditions[0].Value(&Frame{Reads: []float64{70}}) != 70 {
		t.Error("alone it is what the rule reports")
	}
}

func TestSeverities(t *testing.T) {
	p := compileRule(t,
		Part{RoleWhen, "critical", "count() > 100"},
		Part{RoleWhen, "warning", "count() > 10"},
		Part{RoleUntil, "critical", "count() < 50"},
		Part{RoleValue, "", "count(status == ERROR)"},
	)
	if p.Conditions[0].Severity != "warning" || p.Conditions[1].Severity != "critical" {
		t.Fatalf("%+v", p.Conditions)
	}
	for n, want := range map[float64]int{5: -1, 11: 0, 101: 1} {
		f := &Frame{Reads: []float64{n, 3}}
		if got := p.Holding(f); got != want {
			t.Errorf("with %v records the condition %d holds, expected %d", n, got, want)
		}
	}
	f := &Frame{Reads: []float64{49, 3}}
	if p.Conditions[0].Until != nil || !p.Conditions[1].Until(f) {
		t.Error("until belongs to one severity")
	}
	if c := p.Conditions[0]; c.Value(f) != 3 || c.Threshold != nil {
		t.Errorf("value %v, threshold %t, expected the value named and no threshold beside it", c.Value(f), c.Threshold != nil)
	}
	if !p.Monotone {
		t.Error("both conditions only become more true")
	}
}

// What the detector's state depends on is in the text, what is only shown is not.
func TestTextOfRule(t *testing.T) {
	when := Part{RoleWhen, "", "count() > 10"}
	plain := compileRule(t, when).Text
	for _, same := range [][]Part{
		{when, {RoleValue, "", "count(status == ERROR)"}},
		{when, {RoleLet, "x", "count()"}},
		{{RoleLet, "n", "10"}, {RoleWhen, "", "count() > 10.0"}},
	} {
		if got := compileRule(t, same...).Text; got != plain {
			t.Errorf("%+v: %q, expected %q", same, got, plain)
		}
	}
	judged := Part{RoleWhen, "", "count().anomaly() > 3"}
	if a, b := compileRule(t, judged).Text, compileRule(t, judged, Part{RoleLet, "usual", "count().expected()"}).Text; a != b {
		t.Errorf("%q and %q: the let asks nothing new", a, b)
	}
	for _, other := range [][]Part{
		{when, {RoleUntil, "", "count() < 5"}},
		{{RoleWhen, "warning", "count() > 10"}},
		{when, {RoleLet, "usual", "count().expected()"}},
		{when, {RoleValue, "", "count().zscore()"}},
	} {
		if got := compileRule(t, other...).Text; got == plain {
			t.Errorf("%+v: %q", other, got)
		}
	}
}

// Lets that use others twice would double at each step.
func TestLetsAreBounded(t *testing.T) {
	parts := []Part{{RoleLet, "l0", "count()"}}
	for i := range 40 {
		parts = append(parts, Part{RoleLet, fmt.Sprintf("l%d", i+1), fmt.Sprintf("l%d + l%d", i, i)})
	}
	parts = append(parts, Part{RoleWhen, "", "l40 > 1"})
	p, faults := Compile(parts, Options{Signal: ingest.Spans, Interval: 5 * time.Second, Window: time.Minute})
	found := 0
	for _, f := range faults {
		found += len(f)
	}
	if p != nil || found == 0 {
		t.Errorf("%v, %d faults, expected some", p, found)
	}
}
