package harness

import (
	"bufio"
	"context"
	"strconv"
	"strings"
)

// Metrics are the values of /metrics by series, as they stand there: name{label="value"}.
type Metrics map[string]float64

// Metrics asks the program for its metrics; nil when it does not answer.
func (p *Program) Metrics(ctx context.Context) Metrics {
	_, body, err := p.Ask(ctx, "/metrics")
	if err != nil {
		return nil
	}
	out := Metrics{}
	for lines := bufio.NewScanner(strings.NewReader(body)); lines.Scan(); {
		line := lines.Text()
		i := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || i < 0 {
			continue
		}
		if v, err := strconv.ParseFloat(line[i+1:], 64); err == nil {
			out[line[:i]] = v
		}
	}
	return out
}

// Sum adds up all series of a name.
func (m Metrics) Sum(name string) float64 {
	sum := 0.0
	for series, v := range m {
		if series == name || strings.HasPrefix(series, name+"{") {
			sum += v
		}
	}
	return sum
}

// Label returns the values of a name by one label.
func (m Metrics) Label(name, label string) map[string]float64 {
	out := map[string]float64{}
	for series, v := range m {
		if !strings.HasPrefix(series, name+"{") {
			continue
		}
		if _, rest, ok := strings.Cut(series, label+`="`); ok {
			value, _, _ := strings.Cut(rest, `"`)
			out[value] = v
		}
	}
	return out
}
