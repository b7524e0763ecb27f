package ruletest

import (
	"strings"
	"testing"
)

// texts returns what a text is for each of n records.
func texts(t *testing.T, s string, n int) string {
	t.Helper()
	text, fault := readText(s)
	if fault != nil {
		t.Fatalf("%q: %+v", s, fault)
	}
	var out []string
	for i := range n {
		out = append(out, text.string(moment{i: i, n: n, seed: 1}))
	}
	return strings.Join(out, " ")
}

func TestGenerators(t *testing.T) {
	for _, test := range []struct {
		text string
		n    int
		want string
	}{
		{"order-{i}", 3, "order-0 order-1 order-2"},
		{"{i%2}-{i}", 4, "0-0 1-1 0-2 1-3"},
		{"{ramp 0..100}", 5, "0 25 50 75 100"},
		{"{ramp 1..0.5}", 2, "1 0.5"},
		{"{ramp 7..9}", 1, "7"},
		{"{cycle a|b*2|c}", 6, "a b b c a b"},
		{"{cycle 200*2|503}", 3, "200 200 503"},
		{"{series 1x1 5}", 5, "1 1 5 1 1"},
		{`{"i":1,"x":{recycle a|b}}`, 1, `{"i":1,"x":{recycle a|b}}`},
		{"{user} {{i}} {}", 2, "{user} {0} {} {user} {1} {}"},
		{"", 2, " "},
	} {
		if got := texts(t, test.text, test.n); got != test.want {
			t.Errorf("%q is %q, want %q", test.text, got, test.want)
		}
	}
}

func TestRandomIsTheSameEachTimeAndEven(t *testing.T) {
	text, fault := readText("{random 1..6}")
	if fault != nil {
		t.Fatal(fault)
	}
	const n = 6000
	var seen [7]int
	same := 0
	for i := range n {
		x, ok := text.value(moment{i: i, n: n, seed: 1}).Number()
		if !ok || x != float64(int(x)) || x < 1 || x > 6 {
			t.Fatalf("record %d is %g", i, x)
		}
		seen[int(x)]++
		if again, _ := text.value(moment{i: i, n: n, seed: 1}).Number(); again != x {
			t.Fatalf("record %d is %g, then %g", i, x, again)
		}
		if other, _ := text.value(moment{i: i, n: n, seed: 2}).Number(); other == x {
			same++
		}
	}
	for face, count := range seen[1:] {
		if count < 900 || count > 1100 {
			t.Errorf("%d comes %d times of %d", face+1, count, n)
		}
	}
	if same > n/4 {
		t.Errorf("with another seed %d of %d are the same", same, n)
	}
}

// Alone a generator gives a number, within a text it is a part of the text.
func TestGeneratorsAloneAreNumbers(t *testing.T) {
	for s, number := range map[string]bool{
		"{i}": true, "{ramp 0..1}": true, "{cycle 200|503}": true, "{series 1 2}": true,
		"u{i}": false, "{cycle a|b}": false, "{i} ": false, "5": false,
	} {
		text, fault := readText(s)
		if fault != nil {
			t.Fatal(fault)
		}
		if _, ok := text.value(moment{n: 1}).Number(); ok != number {
			t.Errorf("%q is a number: %t", s, ok)
		}
	}
}

func TestAmounts(t *testing.T) {
	for _, test := range []struct {
		text        string
		lengths     bool
		first, last float64 // of 3 records; -1 stands for a fault
	}{
		{"0.5", true, 0.5, 0.5},
		{"250ms", true, 0.25, 0.25},
		{"1m30s", true, 90, 90},
		{"1.5s", true, 1.5, 1.5},
		{"100µs", true, 1e-4, 1e-4},
		{"100ms..2s", true, 0.1, 2},
		{"0.1..2", false, 0.1, 2},
		{"-1..1", false, -1, 1},
		{"1x1 5", false, 1, 5},
		{"{i}", false, 0, 2},
		{"{ramp 1..3}", true, 1, 3},
		{"{cycle 1|2|3}", false, 1, 3},
		{"250ms", false, -1, -1},
		{"{cycle a|b}", false, -1, -1},
		{"fast", true, -1, -1},
		{"1 _ 2", false, -1, -1},
		{"1..x", false, -1, -1},
		{"", false, -1, -1},
	} {
		g, fault := readAmount(test.text, test.lengths)
		if (fault != nil) != (test.first == -1 && test.last == -1) {
			t.Errorf("%q: fault %+v", test.text, fault)
			continue
		}
		if fault != nil {
			continue
		}
		first, last := g.number(moment{i: 0, n: 3}), g.number(moment{i: 2, n: 3})
		if first != test.first || last != test.last {
			t.Errorf("%q goes from %g to %g, want %g to %g", test.text, first, last, test.first, test.last)
		}
	}
}
