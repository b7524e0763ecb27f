package chart

import (
	"cmp"
	"image"
	"image/color"
	"maps"
	"slices"
)

// reduced returns a picture in its 256 most frequent colours, the others in the nearest of them: few pixels at the rims of
// lines and letters, for a third of the bytes and of the time that they take.
func reduced(in *image.RGBA) *image.Paletted {
	counts := map[color.RGBA]int{}
	eachRun(in, func(c color.RGBA, _, n int) { counts[c] += n })
	colours := slices.SortedFunc(maps.Keys(counts), func(a, b color.RGBA) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(code(a), code(b)))
	})
	kept := colours[:min(len(colours), 256)]
	palette := make(color.Palette, len(kept))
	number := make(map[color.RGBA]uint8, len(colours))
	for i, c := range kept {
		palette[i], number[c] = c, uint8(i)
	}
	for _, c := range colours[len(kept):] {
		number[c] = nearest(kept, c)
	}
	out := image.NewPaletted(in.Rect, palette)
	eachRun(in, func(c color.RGBA, from, n int) {
		i := number[c]
		for at := from; at < from+n; at++ {
			out.Pix[at] = i
		}
	})
	return out
}

// eachRun calls f for each row of pixels of one colour, with the first one's place and their number.
func eachRun(in *image.RGBA, f func(c color.RGBA, from, n int)) {
	at := func(i int) color.RGBA {
		p := in.Pix[4*i : 4*i+4 : 4*i+4]
		return color.RGBA{p[0], p[1], p[2], p[3]}
	}
	total := len(in.Pix) / 4
	for from := 0; from < total; {
		c, to := at(from), from+1
		for to < total && at(to) == c {
			to++
		}
		f(c, from, to-from)
		from = to
	}
}

func code(c color.RGBA) uint32 { return uint32(c.R)<<16 | uint32(c.G)<<8 | uint32(c.B) }

// nearest returns the place of the colour that differs least, the first of equal ones.
func nearest(among []color.RGBA, c color.RGBA) uint8 {
	best, least := 0, int(1)<<30
	for i, a := range among {
		r, g, b := int(a.R)-int(c.R), int(a.G)-int(c.G), int(a.B)-int(c.B)
		if d := 2*r*r + 4*g*g + 3*b*b; d < least {
			best, least = i, d
		}
	}
	return uint8(best)
}
