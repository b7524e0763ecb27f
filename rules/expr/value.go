package expr

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/freshet-dev/freshet/ingest"
)

// missing is the number that stands for a missing value. Every comparison with it is false, except that it differs from
// everything: what the language asks of a missing value is what NaN does.
func missing() float64 { return math.NaN() }

// numberOf returns the value as a number: a number itself, or the number that a text holds. All else is missing.
func numberOf(v ingest.Value) float64 {
	if f, ok := v.Number(); ok {
		return f
	}
	if v.Kind == ingest.String {
		return parseNumber(v.Str)
	}
	return missing()
}

// parseNumber reads a decimal number. It looks before it parses, because the errors of strconv allocate.
func parseNumber(s string) float64 {
	if !holdsNumber(s) {
		return missing()
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return missing()
	}
	return f
}

// holdsNumber says whether s is digits with an optional sign, fraction and exponent.
func holdsNumber(s string) bool {
	i := 0
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		i++
	}
	digits := func() int {
		begin := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i - begin
	}
	n := digits()
	if i < len(s) && s[i] == '.' {
		i++
		n += digits()
	}
	if n == 0 {
		return false
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '-' || s[i] == '+') {
			i++
		}
		if n := digits(); n == 0 || n > 3 {
			return false
		}
	}
	return i == len(s)
}

// textOf returns the value as text: a text itself, bytes, and the JSON of a list or a map. Numbers are no text.
func textOf(v ingest.Value) (string, bool) {
	return v.Str, v.Kind >= ingest.String
}

// equal compares two values: numbers by value whatever their kind, a text with a number as the number it holds, and
// everything else with its own kind only. Nothing equals a missing value.
func equal(a, b ingest.Value) bool {
	switch {
	case a.Kind == ingest.Missing || b.Kind == ingest.Missing:
		return false
	case a.Kind == ingest.Int && b.Kind == ingest.Int:
		return a.Int() == b.Int()
	case isNumber(a) || isNumber(b):
		return numberOf(a) == numberOf(b)
	default:
		return a == b
	}
}

// order compares two values: numbers with numbers, texts with texts; ok is false when they cannot be ordered.
func order(a, b ingest.Value) (sign int, ok bool) {
	switch {
	case a.Kind == ingest.Int && b.Kind == ingest.Int:
		return compareInts(a.Int(), b.Int()), true
	case isNumber(a) || isNumber(b):
		x, y := numberOf(a), numberOf(b)
		switch {
		case x < y:
			return -1, true
		case x > y:
			return 1, true
		default:
			return 0, x == y
		}
	case a.Kind == ingest.String && b.Kind == ingest.String:
		return strings.Compare(a.Str, b.Str), true
	default:
		return 0, false
	}
}

func compareInts(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}

func isNumber(v ingest.Value) bool { return v.Kind == ingest.Int || v.Kind == ingest.Double }

// divide is division with a missing result for a zero divisor.
func divide(a, b float64) float64 {
	if b == 0 {
		return missing()
	}
	return a / b
}

// remainder has the sign of the dividend, as in CEL; it is missing for a zero divisor.
func remainder(a, b float64) float64 {
	if b == 0 {
		return missing()
	}
	return math.Mod(a, b)
}

// equalLower says whether s in lower case is want, without building that text.
func equalLower(s, want string) bool {
	for _, r := range s {
		w, size := utf8.DecodeRuneInString(want)
		if size == 0 || unicode.ToLower(r) != w {
			return false
		}
		want = want[size:]
	}
	return want == ""
}

// equalUpper is equalLower for upper case.
func equalUpper(s, want string) bool {
	for _, r := range s {
		w, size := utf8.DecodeRuneInString(want)
		if size == 0 || unicode.ToUpper(r) != w {
			return false
		}
		want = want[size:]
	}
	return want == ""
}
