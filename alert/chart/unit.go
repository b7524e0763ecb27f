package chart

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/freshet-dev/freshet/alert"
)

// ratio is the unit of shares of one, which are shown in percent.
const ratio = "ratio"

// unitOf returns the unit in which numbers are drawn, and by what to multiply them: times are in seconds.
func unitOf(unit string) (drawn string, scale float64) {
	switch unit {
	case "ms":
		return "s", 1e-3
	case "us":
		return "s", 1e-6
	case "ns":
		return "s", 1e-9
	default:
		if len(unit) > 12 {
			unit = ""
		}
		return clean(unit), 1
	}
}

// longest is how many letters a number may have before it is written in powers of ten.
const longest = 12

// show writes a number as messages do.
func show(x float64, unit string) string {
	shown, _ := alert.FormatMeasure(&x, nil, unit)
	switch unit {
	case ratio:
		half := 0.5
		shown, _ = alert.FormatMeasure(&x, &half, "1")
		if math.Abs(x) > 1 {
			p := x * 100
			shown, _ = alert.FormatMeasure(&p, nil, "%")
		}
	case "1":
		shown, _ = alert.FormatMeasure(&x, nil, "")
	}
	if utf8.RuneCountInString(shown) > longest {
		shown = strings.TrimSpace(strconv.FormatFloat(x, 'g', 3, 64) + " " + strings.Trim(unit, "{}1"))
	}
	return shown
}

// showShort writes the number of a tick: large counts in thousands and millions.
func showShort(x float64, unit string) string {
	if unit != "" && unit != "1" {
		return show(x, unit)
	}
	for _, power := range []struct {
		of   float64
		name string
	}{{1e15, ""}, {1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if math.Abs(x) < power.of {
			continue
		}
		switch power.name {
		case "":
			return strconv.FormatFloat(x, 'g', 3, 64)
		case "k":
			power.of = 1e3
		}
		return show(x/power.of, "") + power.name
	}
	return show(x, unit)
}

// labels returns the texts of ticks: short ones if these tell them apart, else long ones, and "" for one that is said already.
func labels(ticks []float64, unit string) []string {
	write := func(f func(float64, string) string) (texts []string, unique bool) {
		unique = true
		seen := map[string]bool{}
		for _, tick := range ticks {
			text := f(tick, unit)
			if seen[text] {
				text, unique = "", false
			}
			seen[text] = true
			texts = append(texts, text)
		}
		return texts, unique
	}
	texts, unique := write(showShort)
	if !unique {
		texts, _ = write(show)
	}
	return texts
}
