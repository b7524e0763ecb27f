package detect

import (
	"math"

	"github.com/freshet-dev/freshet/detect/window"
	"github.com/freshet-dev/freshet/rules"
)

// clockOf returns what tells a rule the time of records.
func clockOf(r *rules.Rule) window.Clock {
	if r.Arrival {
		return window.ArrivalTime
	}
	return window.EventTime
}

// course is how far an input partition has been read by one clock.
type course struct {
	started bool
	start   int64 // see window.Extent
	high    int64 // highest time of a record, math.MinInt64 before the first
	marked  int64 // time of the last marker, math.MinInt64 before the first that had one
	swept   int64
	// needed: rules go by the clock, so a marker is due when time goes on, and when it crosses one of the boundaries, their
	// different (interval, lateness).
	needed     bool
	boundaries []boundary
}

type boundary struct{ interval, lateness int64 }

// moment is when the record in hand is by one clock, and how far its partition has been read. out: it has no time by that
// clock.
type moment struct {
	at, reached int64
	out         bool
}

func newCourse() course {
	return course{start: math.MinInt64, high: math.MinInt64, marked: math.MinInt64}
}

// pass notes the time of a record and puts it into now. Before the first record of a partition there is nothing, so every window is complete;
// elsewhere windows are complete from the time of the first record read on.
func (c *course) pass(now *moment, at, offset, idle int64) {
	if !c.started {
		c.started = true
		if offset > 0 {
			c.start = at
		}
	}
	c.high = max(c.high, at)
	now.at, now.reached = at, max(c.high, idle)
}

// begin says that other rules were in force so far: windows are complete under the present ones from here on. Of the last
// time that a record has some were read before, and more may come.
func (c *course) begin(idle int64) {
	if c.high == math.MinInt64 && idle == math.MinInt64 {
		return
	}
	c.started, c.start = true, max(c.high+1, idle)
}

// due says whether stage 2 has something to learn of a time that was reached: a pane of some rule may be complete, or a
// second has passed.
func (c *course) due(reached int64) bool {
	switch {
	case !c.needed || reached == c.marked: // also while nothing is known
		return false
	case c.marked == math.MinInt64 || reached-c.marked >= markerEvery:
		return true
	}
	for _, b := range c.boundaries {
		if floorDiv(reached-b.lateness, b.interval) != floorDiv(c.marked-b.lateness, b.interval) {
			return true
		}
	}
	return false
}

// sweepDue says whether it is time to look for idle groups, and notes it.
func (c *course) sweepDue(reached int64) bool {
	if reached == math.MinInt64 || reached-c.swept < sweepEvery && c.swept <= reached {
		return false
	}
	c.swept = reached
	return true
}
