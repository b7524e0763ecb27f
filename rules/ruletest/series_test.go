package ruletest

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// written writes samples one by one, as expandSeries reads them.
func written(samples []sample) string {
	var words []string
	for _, s := range samples {
		switch {
		case s.gap:
			words = append(words, "_")
		case s.stale:
			words = append(words, "stale")
		default:
			words = append(words, strconv.FormatFloat(s.value, 'g', -1, 64))
		}
	}
	return strings.Join(words, " ")
}

// The first examples are those of promtool's documentation.
func TestSeriesNotation(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"-2+4x3", "-2 2 6 10"},
		{" 1-2x4", "1 -1 -3 -5 -7"},
		{"1x4", "1 1 1 1 1"},
		{"1 _x3 stale", "1 _ _ _ stale"},
		{"1+0x6 0 0", "1 1 1 1 1 1 1 0 0"},
		{"10+10x2 30+20x5", "10 20 30 30 50 70 90 110 130"},
		{"0.1x2 0.9", "0.1 0.1 0.1 0.9"},
		{"0x2", "0 0 0"}, // and no hexadecimal number
		{"1e3 -1.5e-3x1 +2", "1000 -0.0015 -0.0015 2"},
		{"_", "_"},
		{"1x0", "1"},
		{"_x0 7", "7"},
		{"Inf -inf NaN", "+Inf -Inf NaN"},
		{"1\n\t2", "1 2"},
	} {
		got, fault := expandSeries(test.text)
		if fault != nil || written(got) != test.want {
			t.Errorf("%q is %q, want %q; fault %+v", test.text, written(got), test.want, fault)
		}
	}
}

func TestSeriesFaults(t *testing.T) {
	for _, test := range []struct{ text, at, says string }{
		{"", "", "no values"},
		{"1 x5", "x5", "no value"},
		{"1 2y", "y", "x and how many"},
		{"1 2x", "x", "x and how many"},
		{"1 2x-3", "x-3", "x and how many"},
		{"1+x3", "x3", "number is missing behind +"},
		{"1+2", "+2", ""},
		{"3 stalex2", "stalex2", "no value"},
		{"1x1000001", "1x1000001", "more than 1000000"},
		{"1x999999 2 3", "2", "more than 1000000"},
		{"1..5", "..5", "x and how many"},
	} {
		samples, fault := expandSeries(test.text)
		if fault == nil {
			t.Errorf("%q is read as %d values", test.text, len(samples))
			continue
		}
		if !strings.Contains(fault.message, test.says) {
			t.Errorf("%q: %q does not say %q", test.text, fault.message, test.says)
		}
		if test.says != "" && test.text[fault.offset:fault.offset+fault.length] != test.at && test.at != "" {
			t.Errorf("%q: the fault is at %q, want %q", test.text, test.text[fault.offset:fault.offset+fault.length], test.at)
		}
	}
}

// Whatever is read can be written value by value and read again, and a fault lies within the text.
func FuzzSeries(f *testing.F) {
	for _, seed := range []string{"-2+4x3", "1 _x3 stale", "0.1x20 0.9x40 0.1+0.05x10 _x4 stale", "1e3x2", "Inf-1x2", "nan", "1+", "x", "１x2", "1+1e308x3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		samples, fault := expandSeries(text)
		if fault != nil {
			if fault.offset < 0 || fault.length < 0 || fault.offset+fault.length > len(text)+1 || fault.message == "" {
				t.Errorf("the fault of %q is %+v", text, fault)
			}
			return
		}
		if len(samples) == 0 || len(samples) > mostSamples {
			t.Fatalf("%q has %d values", text, len(samples))
		}
		if len(samples) > 1000 {
			return
		}
		again, fault := expandSeries(written(samples))
		if fault != nil || len(again) != len(samples) {
			t.Fatalf("%q is written as %q, which is read as %v, %+v", text, written(samples), again, fault)
		}
		for i, s := range samples {
			if a := again[i]; a != s && !(math.IsNaN(a.value) && math.IsNaN(s.value)) {
				t.Errorf("value %d of %q is %v, and %v when written and read", i, text, s, a)
			}
		}
	})
}

// A text with generators is never a fault that lies outside of it, and gives valid text for valid text.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"order {i} of {i%5}", "{ramp 0.1..2}", "{random 1..6}", "{cycle a|b*3|}", "{series 1x3 5}", `{"a":{"i":1}}`, "{i%0}", "{ramp}", "{cycle }"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text, fault := readText(s)
		if fault != nil {
			if fault.offset < 0 || fault.length < 1 || fault.offset+fault.length > len(s)+1 || fault.message == "" {
				t.Errorf("the fault of %q is %+v", s, fault)
			}
			return
		}
		for _, m := range []moment{{i: 0, n: 1}, {i: 3, n: 7, seed: 5}} {
			if got := text.string(m); utf8.ValidString(s) && !utf8.ValidString(got) {
				t.Errorf("%q gives %q", s, got)
			}
			text.value(m)
		}
		readAmount(s, true)
		readAmount(s, false)
	})
}
