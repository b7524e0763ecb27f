package ruletest

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// mostSamples bounds the values that one series may expand to.
const mostSamples = 1_000_000

// sample is one value of a series. A gap has none; a stale one says that the series ended or has no value here.
type sample struct {
	value      float64
	gap, stale bool
}

// A notationFault is one thing wrong with a text in a notation of ours, at a byte offset of it.
type notationFault struct {
	offset, length int
	message, hint  string
}

// expandSeries reads values in promtool's notation, separated by spaces:
//
//	a       one value
//	axn     a, and n further ones: n+1 values
//	a+bxn   a, a+b, a+2b, … a+n*b: n+1 values; a-bxn falls
//	_  _xn  one gap, n gaps
//	stale   the series has no value here, and says so
func expandSeries(text string) ([]sample, *notationFault) {
	var out []sample
	for at := 0; at < len(text); {
		if r, size := utf8.DecodeRuneInString(text[at:]); unicode.IsSpace(r) {
			at += size
			continue
		}
		end := strings.IndexFunc(text[at:], unicode.IsSpace)
		if end < 0 {
			end = len(text) - at
		}
		word := text[at : at+end]
		run, fault := readRun(word)
		if fault == nil && run.count > mostSamples-len(out) {
			fault = &notationFault{message: fmt.Sprintf("this makes more than %d values", mostSamples)}
		}
		if fault != nil {
			fault.offset += at
			if fault.length == 0 {
				fault.length = len(word)
			}
			return nil, fault
		}
		for i := range run.count {
			s := run.first
			s.value += float64(i) * run.step
			out = append(out, s)
		}
		at += end
	}
	if len(out) == 0 {
		return nil, &notationFault{message: "the series has no values", hint: seriesHint}
	}
	return out, nil
}

const seriesHint = "as in 0.1x20 0.9 1+0.5x10 _x4 stale: axn is a and n further ones, _ a gap"

// sampleRun is what one word of a series expands to.
type sampleRun struct {
	first sample
	step  float64
	count int
}

func readRun(word string) (r sampleRun, fault *notationFault) {
	r.count = 1
	rest := word
	switch {
	case word == "stale":
		r.first.stale = true
		return r, nil
	case strings.HasPrefix(word, "_"):
		r.first.gap = true
		if rest = word[1:]; rest == "" {
			return r, nil
		}
	default:
		var ok bool
		if r.first.value, rest, ok = cutNumber(word, true); !ok {
			return r, &notationFault{message: fmt.Sprintf("%q is no value of a series", word), hint: seriesHint}
		}
		if rest == "" {
			return r, nil
		}
		if rest[0] == '+' || rest[0] == '-' {
			sign := rest[:1]
			if r.step, rest, ok = cutNumber(rest[1:], false); !ok || math.IsInf(r.step, 0) || math.IsNaN(r.step) {
				return r, &notationFault{
					offset: len(word) - len(rest), length: max(len(rest), 1),
					message: fmt.Sprintf("a number is missing behind %s", sign), hint: "as in 1" + sign + "0.5x10",
				}
			}
			if sign == "-" {
				r.step = -r.step
			}
		}
	}
	times, found := strings.CutPrefix(rest, "x")
	n, err := strconv.Atoi(times)
	if !found || err != nil || times[0] == '+' || n < 0 {
		return r, &notationFault{
			offset: len(word) - len(rest), length: max(len(rest), 1),
			message: "x and how many more are missing here", hint: seriesHint,
		}
	}
	if n > mostSamples {
		return r, &notationFault{message: fmt.Sprintf("this makes more than %d values", mostSamples)}
	}
	r.count = n
	if !r.first.gap {
		r.count++ // a gap cannot begin a run, so _x3 is three of them
	}
	return r, nil
}

// cutNumber reads the decimal number, Inf or NaN that a text begins with.
func cutNumber(text string, signed bool) (x float64, rest string, ok bool) {
	end := 0
	if signed && end < len(text) && (text[end] == '-' || text[end] == '+') {
		end++
	}
	for _, word := range []string{"inf", "nan"} {
		if len(text)-end >= len(word) && strings.EqualFold(text[end:end+len(word)], word) {
			x, err := strconv.ParseFloat(text[:end+len(word)], 64)
			return x, text[end+len(word):], err == nil
		}
	}
	digits := func() {
		for end < len(text) && text[end] >= '0' && text[end] <= '9' {
			end++
		}
	}
	digits()
	// Two points are those of a range: 1..5.
	if end < len(text) && text[end] == '.' && !strings.HasPrefix(text[end:], "..") {
		end++
		digits()
	}
	if end < len(text) && (text[end] == 'e' || text[end] == 'E') {
		before := end
		end++
		if end < len(text) && (text[end] == '-' || text[end] == '+') {
			end++
		}
		if from := end; true {
			if digits(); end == from {
				end = before
			}
		}
	}
	x, err := strconv.ParseFloat(text[:end], 64)
	if err != nil && !math.IsInf(x, 0) {
		return 0, text, false
	}
	return x, text[end:], true
}
