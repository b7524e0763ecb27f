package event

import (
	"math"
	"strconv"

	"github.com/freshet-dev/freshet/ingest"
)

// numberEnd returns the end of the JSON number that starts at s[i] and whether it has neither fraction nor exponent; end
// is -1 when there is no number.
func numberEnd(s string, i int) (end int, whole bool) {
	if i < len(s) && s[i] == '-' {
		i++
	}
	start := i
	if i = digitsEnd(s, i); i == start || s[start] == '0' && i > start+1 {
		return -1, false
	}
	whole = true
	if i < len(s) && s[i] == '.' {
		start = i + 1
		if i = digitsEnd(s, start); i == start {
			return -1, false
		}
		whole = false
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		start = i
		if i = digitsEnd(s, start); i == start {
			return -1, false
		}
		whole = false
	}
	return i, whole
}

func digitsEnd(s string, i int) int {
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	return i
}

// numberValue returns the value of a JSON number: an Int if it is whole and fits one, else a Double.
func numberValue(s string, whole bool) ingest.Value {
	if whole {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return ingest.IntValue(n)
		}
	}
	f, _ := strconv.ParseFloat(s, 64) // out of range is ±Inf, which is the value then
	return ingest.DoubleValue(f)
}

// nonFinite returns the value of NaN, Infinity or -Infinity at s[i], which Python's json module writes though JSON has
// no such numbers; the length is 0 when there is none.
func nonFinite(s string, i int) (v ingest.Value, length int) {
	for _, word := range [...]struct {
		text  string
		value float64
	}{{"NaN", math.NaN()}, {"Infinity", math.Inf(1)}, {"-Infinity", math.Inf(-1)}} {
		if len(s)-i >= len(word.text) && s[i:i+len(word.text)] == word.text {
			return ingest.DoubleValue(word.value), len(word.text)
		}
	}
	return ingest.Value{}, 0
}
