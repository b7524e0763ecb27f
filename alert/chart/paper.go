package chart

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"strings"

	"codeberg.org/go-fonts/liberation/liberationsansbold"
	"codeberg.org/go-fonts/liberation/liberationsansregular"
	"git.sr.ht/~sbinet/gg"
	"golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	"github.com/freshet-dev/freshet/alert"
)

// point is a place on the paper in pixels, from its left upper corner.
type point struct{ x, y float64 }

// paper is what is drawn on, with the pens of one picture.
type paper struct {
	canvas                        *image.RGBA
	gg                            *gg.Context
	name, figure, mark, plain, sm font.Face
}

// newPaper returns an empty sheet.
func newPaper() (*paper, error) {
	p := &paper{canvas: image.NewRGBA(image.Rect(0, 0, Width, Height))}
	draw.Draw(p.canvas, p.canvas.Rect, image.White, image.Point{}, draw.Src)
	p.gg = gg.NewContextForRGBA(p.canvas)
	p.gg.SetLineJoinRound()
	bold, err := opentype.Parse(liberationsansbold.TTF)
	if err != nil {
		return nil, fmt.Errorf("reading the bold font: %w", err)
	}
	regular, err := opentype.Parse(liberationsansregular.TTF)
	if err != nil {
		return nil, fmt.Errorf("reading the font: %w", err)
	}
	for _, f := range []struct {
		face *font.Face
		of   *opentype.Font
		size float64
	}{{&p.name, bold, 36}, {&p.figure, bold, 44}, {&p.mark, bold, 27}, {&p.plain, regular, 27}, {&p.sm, regular, 25}} {
		if *f.face, err = opentype.NewFace(f.of, &opentype.FaceOptions{Size: f.size, DPI: 72}); err != nil {
			return nil, fmt.Errorf("sizing the font: %w", err)
		}
	}
	return p, nil
}

// sides of a text that may stand at a place.
const (
	leftSide  = 0.0
	middle    = 0.5
	rightSide = 1.0
)

// write writes a text whose side is at a place, on its base line, and returns where it begins and ends.
func (p *paper) write(text string, face font.Face, c color.Color, at point, side float64) (from, to float64) {
	width := measure(text, face)
	from = at.x - width*side
	d := font.Drawer{Dst: p.canvas, Src: image.NewUniform(c), Face: face, Dot: fixed.Point26_6{X: fixed.Int26_6(from * 64), Y: fixed.Int26_6(at.y * 64)}}
	d.DrawString(text)
	return from, from + width
}

// writeOver writes a text over what is there, with a white rim.
func (p *paper) writeOver(text string, face font.Face, c color.Color, at point) {
	const rim = 3.0
	for i := range 12 {
		sin, cos := math.Sincos(float64(i) * math.Pi / 6)
		p.write(text, face, color.White, point{at.x + rim*cos, at.y + rim*sin}, leftSide)
	}
	p.write(text, face, c, at, leftSide)
}

// measure returns how wide a text is.
func measure(text string, face font.Face) float64 {
	return float64(font.MeasureString(face, text)) / 64
}

// fit cuts a text so that it is no wider.
func fit(text string, face font.Face, width float64) string {
	if measure(text, face) <= width {
		return text
	}
	letters := []rune(text)
	for n := len(letters) - 1; n > 0; n-- {
		if cut := strings.TrimRight(string(letters[:n]), " ,=") + "…"; measure(cut, face) <= width {
			return cut
		}
	}
	return ""
}

// clean makes a text one line of printable letters, no longer than can be read.
func clean(text string) string {
	const most = 200
	if len(text) > 8*most {
		text = text[:8*most]
	}
	letters := []rune(strings.Join(strings.Fields(alert.Printable(strings.ToValidUTF8(text, "\uFFFD"))), " "))
	return string(letters[:min(len(letters), most)])
}

// line draws a line through points.
func (p *paper) line(points []point, c color.Color, width float64, dashes ...float64) {
	if len(points) == 0 {
		return
	}
	if len(points) == 1 {
		p.dot(points[0], width*0.9, c)
		return
	}
	p.gg.SetDash(dashes...)
	p.gg.SetLineWidth(width)
	if len(dashes) == 0 {
		p.gg.SetLineCapRound()
	} else {
		p.gg.SetLineCapButt()
	}
	p.path(points)
	p.gg.SetColor(c)
	p.gg.Stroke()
	p.gg.SetDash()
}

// area fills what points surround.
func (p *paper) area(points []point, c color.Color) {
	if len(points) < 3 {
		return
	}
	p.path(points)
	p.gg.ClosePath()
	p.gg.SetColor(c)
	p.gg.Fill()
}

func (p *paper) path(points []point) {
	p.gg.MoveTo(points[0].x, points[0].y)
	for _, at := range points[1:] {
		p.gg.LineTo(at.x, at.y)
	}
}

func (p *paper) dot(at point, radius float64, c color.Color) {
	p.gg.DrawCircle(at.x, at.y, radius)
	p.gg.SetColor(c)
	p.gg.Fill()
}

// box fills a rectangle with round corners.
func (p *paper) box(from, to point, radius float64, c color.Color) {
	p.gg.DrawRoundedRectangle(from.x, from.y, to.x-from.x, to.y-from.y, radius)
	p.gg.SetColor(c)
	p.gg.Fill()
}
