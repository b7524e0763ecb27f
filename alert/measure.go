package alert

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// FormatMeasure writes a value and the threshold that it was compared with as a person reads them, in the same way:
// "1.24 s" and "1 s", "12.5 %" and "10 %". A missing number gives "".
func FormatMeasure(value, threshold *float64, unit string) (shownValue, shownThreshold string) {
	if unit == "1" {
		unit = ""
		if ratios(value, threshold) {
			unit = "ratio"
		}
	}
	show := func(f *float64) string {
		if f == nil {
			return ""
		}
		return formatNumber(*f, unit)
	}
	return show(value), show(threshold)
}

// ratios says whether numbers without a unit are shares of one: some fraction among them, none beyond one.
func ratios(numbers ...*float64) bool {
	fraction := false
	for _, n := range numbers {
		if n == nil {
			continue
		}
		if math.Abs(*n) > 1 {
			return false
		}
		fraction = fraction || *n != math.Trunc(*n)
	}
	return fraction
}

func formatNumber(f float64, unit string) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return strings.TrimSpace(strconv.FormatFloat(f, 'g', -1, 64) + " " + unit)
	}
	switch unit {
	case "":
		return round(f)
	case "ratio":
		return round(f*100) + " %"
	case "%":
		return round(f) + " %"
	case "s":
		return seconds(f)
	case "ms":
		return seconds(f / 1e3)
	case "us":
		return seconds(f / 1e6)
	case "ns":
		return seconds(f / 1e9)
	case "By":
		return scaled(f, 1024, []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"})
	case "By/s":
		return scaled(f, 1024, []string{"B/s", "KiB/s", "MiB/s", "GiB/s", "TiB/s", "PiB/s"})
	default:
		return round(f) + " " + strings.Trim(unit, "{}")
	}
}

func seconds(f float64) string {
	switch abs := math.Abs(f); {
	case abs == 0:
		return "0 s"
	case abs < 1e-3:
		return round(f*1e6) + " µs"
	case abs < 1:
		return round(f*1e3) + " ms"
	case abs < 120:
		return round(f) + " s"
	default:
		return FormatDuration(time.Duration(f * float64(time.Second)))
	}
}

func scaled(f, base float64, units []string) string {
	i := 0
	for math.Abs(f) >= base && i < len(units)-1 {
		f /= base
		i++
	}
	return round(f) + " " + units[i]
}

// round keeps three significant digits of a fraction and every digit of a whole part.
func round(f float64) string {
	digits := 2
	switch abs := math.Abs(f); {
	case f == math.Trunc(f) || abs >= 1000:
		digits = 0
	case abs >= 100:
		digits = 1
	case abs < 1:
		return strconv.FormatFloat(f, 'g', 3, 64)
	}
	s := strconv.FormatFloat(f, 'f', digits, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// FormatDuration writes a duration by its two largest units: "3 h 12 min", "45 s".
func FormatDuration(d time.Duration) string {
	units := []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	if d < time.Second {
		return sign + strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	}
	for i, u := range units {
		if d < u.size {
			continue
		}
		out := sign + strconv.FormatInt(int64(d/u.size), 10) + " " + u.name
		if i+1 < len(units) {
			if rest := (d % u.size) / units[i+1].size; rest > 0 {
				out += " " + strconv.FormatInt(int64(rest), 10) + " " + units[i+1].name
			}
		}
		return out
	}
	return sign + "0 s"
}
