package chart

import (
	"math"
	"slices"
)

// beyond returns the pieces of the measure that lie beyond the threshold, or outside of what was expected where there is
// none.
func (d *drawing) beyond() []piece {
	switch {
	case d.s.judged():
		return d.past(d.s.thresholds, d.s.above)
	case d.s.banded():
		return append(d.past(d.s.upper, true), d.past(d.s.lower, false)...)
	default:
		return nil
	}
}

// past returns the pieces that lie past an edge.
func (d *drawing) past(edge []float64, above bool) (all []piece) {
	side := 1.0
	if above {
		side = -1 // heights grow downwards
	}
	known := func(i int) bool { return !math.IsNaN(d.s.values[i]) && !math.IsNaN(edge[i]) }
	d.runs(known, func(from, to int) {
		var out pieces
		for i := from; i < to; i++ {
			v, e := d.at(i, d.s.values[i]), d.at(i, edge[i])
			far := side * (v.y - e.y)
			if i > from {
				before, edgeBefore := d.at(i-1, d.s.values[i-1]), d.at(i-1, edge[i-1])
				if was := side * (before.y - edgeBefore.y); (was > 0) != (far > 0) {
					out.cross(between(before, v, was/(was-far)))
				}
			}
			if far > 0 {
				out.add(v, e)
			}
		}
		out.end()
		all = append(all, out.done...)
	})
	return all
}

func between(a, b point, share float64) point {
	if math.IsNaN(share) {
		return b
	}
	return point{a.x + (b.x-a.x)*share, a.y + (b.y-a.y)*share}
}

// pieces collects the parts of a line that lie past an edge.
type pieces struct {
	done []piece
	now  piece
}

// piece is a part of a line, and of the edge that it lies past.
type piece struct{ line, edge []point }

func (p *pieces) add(v, e point) {
	p.now.line, p.now.edge = append(p.now.line, v), append(p.now.edge, e)
}

// cross begins a piece where the line crosses the edge, or ends it there.
func (p *pieces) cross(at point) {
	ends := len(p.now.line) > 0
	p.add(at, at)
	if ends {
		p.end()
	}
}

func (p *pieces) end() {
	if len(p.now.line) > 0 {
		p.done = append(p.done, p.now)
	}
	p.now = piece{}
}

func (p piece) outline() []point {
	edge := slices.Clone(p.edge)
	slices.Reverse(edge)
	return slices.Concat(p.line, edge)
}
