package ruletest

import (
	"fmt"
	"math"
	"math/bits"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
)

// Bounds of a test.
const (
	mostRecords = 10_000_000
	mostTime    = 400 * 24 * time.Hour
)

// schedule says when the records of a stream are: n of them, after the test's start.
type schedule struct {
	times []time.Duration // one by one, in order, or else
	// evenly: record i is span*i/parts after from.
	from, span time.Duration
	parts      uint64

	n     int
	until time.Duration // when the stream ends, before jitter and delay
	// jitter is how much later than that a record may be; delay is how long after its time it arrives.
	jitter, delay time.Duration
}

// at returns the time of a record, jitter included.
func (s *schedule) at(m moment) time.Duration {
	d := s.earliest(m.i)
	if s.jitter > 0 {
		d += time.Duration(m.random(0) * float64(s.jitter))
	}
	return d
}

// earliest returns the time of a record without jitter: it and those after it are no earlier.
func (s *schedule) earliest(i int) time.Duration {
	if s.times != nil {
		return s.times[i]
	}
	// A span in nanoseconds, times a number of records, is more than 64 bits.
	high, low := bits.Mul64(uint64(s.span), uint64(i))
	offset, _ := bits.Div64(high, low, s.parts)
	return s.from + time.Duration(offset)
}

// end returns when the last record of the stream has arrived, and the step of its time is over; with byArrival that of its
// arrival too.
func (s *schedule) end(start time.Time, step time.Duration, byArrival bool) time.Duration {
	if s.n == 0 {
		return 0
	}
	last := start.Add(s.earliest(s.n-1) + s.jitter)
	over := func(t time.Time) time.Duration { return t.Truncate(step).Add(step).Sub(start) }
	end := max(s.until+s.jitter, over(last)) + s.delay
	if byArrival {
		end = max(end, over(last.Add(s.delay)))
	}
	return end
}

// span is a part of a test's time; to is the same as from for a single instant.
type span struct {
	from, to time.Duration
	every    time.Duration // 0 when it is not said
	instant  bool
}

var spanPattern = regexp.MustCompile(`^\s*([^\s.]+)(?:\s*\.\.\s*([^\s.]+)(?:\s+every\s+(\S+))?)?\s*$`)

const spanHint = "as in 5m, or 0s..10m every 1s"

// readSpan reads 5m, 0s..10m or 0s..10m every 1s.
func readSpan(text string) (s span, fault *notationFault) {
	found := spanPattern.FindStringSubmatchIndex(text)
	if found == nil {
		return s, &notationFault{length: len(text), message: fmt.Sprintf("%q says no time", text), hint: spanHint}
	}
	var lengths [3]time.Duration
	for i := range lengths {
		from, to := found[2*i+2], found[2*i+3]
		if from < 0 {
			continue
		}
		var fault *notationFault
		if lengths[i], fault = readLength(text[from:to]); fault != nil {
			fault.offset += from
			return s, fault
		}
	}
	s = span{from: lengths[0], to: lengths[1], every: lengths[2], instant: found[4] < 0}
	switch {
	case s.instant:
		s.to = s.from
	case s.to <= s.from:
		return s, &notationFault{length: len(text), message: "this ends before it begins", hint: spanHint}
	case found[6] >= 0 && s.every <= 0:
		return s, &notationFault{offset: found[6], length: found[7] - found[6], message: "records cannot come every 0s", hint: spanHint}
	}
	return s, nil
}

// readLength reads a length of time within a test.
func readLength(text string) (time.Duration, *notationFault) {
	d, err := expr.ParseDuration(text)
	switch {
	case err != nil:
		hint := ""
		if n, number := strconv.ParseFloat(text, 64); number == nil && n > 0 {
			hint = "a unit is missing: write " + text + "s for seconds"
		}
		return 0, &notationFault{length: len(text), message: err.Error(), hint: hint}
	case d > mostTime:
		return 0, &notationFault{length: len(text), message: text + " is too long", hint: "write " + expr.FormatDuration(mostTime) + " or less"}
	}
	return d, nil
}

// readRate reads 100/s as a number of records per length of time.
func readRate(text string) (records float64, per time.Duration, fault *notationFault) {
	const hint = "as in 100/s, 5/m or 2/h"
	number, unit, found := strings.Cut(text, "/")
	records, ok := readNumber(strings.TrimSpace(number), false)
	if !found || !ok || records <= 0 || math.IsInf(records, 0) || math.IsNaN(records) {
		return 0, 0, &notationFault{length: len(text), message: fmt.Sprintf("%q is no rate", text), hint: hint}
	}
	unit = strings.TrimSpace(unit)
	for _, length := range []string{"1" + unit, unit} {
		if d, err := expr.ParseDuration(length); err == nil && d > 0 && d <= 24*time.Hour {
			return records, d, nil
		}
	}
	return 0, 0, &notationFault{offset: len(number) + 1, length: max(len(unit), 1), message: fmt.Sprintf("%q is no unit of time", unit), hint: hint}
}

// scheduleKeys are the keys of a stream that say when its records are.
var scheduleKeys = []string{"at", "every", "rate", "count", "jitter", "delay"} //nolint:gochecknoglobals // constant table

// timing is how the keys of a schedule are written.
type timing struct {
	at, every, rate, count rules.Field
	jitter, delay          time.Duration
}

// read takes one of scheduleKeys.
func (t *timing) read(f rules.Field) {
	switch f.Key() {
	case "at":
		t.at = f
	case "every":
		t.every = f
	case "rate":
		t.rate = f
	case "count":
		t.count = f
	case "jitter":
		t.jitter, _ = readBounded(f)
	case "delay":
		t.delay, _ = readBounded(f)
	}
}

// readBounded reads a length of time within a test; ok is false after a fault.
func readBounded(f rules.Field) (d time.Duration, ok bool) {
	s, ok := f.Scalar()
	if !ok {
		return 0, false
	}
	d, fault := readLength(strings.TrimSpace(s.Text))
	if fault != nil {
		fault.length = len(s.Text)
	}
	noteFault(s, fault)
	return d, fault == nil
}

// readStep reads the time between two records; ok is false after a fault.
func readStep(f rules.Field) (d time.Duration, ok bool) {
	if d, ok = readBounded(f); ok && d <= 0 {
		f.FaultAtValue("records cannot come every 0s", spanHint)
		return 0, false
	}
	return d, ok
}

// noteFault notes the fault of a text, if there is one.
func noteFault(s rules.Scalar, fault *notationFault) {
	if fault != nil {
		s.Fault(fault.offset, fault.length, fault.message, fault.hint)
	}
}

// schedule computes when the records are; ok is false after a fault. owner is the stream.
func (t *timing) schedule(owner rules.Field) (s schedule, ok bool) {
	s.jitter, s.delay = t.jitter, t.delay
	if !t.at.Is() {
		owner.Fault("this does not say when its records are", "add at: 5m, or at: 0s..10m every 1s")
		return s, false
	}
	items := t.at.Items()
	if len(items) != 1 {
		return s, t.list(&s, items)
	}
	text, ok := items[0].Scalar()
	if !ok {
		return s, false
	}
	at, fault := readSpan(text.Text)
	if fault != nil {
		noteFault(text, fault)
		return s, false
	}
	density, ok := t.density(at)
	if !ok {
		return s, false
	}
	s.from, s.span, s.parts, s.until = at.from, at.to-at.from, 1, at.to
	var n float64
	switch {
	case density.Key() == "count":
		count, ok := density.Whole(1, mostRecords)
		if !ok {
			return s, false
		}
		n, s.parts = float64(count), uint64(count)
	case density.Key() == "rate":
		rate, ok := density.Scalar()
		if !ok {
			return s, false
		}
		records, per, fault := readRate(rate.Text)
		if fault != nil {
			noteFault(rate, fault)
			return s, false
		}
		n = math.Ceil(float64(s.span) / float64(per) * records)
		// Rates are given as fractions at most of thousandths.
		s.span, s.parts = per*1000, uint64(math.Max(1, math.Round(records*1000)))
	case density.Is(), at.every > 0:
		every := at.every
		if density.Is() {
			if every, ok = readStep(density); !ok {
				return s, false
			}
		}
		n = math.Ceil(float64(s.span) / float64(every))
		s.span = every
	case at.instant:
		n = 1
	default:
		t.at.FaultAtValue("this does not say how many records there are", "write "+strings.TrimSpace(text.Text)+" every 1s, or add rate: 10/s or count: 100")
		return s, false
	}
	if n > mostRecords {
		t.at.FaultAtValue(fmt.Sprintf("these are %.0f records, and a test has at most %d", n, mostRecords), "")
		return s, false
	}
	s.n = int(n)
	return s, true
}

// series computes when the values of a series are, of which there are n: one every so often.
func (t *timing) series(values rules.Field, n int) (s schedule, ok bool) {
	s = schedule{parts: 1, n: n, jitter: t.jitter, delay: t.delay}
	for _, f := range []rules.Field{t.rate, t.count} {
		if f.Is() {
			f.Fault("`values` says how many points there are, so there is no `"+f.Key()+"`", "write every: 15s")
			return s, false
		}
	}
	at := span{instant: true}
	if t.at.Is() {
		text, ok := t.at.Scalar()
		if !ok {
			return s, false
		}
		var fault *notationFault
		if at, fault = readSpan(text.Text); fault == nil && !at.instant {
			fault = &notationFault{length: len(text.Text), message: "`values` says how long the series is", hint: "write when it begins, as in at: 0s"}
		}
		noteFault(text, fault)
		if fault != nil {
			return s, false
		}
	}
	s.from = at.from
	switch {
	case t.every.Is():
		if s.span, ok = readStep(t.every); !ok {
			return s, false
		}
	case n > 1:
		values.Fault("this does not say how often there is a value", "add every: 15s")
		return s, false
	}
	if s.span > mostTime/time.Duration(n) {
		values.Fault("the series is too long", "a test goes on for "+expr.FormatDuration(mostTime)+" at most")
		return s, false
	}
	return s, true
}

// density returns the one key that says how many records there are, if there is one.
func (t *timing) density(at span) (rules.Field, bool) {
	var found rules.Field
	for _, f := range []rules.Field{t.every, t.rate, t.count} {
		switch {
		case !f.Is():
		case found.Is() || at.every > 0:
			f.Fault("how many records there are is said twice", "keep one of every, rate and count")
			return found, false
		case at.instant && f.Key() != "count":
			f.Fault("`"+f.Key()+"` is for a span of time, and `at` is one instant", "write at: 0s..10m, or count: 100 for as many at once")
			return found, false
		default:
			found = f
		}
	}
	return found, true
}

// list reads instants that are given one by one.
func (t *timing) list(s *schedule, items []rules.Field) bool {
	if len(items) == 0 {
		t.at.Fault("`at` is empty", spanHint)
		return false
	}
	if f, ok := t.density(span{instant: true}); !ok || f.Is() {
		if ok {
			f.Fault("`at` lists each instant, so there is no `"+f.Key()+"`", "")
		}
		return false
	}
	for _, item := range items {
		text, ok := item.Scalar()
		if !ok {
			return false
		}
		at, fault := readSpan(text.Text)
		if fault == nil && !at.instant {
			fault = &notationFault{length: len(text.Text), message: "a list of instants holds no spans", hint: "write a stream for each"}
		}
		if fault != nil {
			noteFault(text, fault)
			return false
		}
		s.times = append(s.times, at.from)
	}
	slices.Sort(s.times)
	s.n = len(s.times)
	return true
}
