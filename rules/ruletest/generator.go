package ruletest

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules/expr"
)

// moment says which record of its stream is made: number i of n, at an event time (Unix nanoseconds). seed makes what is
// random the same in each run.
type moment struct {
	i, n int
	at   int64
	seed uint64
}

// random returns a number from 0 on and below 1 that depends on the record and on what it is for.
func (m moment) random(purpose uint64) float64 {
	x := mix(m.seed ^ mix(uint64(m.i)^mix(purpose)))
	return float64(x>>11) / (1 << 53)
}

// mix is the finaliser of SplitMix64: near inputs give outputs that have nothing in common.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

type generatorKind uint8

const (
	constant generatorKind = iota
	index                  // the record's number, from 0
	ramp                   // linear from the stream's first record to its last
	random                 // even between two numbers
	cycle                  // one after the other, and again
)

// generator computes a value for each record of a stream.
type generator struct {
	kind     generatorKind
	from, to float64        // of ramp and random; constant is from
	whole    bool           // random gives whole numbers
	modulo   int            // of index, 0 for none
	values   []ingest.Value // of cycle
	purpose  uint64         // tells several random ones of a record apart
}

// value returns the value for a record.
func (g *generator) value(m moment) ingest.Value {
	switch g.kind {
	case index:
		if g.modulo > 0 {
			return ingest.IntValue(int64(m.i % g.modulo))
		}
		return ingest.IntValue(int64(m.i))
	case cycle:
		return g.values[m.i%len(g.values)]
	default:
		return ingest.DoubleValue(g.number(m))
	}
}

// number returns the number for a record, NaN where it has none.
func (g *generator) number(m moment) float64 {
	switch g.kind {
	case constant:
		return g.from
	case ramp:
		if m.i > 0 && m.i == m.n-1 {
			return g.to // exactly
		}
		return g.from + (g.to-g.from)*float64(m.i)/float64(max(m.n-1, 1))
	case random:
		if g.whole {
			return g.from + math.Floor(m.random(g.purpose)*(g.to-g.from+1))
		}
		return g.from + m.random(g.purpose)*(g.to-g.from)
	default:
		x, _ := g.value(m).Number()
		return x
	}
}

const generatorHint = "as in {i}, {i%5}, {ramp 0.1..2}, {random 1..6}, {cycle a|b|c*10} or {series 1x9 5}"

// readGenerator reads what stands within braces. ok is false when it is nothing of ours.
func readGenerator(text string) (g *generator, ok bool, fault *notationFault) {
	if rest, is := strings.CutPrefix(text, "i"); is && (rest == "" || rest[0] == '%') {
		g := &generator{kind: index}
		if rest == "" {
			return g, true, nil
		}
		n, err := strconv.Atoi(rest[1:])
		if err != nil || n < 1 {
			return nil, true, &notationFault{offset: 2, length: max(len(rest)-1, 1), message: "a whole number above 0 is missing behind %", hint: generatorHint}
		}
		g.modulo = n
		return g, true, nil
	}
	word, rest, _ := strings.Cut(text, " ")
	offset := len(text) - len(rest)
	switch word {
	case "ramp", "random":
		g, fault = readRange(rest, false)
		switch {
		case fault != nil || word == "ramp":
		case g.from > g.to:
			fault = &notationFault{length: len(rest), message: "the lesser number comes first", hint: "as in {random 1..6}"}
		default:
			g.kind = random
		}
	case "cycle":
		g, fault = readCycle(rest)
	case "series":
		g, fault = readSeries(rest)
	default:
		return nil, false, nil
	}
	if fault != nil {
		fault.offset += offset
		fault.length = max(fault.length, 1)
	}
	return g, true, fault
}

// readRange reads a..b. lengths lets both be lengths of time, which count in seconds.
func readRange(text string, lengths bool) (*generator, *notationFault) {
	from, to, found := strings.Cut(text, "..")
	if !found {
		return nil, &notationFault{length: len(text), message: fmt.Sprintf("%q is no range", text), hint: "as in 0.1..2"}
	}
	g := &generator{kind: ramp, whole: !strings.ContainsAny(text[:len(from)]+to, ".eEmsun")}
	for i, side := range []string{from, to} {
		x, ok := readNumber(strings.TrimSpace(side), lengths)
		if !ok || math.IsInf(x, 0) || math.IsNaN(x) {
			return nil, &notationFault{offset: i * (len(from) + 2), length: max(len(side), 1), message: fmt.Sprintf("%q is no number", side), hint: "as in 0.1..2"}
		}
		if i == 0 {
			g.from = x
		} else {
			g.to = x
		}
	}
	return g, nil
}

// readNumber reads a number or, with lengths, a length of time in seconds.
func readNumber(text string, lengths bool) (float64, bool) {
	if x, rest, ok := cutNumber(text, true); ok && rest == "" {
		return x, true
	}
	if !lengths {
		return 0, false
	}
	number := strings.TrimRight(text, "nuµmsh")
	// Prometheus's lengths of time have no fractions and nothing below a millisecond, which spans have.
	perSecond := map[string]float64{"ns": 1e9, "us": 1e6, "µs": 1e6, "ms": 1e3, "s": 1}[text[len(number):]]
	if x, rest, ok := cutNumber(number, false); ok && rest == "" && perSecond > 0 {
		return x / perSecond, true
	}
	d, err := expr.ParseDuration(text)
	return d.Seconds(), err == nil
}

// mostOptions bounds what one cycle may hold.
const mostOptions = 10_000

// readCycle reads a|b|c*10.
func readCycle(text string) (*generator, *notationFault) {
	if text == "" {
		return nil, &notationFault{message: "the values are missing behind cycle", hint: generatorHint}
	}
	g := &generator{kind: cycle}
	numbers := true
	var options []string
	offset := 0
	for option := range strings.SplitSeq(text, "|") {
		times := 1
		value := option
		if name, count, found := cutLast(option, "*"); found {
			if n, err := strconv.Atoi(count); err == nil && n > 0 {
				value, times = name, n
			}
		}
		if times > mostOptions-len(options) {
			return nil, &notationFault{offset: offset, length: max(len(option), 1), message: fmt.Sprintf("this makes more than %d values", mostOptions)}
		}
		_, numeric := readNumber(value, false)
		numbers = numbers && numeric
		for range times {
			options = append(options, value)
		}
		offset += len(option) + 1
	}
	for _, o := range options {
		v := ingest.StringValue(o)
		if numbers {
			if n, err := strconv.ParseInt(o, 10, 64); err == nil {
				v = ingest.IntValue(n)
			} else {
				x, _ := readNumber(o, false)
				v = ingest.DoubleValue(x)
			}
		}
		g.values = append(g.values, v)
	}
	return g, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// readSeries reads a series whose values are taken one after the other, and again from the first.
func readSeries(text string) (*generator, *notationFault) {
	samples, fault := expandSeries(text)
	if fault != nil {
		return nil, fault
	}
	g := &generator{kind: cycle}
	for _, s := range samples {
		if s.gap || s.stale {
			return nil, &notationFault{length: len(text), message: "a value that each record has can have no gaps", hint: "leave out _ and stale"}
		}
		g.values = append(g.values, ingest.DoubleValue(s.value))
	}
	return g, nil
}
