package chart

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
)

// Whatever is asked for, there is a picture of modest size or an error.
func FuzzPNG(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, 5.0, int64(1_800_000_000), int64(1_800_000_010), int64(0), "Spike", "a=b", "s", uint8(7))
	f.Add([]byte{}, 0.0, int64(0), int64(0), int64(0), "", "", "", uint8(0))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0xf0, 0x7f, 255, 255, 255, 255, 255, 255, 0xef, 0x7f}, 1e9, int64(-62_000_000_000), int64(1<<60), int64(-1<<60), "\u202e🧊\x00", "\xff", "By", uint8(255))
	for i, s := range append(samples(), odd()...) {
		var b []byte
		for _, x := range s.chart.Values {
			bits := math.Float64bits(math.NaN())
			if x != nil {
				bits = math.Float64bits(*x)
			}
			b = binary.LittleEndian.AppendUint64(b, bits)
		}
		f.Add(b, s.chart.Step, noon.Unix(), s.options.FiringFrom.Unix(), s.options.FiringTo.Unix(), s.options.Title, s.options.Group, s.chart.Unit, uint8(i))
	}
	f.Fuzz(func(t *testing.T, numbers []byte, step float64, start, from, to int64, title, group, unit string, shape uint8) {
		const most = 500
		var values []*float64
		for len(numbers) >= 8 && len(values) < most {
			x := math.Float64frombits(binary.LittleEndian.Uint64(numbers))
			numbers = numbers[8:]
			if shape&1 != 0 && len(values)%7 == 3 {
				values = append(values, nil)
				continue
			}
			values = append(values, &x)
		}
		c := &finding.Chart{Start: time.Unix(start, 0), Step: step, Values: values, Unit: unit, Above: shape&2 != 0}
		if shape&4 != 0 {
			c.Thresholds = turned(values)
		}
		if shape&8 != 0 {
			c.Lower, c.Upper = turned(values), values
		}
		if shape&16 != 0 {
			c.Upper = nil
		}
		o := Options{Title: title, Group: group, FiringFrom: time.Unix(from, 0), FiringTo: time.Unix(to, 0)}
		if shape&32 != 0 {
			o.FiringTo = time.Time{}
		}
		if shape&64 != 0 {
			o.Location = time.FixedZone(title, int(shape)*97)
		}
		b, err := PNG(c, o)
		if err != nil {
			return
		}
		decode(t, b)
		if len(b) > 200_000 {
			t.Errorf("the picture has %d bytes, expected at most 200,000", len(b))
		}
	})
}

// turned returns points in the opposite order, which begins with the end.
func turned(points []*float64) []*float64 {
	out := slices.Clone(points)
	slices.Reverse(out)
	return out
}
