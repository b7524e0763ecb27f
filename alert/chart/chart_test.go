package chart

import (
	"bytes"
	"errors"
	"flag"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
)

var update = flag.Bool("update", false, "write the golden pictures")

func render(t testing.TB, s sample) []byte {
	t.Helper()
	b, err := PNG(&s.chart, s.options)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	return b
}

func sampleOf(t testing.TB, name string) sample {
	t.Helper()
	all := samples()
	i := slices.IndexFunc(all, func(s sample) bool { return s.name == name })
	if i < 0 {
		t.Fatalf("there is no sample %q", name)
	}
	return all[i]
}

func decode(t testing.TB, b []byte) image.Image {
	t.Helper()
	picture, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if size := picture.Bounds().Size(); size != image.Pt(Width, Height) {
		t.Fatalf("the picture is %v, expected %d by %d", size, Width, Height)
	}
	return picture
}

// The pictures are those that somebody looked at. A rim of a letter may differ between processors.
func TestGolden(t *testing.T) {
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			b := render(t, s)
			got := decode(t, b)
			file := filepath.Join("testdata", s.name+".png")
			if *update {
				if err := os.WriteFile(file, b, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(golden) > 60_000 {
				t.Errorf("%s has %d bytes, expected at most 60,000", file, len(golden))
			}
			if n := differing(got, decode(t, golden)); n > Width*Height/1000 {
				t.Errorf("%d pixels are not those of %s; look at it, then use -update", n, file)
			}
		})
	}
}

// differing counts the pixels whose colours differ so that one sees it.
func differing(a, b image.Image) (n int) {
	far := func(x, y uint32) bool { return max(x, y)-min(x, y) > 24<<8 }
	for y := range Height {
		for x := range Width {
			r, g, bl, _ := a.At(x, y).RGBA()
			r2, g2, bl2, _ := b.At(x, y).RGBA()
			if far(r, r2) || far(g, g2) || far(bl, bl2) {
				n++
			}
		}
	}
	return n
}

// coloured returns the columns in which a colour is found between two rows.
func coloured(picture image.Image, like func(r, g, b uint32) bool, top, bottom int) (first, last, pixels int) {
	first, last = -1, -1
	for x := range Width {
		for y := top; y < bottom; y++ {
			r, g, b, _ := picture.At(x, y).RGBA()
			if !like(r>>8, g>>8, b>>8) {
				continue
			}
			if pixels++; first < 0 {
				first = x
			}
			last = x
		}
	}
	return first, last, pixels
}

func isAlarm(r, g, b uint32) bool { return r > 190 && g < 100 && b < 60 }
func isBlue(r, g, b uint32) bool  { return r < 60 && g > 80 && g < 140 && b > 150 }

// What lies beyond the threshold is accented, and nothing else: left of the first such point the measure is blue only.
func TestOnlyWhatIsBeyondIsAccented(t *testing.T) {
	s := sampleOf(t, "errorspike")
	picture := decode(t, render(t, s))
	d := drawingOf(t, s)
	crossing := 0
	for *s.chart.Values[crossing+1] <= 100 {
		crossing++
	}
	from, to := int(d.x(float64(crossing))), int(d.x(float64(crossing+1)))
	first, _, _ := coloured(picture, isAlarm, int(dataTop), int(plotBottom)-10)
	if first < from-4 || first > to+4 {
		t.Errorf("the accent begins at column %d, expected it between %d and %d, where the measure crosses the threshold", first, from, to)
	}
	_, last, _ := coloured(picture, isBlue, int(dataTop), int(plotBottom)-10)
	if last < from-4 || last > to+4 {
		t.Errorf("the plain line ends at column %d, expected it between %d and %d", last, from, to)
	}
}

func TestNothingIsAccentedWhereNothingIsBeyond(t *testing.T) {
	s := sampleOf(t, "gaps")
	if _, _, n := coloured(decode(t, render(t, s)), isAlarm, 0, Height); n > 0 {
		t.Errorf("%d pixels have the colour of what is wrong, in a chart that stays below its threshold and does not fire", n)
	}
}

func TestGapsStayOpen(t *testing.T) {
	s := sampleOf(t, "gaps")
	picture, d := decode(t, render(t, s)), drawingOf(t, s)
	for x := int(d.x(20)) + 6; x < int(d.x(32))-6; x++ {
		for y := int(dataTop); y < int(plotBottom); y++ {
			if r, g, b, _ := picture.At(x, y).RGBA(); isBlue(r>>8, g>>8, b>>8) {
				t.Fatalf("a line crosses the gap at column %d", x)
			}
		}
	}
}

func TestShortGapsAreClosed(t *testing.T) {
	for _, test := range []struct{ in, want []float64 }{
		{[]float64{1, math.NaN(), 3}, []float64{1, 2, 3}},
		{[]float64{math.NaN(), 1, math.NaN(), math.NaN(), 7}, []float64{math.NaN(), 1, 3, 5, 7}},
		{[]float64{1, math.NaN(), math.NaN(), math.NaN(), 7, math.NaN()}, []float64{1, math.NaN(), math.NaN(), math.NaN(), 7, math.NaN()}},
	} {
		got := slices.Clone(test.in)
		bridge(got)
		for i, want := range test.want {
			if got[i] != want && !(math.IsNaN(got[i]) && math.IsNaN(want)) {
				t.Errorf("%v becomes %v, expected %v", test.in, got, test.want)
				break
			}
		}
	}
}

func drawingOf(t testing.TB, s sample) *drawing {
	t.Helper()
	if s.options.Location == nil {
		s.options.Location = time.UTC
	}
	lines, err := newSeries(&s.chart)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPaper()
	if err != nil {
		t.Fatal(err)
	}
	return newDrawing(lines, s.options, p)
}

// Both the values and the threshold have room of their own, however far apart they are.
func TestThresholdAndValuesCanBeRead(t *testing.T) {
	for _, s := range append(samples(), odd()...) {
		d := drawingOf(t, s)
		low, high := extremes(d.s.values)
		limit := low
		if d.s.judged() {
			limit = d.s.thresholds[last(d.s.thresholds)]
		}
		for name, x := range map[string]float64{"least value": low, "greatest value": high, "threshold": limit} {
			if y := d.scale.y(x); y < dataTop || y > plotBottom+0.5 {
				t.Errorf("%s: the %s %g is off the scale", s.name, name, x)
			}
		}
		if far := math.Abs(d.scale.y(high) - d.scale.y(limit)); high > 1.5*limit && limit > 0 && far < 8 {
			t.Errorf("%s: the peak is %.1f pixels from the threshold, and it is %g times as high", s.name, far, high/limit)
		}
		if ticks := d.scale.ticks; len(ticks) < 2 && len(d.s.values) > 1 || len(ticks) > 7 {
			t.Errorf("%s: the values have the ticks %v, expected two to seven", s.name, ticks)
		}
		if s.name == "far" && d.scale.y(0)-d.scale.y(high) < 30 {
			t.Errorf("the values of a threshold far away are %.0f pixels high", d.scale.y(0)-d.scale.y(high))
		}
	}
}

func TestNumbersAreWrittenAsInMessages(t *testing.T) {
	for _, test := range []struct {
		unit  string
		value float64
		want  string
	}{
		{"s", 0.25, "250 ms"}, {"s", 90, "90 s"}, {"s", 300, "5 min"}, {"By", 3 << 30, "3 GiB"}, {ratio, 0.125, "12.5 %"},
		{ratio, 1.5, "150 %"}, {"1", 7, "7"}, {"", 1234, "1234"}, {"{requests}", 12, "12 requests"}, {"", 1e30, "1e+30"}, {"By", 1e60, "1e+60 By"},
	} {
		if got := show(test.value, test.unit); got != test.want {
			t.Errorf("%g in %q is shown as %q, expected %q", test.value, test.unit, got, test.want)
		}
	}
	for _, test := range []struct {
		value float64
		want  string
	}{{9000, "9000"}, {20000, "20k"}, {2.5e6, "2.5M"}, {3e9, "3G"}, {5e12, "5T"}, {1e18, "1e+18"}, {-4e6, "-4M"}} {
		if got := showShort(test.value, ""); got != test.want {
			t.Errorf("a tick at %g is written %q, expected %q", test.value, got, test.want)
		}
	}
	if got := labels([]float64{1_000_001, 1_000_002}, ""); got[0] != "1000001" || got[1] != "1000002" {
		t.Errorf("ticks that short numbers do not tell apart are %v", got)
	}
}

func TestTicksOfTimeAreRound(t *testing.T) {
	zone := time.FixedZone("IST", 5*3600+1800)
	for _, test := range []struct {
		length time.Duration
		first  string
	}{
		{20 * time.Second, "17:30:00"}, {20 * time.Minute, "17:30"}, {8 * time.Hour, "18:00"}, {40 * time.Hour, "13 Mar 00:00"}, {30 * 24 * time.Hour, "19 Mar"},
	} {
		from := float64(noon.Unix())
		ticks, layout := timeTicks(from, from+test.length.Seconds(), 5, zone)
		if len(ticks) < 2 || len(ticks) > 6 {
			t.Fatalf("%s has %d ticks, expected two to six", test.length, len(ticks))
		}
		if got := instant(ticks[0], zone).Format(layout); got != test.first {
			t.Errorf("the first tick of %s is %s, expected %s", test.length, got, test.first)
		}
	}
}

func TestFaultsAreToldKindly(t *testing.T) {
	one := 1.0
	for _, test := range []struct {
		chart *finding.Chart
		want  string
	}{
		{nil, "no number"},
		{&finding.Chart{Start: noon, Step: 5}, "no number"},
		{&finding.Chart{Start: noon, Step: 5, Values: []*float64{nil, new(float64)}, Thresholds: []*float64{&one}}, ""},
		{&finding.Chart{Start: noon, Values: []*float64{&one}}, "expected more than 0"},
		{&finding.Chart{Start: noon, Step: math.NaN(), Values: []*float64{&one}}, "expected more than 0"},
		{&finding.Chart{Start: time.Unix(1<<60, 0), Step: 5, Values: []*float64{&one}}, "four digits"},
	} {
		_, err := PNG(test.chart, Options{Title: "A"})
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%+v: %v", test.chart, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%+v gives %v, expected %q", test.chart, err, test.want)
		}
	}
	if _, err := PNG(&finding.Chart{Start: noon, Step: 5, Values: make([]*float64, 9)}, Options{}); !errors.Is(err, ErrEmpty) {
		t.Errorf("a chart of missing points gives %v, expected ErrEmpty", err)
	}
}

// Pictures that are drawn at once are those that are drawn one after the other, to the last byte.
func TestPicturesAreTheSameHoweverOften(t *testing.T) {
	all := append(samples(), odd()...)
	var wait sync.WaitGroup
	for _, s := range all {
		want := render(t, s)
		for range 2 {
			wait.Go(func() {
				if b, err := PNG(&s.chart, s.options); err != nil || !bytes.Equal(b, want) {
					t.Errorf("%s: another picture, %v", s.name, err)
				}
			})
		}
	}
	wait.Wait()
}

func BenchmarkPNG(b *testing.B) {
	s := sampleOf(b, "latency")
	for b.Loop() {
		render(b, s)
	}
}
