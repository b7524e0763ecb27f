package bench

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
)

// setting returns a number of the environment.
func setting(tb testing.TB, name string, otherwise int) int {
	tb.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		tb.Fatalf("%s: expected a positive number, found %q", name, text)
	}
	return n
}

// ratio divides a number of one program by that of another, round by round.
func ratio(a, b []cost, f func(cost) float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = f(a[i]) / f(b[i])
	}
	return out
}

func over(costs []cost, f func(cost) float64) []float64 {
	out := make([]float64, len(costs))
	for i, c := range costs {
		out[i] = f(c)
	}
	return out
}

// figures prints the median of values, and the least and the most beside it.
func figures(name, unit string, values []float64) {
	values = slices.Sorted(slices.Values(values))
	fmt.Printf("figure: %s %s %s\n", name, short(values[len(values)/2]), unit)
	fmt.Printf("        %d rounds, from %s to %s\n", len(values), short(values[0]), short(values[len(values)-1]))
}

func short(x float64) string {
	if x >= 1000 {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'f', 3, 64)
}

// quantile returns the value that a part q of the values does not exceed.
func quantile(values []float64, q float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[min(int(q*float64(len(values))), len(values)-1)]
}
