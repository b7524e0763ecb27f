package expr

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// An extent is what is known about the value of an expression: the numbers between which it lies, or the texts that it may be.
type extent struct {
	low, high         float64
	lowOpen, highOpen bool // the bound itself is not among them
	missing           bool // it may be missing
	// texts are those that it is one of, nil for any; others are texts that it is not.
	texts, others []string
	// counts says that it is a number of records, amounts that it is another measure of how much there was.
	counts, amounts bool
}

// anyExtent is that of a value nothing is known about.
func anyExtent() extent { return extent{low: math.Inf(-1), high: math.Inf(1), missing: true} }

func point(x float64) extent { return extent{low: x, high: x} }

func (s extent) isPoint() bool { return s.low == s.high && !s.lowOpen && !s.highOpen }

func (s extent) contains(x float64) bool { return s.low <= x && x <= s.high }

// isFloor says whether it asks for more than the one record, or the bit of something, that is always there.
func (s extent) isFloor() bool {
	return s.amounts && s.low > 0 || s.counts && (s.low > 1 || s.low == 1 && s.lowOpen)
}

// within narrows s to what o allows too.
func (s extent) within(o extent) extent {
	s = s.atLeast(o.low, o.lowOpen).atMost(o.high, o.highOpen)
	s.missing = s.missing && o.missing
	s.others = slices.Concat(s.others, o.others)
	switch {
	case o.texts == nil:
	case s.texts == nil:
		s.texts = o.texts
	default:
		s.texts = shared(s.texts, o.texts)
	}
	return s
}

func (s extent) atLeast(low float64, open bool) extent {
	if low > s.low || low == s.low && open {
		s.low, s.lowOpen = low, open
	}
	return s
}

func (s extent) atMost(high float64, open bool) extent {
	if high < s.high || high == s.high && open {
		s.high, s.highOpen = high, open
	}
	return s
}

// empty says whether no number is left.
func (s extent) empty() bool { return s.low > s.high || s.low == s.high && (s.lowOpen || s.highOpen) }

// oneOf narrows s to some texts.
func (s extent) oneOf(texts []string) extent {
	if s.texts != nil {
		texts = shared(s.texts, texts)
	}
	s.texts = slices.DeleteFunc(slices.Clone(texts), func(t string) bool { return slices.Contains(s.others, t) })
	s.missing = false
	return s
}

// noneOf takes some texts away.
func (s extent) noneOf(texts []string) extent {
	if s.texts != nil {
		s.texts = slices.DeleteFunc(slices.Clone(s.texts), func(t string) bool { return slices.Contains(texts, t) })
	}
	s.others = slices.Concat(s.others, texts)
	return s
}

// shared returns what both have; it is not nil.
func shared(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(t string) bool { return !slices.Contains(b, t) })
}

// hull is what covers both.
func hull(a, b extent) extent {
	return extent{low: math.Min(a.low, b.low), high: math.Max(a.high, b.high), missing: a.missing || b.missing}
}

// String says where the numbers lie, or which texts they are, as in "at least 0".
func (s extent) String() string {
	number := func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
	least, most := "at least ", "at most "
	if s.lowOpen {
		least = "more than "
	}
	if s.highOpen {
		most = "less than "
	}
	switch below, above := math.IsInf(s.low, -1), math.IsInf(s.high, 1); {
	case s.texts != nil:
		quoted := make([]string, len(s.texts))
		for i, t := range s.texts {
			quoted[i] = strconv.Quote(t)
		}
		return strings.Join(quoted, " or ")
	case below && above:
		return "any number"
	case above:
		return least + number(s.low)
	case below:
		return most + number(s.high)
	case s.isPoint():
		return number(s.low)
	case !s.lowOpen && !s.highOpen:
		return fmt.Sprintf("from %s to %s", number(s.low), number(s.high))
	default:
		return least + number(s.low) + " and " + most + number(s.high)
	}
}

func (s extent) negative() extent {
	return extent{low: -s.high, high: -s.low, lowOpen: s.highOpen, highOpen: s.lowOpen, missing: s.missing}
}

// The results of arithmetic are closed: what lies beside a bound may be rounded to it.

func (s extent) plus(o extent) extent {
	return known(extent{low: s.low + o.low, high: s.high + o.high, missing: s.missing || o.missing, counts: s.counts && o.counts, amounts: s.amounts && o.amounts})
}

func (s extent) times(o extent) extent {
	out := extent{low: math.Inf(1), high: math.Inf(-1), missing: s.missing || o.missing}
	for _, a := range []float64{s.low, s.high} {
		for _, b := range []float64{o.low, o.high} {
			product := a * b
			if a == 0 || b == 0 {
				product = 0 // of an infinite bound, which no value reaches
			}
			out.low, out.high = math.Min(out.low, product), math.Max(out.high, product)
		}
	}
	out.amounts = s.isPoint() && (o.counts || o.amounts) || o.isPoint() && (s.counts || s.amounts)
	return known(out)
}

// by divides. A zero divisor gives a missing value.
func (s extent) by(o extent) extent {
	switch {
	case o.high <= 0 && o.low < 0:
		return s.negative().by(o.negative())
	case o.low < 0 || o.high <= 0:
		return anyExtent()
	}
	out := extent{low: math.Inf(-1), high: math.Inf(1), missing: s.missing || o.missing || o.contains(0)}
	switch {
	case s.low >= 0:
		out.low = s.low / o.high
	case o.low > 0:
		out.low = s.low / o.low
	}
	switch {
	case s.high <= 0:
		out.high = s.high / o.high
	case o.low > 0:
		out.high = s.high / o.low
	}
	return known(out)
}

// known makes a bound that is no number none.
func known(s extent) extent {
	if math.IsNaN(s.low) {
		s.low = math.Inf(-1)
	}
	if math.IsNaN(s.high) {
		s.high = math.Inf(1)
	}
	return s
}
