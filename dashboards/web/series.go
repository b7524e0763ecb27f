package web

import (
	"math"
	"strconv"
	"time"

	"github.com/freshet-dev/freshet/rules/label"
)

// Series is the measure of one rule for one group over time.
type Series struct {
	Rule string `json:"rule"`
	// Group names the group within the rule, Labels are its labels.
	Group  string    `json:"group"`
	Labels label.Set `json:"labels,omitempty"`
	// Unit is how to show values: "s", "By", "1", or "" when unknown.
	Unit string `json:"unit,omitempty"`
	// Above says that the rule fires above its threshold, rather than below.
	Above bool `json:"above"`
	// Groups is the number of groups of the rule that are known, of which those given are the most telling.
	Groups int `json:"groups"`
	// More says that the rule has further groups, which were not kept.
	More bool `json:"more,omitempty"`
	// Points are in the order of time.
	Points []Point `json:"points"`
}

// Point is a measure at one time. A Value or Threshold that is missing is NaN.
type Point struct {
	Time             time.Time
	Value, Threshold float64
	Firing           bool
	// Band is what was expected, nil where nothing was.
	Band *Band
}

// Band is between which values one was expected. An end that is not known is NaN.
type Band struct{ Lower, Upper float64 }

// MarshalJSON writes the point as [seconds since 1970, value, threshold, firing as 0 or 1, lower, upper], with null for what
// is missing and without the last two where nothing was expected: a page may hold a hundred thousand of them.
func (p Point) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 48)
	b = append(b, '[')
	b = strconv.AppendInt(b, p.Time.Unix(), 10)
	b = append(b, ',')
	b = appendNumber(b, p.Value)
	b = append(b, ',')
	b = appendNumber(b, p.Threshold)
	if p.Firing {
		b = append(b, ",1"...)
	} else {
		b = append(b, ",0"...)
	}
	if p.Band != nil {
		b = appendNumber(append(b, ','), p.Band.Lower)
		b = appendNumber(append(b, ','), p.Band.Upper)
	}
	return append(b, ']'), nil
}

// appendNumber appends six significant digits, which is more than a chart shows.
func appendNumber(b []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(b, "null"...)
	}
	return strconv.AppendFloat(b, v, 'g', 6, 64)
}

// finite returns v, or 0 for what JSON cannot say.
func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}
