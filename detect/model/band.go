package model

import (
	"encoding/binary"
	"math"
	"slices"
)

const (
	// MaxLevelBuckets bounds the numbers that a Band keeps of the recent past, but for the one in hand.
	MaxLevelBuckets = 128
	// MaxSeasonBuckets bounds those that it keeps of past seasons, but for two.
	MaxSeasonBuckets = 2016
	// minSeasons is how many past seasons must have a time of the season before anything is expected of it.
	minSeasons = 2
)

// BandShape is what the bands of one measure have in common. Its lengths are in steps.
type BandShape struct {
	// History is how far back the recent level looks; of each LevelWidth steps one number is kept.
	History, LevelWidth int64
	// Season is 0 for none. Seasons of them are kept, as means over SeasonWidth steps.
	Season, SeasonWidth int64
	Seasons             int

	room []float64 // for sorting
}

// NewBandShape returns the shape of bands with a history and, unless it is 0, with a season: of one that is at most
// daily the last seven are kept in 288 parts each, of a longer one the last four in 504. It is used by one goroutine.
func NewBandShape(history, season int64, daily bool) *BandShape {
	s := &BandShape{History: max(history, 1), Season: season}
	s.LevelWidth = width(s.History, MaxLevelBuckets)
	if season > 0 {
		parts := int64(504)
		if daily {
			parts = 288
		}
		s.Seasons = int(MaxSeasonBuckets / parts)
		s.SeasonWidth = max(1, (season+parts-1)/parts)
	}
	return s
}

// levelBuckets is how many numbers are kept of the recent past, the one in hand included.
func (s *BandShape) levelBuckets() int { return int((s.History+s.LevelWidth-1)/s.LevelWidth) + 1 }

func (s *BandShape) seasonBuckets() int { return int(int64(s.Seasons)*s.Season/s.SeasonWidth) + 2 }

// LevelReach returns how many steps the recent past of a band covers at most.
func (s *BandShape) LevelReach() int64 { return int64(s.levelBuckets()) * s.LevelWidth }

// SeasonReach returns the same of its past seasons.
func (s *BandShape) SeasonReach() int64 { return int64(s.Seasons)*s.Season + s.SeasonWidth }

// Band tells between which numbers the next one is expected, from the past alone.
//
// What is expected is the seasonal number plus the recent level. The seasonal number is the median of the same time in
// past seasons, 0 without a season; the recent level is the median of how far the numbers of the history lay from the
// seasonal ones, so a day that is busier as a whole is followed after a while. The deviation is the robust one of the
// same distances. Medians do not move before half of what they look at has: a shift of the level is abnormal for half
// the history and the normal thing from then on, and one bad day among three or more changes nothing about the next.
type Band struct {
	level  ring[float64] // the last distance of each bucket from the seasonal number, NaN where there is none
	season ring[float64] // means, NaN where there is none
	n      uint64        // how many numbers are in the newest of them

	recent Crowd // of the buckets before the newest
	fresh  bool  // recent is that of the newest bucket
}

// Observe returns what is expected at a step and the deviation from it, NaN where too little was seen, and then takes the
// number of the step, NaN where it is missing. Steps follow one another.
func (b *Band) Observe(s *BandShape, step int64, x float64) (expected, deviation float64) {
	number := floorDiv(step-1, s.LevelWidth)
	cell, isNew := b.level.open(number, s.levelBuckets())
	if isNew {
		*cell = math.NaN()
	}
	if isNew || !b.fresh {
		b.recent, b.fresh = b.measure(s), true
	}
	base := b.seasonal(s, step)
	expected = base + b.recent.Median
	deviation = b.recent.floored(expected).Deviation
	if !isNumber(expected) || !isNumber(deviation) {
		expected, deviation = math.NaN(), math.NaN()
	}
	if isNumber(x) && isNumber(x-base) {
		*cell = x - base
	}
	b.learn(s, step, x)
	return expected, deviation
}

// measure computes the recent level from the buckets before the newest.
func (b *Band) measure(s *BandShape) Crowd {
	s.room = s.room[:0]
	count := s.levelBuckets() - 1
	for number := b.level.last - int64(count); number < b.level.last; number++ {
		if d := b.level.at(number); d != nil && !math.IsNaN(*d) {
			s.room = append(s.room, *d)
		}
	}
	if len(s.room) < min(MinPoints, count) {
		return Crowd{math.NaN(), math.NaN()}
	}
	slices.Sort(s.room)
	return spread(s.room)
}

// seasonal returns the median of the same time in past seasons.
func (b *Band) seasonal(s *BandShape, step int64) float64 {
	if s.Season == 0 {
		return 0
	}
	s.room = s.room[:0]
	for k := 1; k <= s.Seasons; k++ {
		number := floorDiv(step-1-int64(k)*s.Season, s.SeasonWidth)
		if x := b.season.at(number); x != nil && !math.IsNaN(*x) {
			s.room = append(s.room, *x)
		}
	}
	if len(s.room) < minSeasons {
		return math.NaN()
	}
	slices.Sort(s.room)
	return middle(s.room)
}

// learn adds a number to the present season.
func (b *Band) learn(s *BandShape, step int64, x float64) {
	if s.Season == 0 {
		return
	}
	cell, isNew := b.season.open(floorDiv(step-1, s.SeasonWidth), s.seasonBuckets())
	if isNew {
		*cell, b.n = math.NaN(), 0
	}
	if !isNumber(x) {
		return
	}
	if b.n++; b.n == 1 {
		*cell = x
		return
	}
	*cell += (x - *cell) / float64(b.n)
}

// Level and Season are the parts of a band's past that are written to a state, each with buckets of its own width.
type (
	// Level is the recent past of a Band.
	Level struct {
		Band  *Band
		Shape *BandShape
	}
	// Season is the past seasons of a Band.
	Season struct {
		Band  *Band
		Shape *BandShape
	}
)

// Append appends the encoding of the buckets from a number on and before another.
func (p Level) Append(b []byte, from, to int64) []byte {
	return p.Band.level.append(b, from, to, appendCell)
}

// Decode adds the buckets of an encoding at the start of b as the newest ones and returns the bytes after it.
func (p Level) Decode(b []byte) ([]byte, error) {
	p.Band.fresh = false
	return p.Band.level.decode(b, p.Shape.levelBuckets(), decodeCell)
}

// Append appends the encoding of the buckets from a number on and before another.
func (p Season) Append(b []byte, from, to int64) []byte {
	b = p.Band.season.append(b, from, to, appendCell)
	n := p.Band.n
	if to <= p.Band.season.last {
		n = 0 // the newest bucket is in another part
	}
	return binary.AppendUvarint(b, n)
}

// Decode adds the buckets of an encoding at the start of b as the newest ones and returns the bytes after it.
func (p Season) Decode(b []byte) ([]byte, error) {
	b, err := p.Band.season.decode(b, p.Shape.seasonBuckets(), decodeCell)
	if err != nil {
		return nil, err
	}
	p.Band.n, b, err = decodeCount(b)
	return b, err
}

func appendCell(b []byte, before, now *float64) []byte { return appendNumber(b, *before, *now) }

func decodeCell(b []byte, before, now *float64) (rest []byte, err error) {
	*now, b, err = decodeNumber(b, *before)
	if math.IsInf(*now, 0) {
		*now = math.NaN()
	}
	return b, err
}
