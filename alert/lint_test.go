package alert

import (
	"os"
	"strings"
	"testing"
)

// TestLint compares what is odd in a valid configuration with what is written beside it.
func TestLint(t *testing.T) {
	text, err := os.ReadFile("testdata/odd.lint.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := decode(t, string(text))
	if fs := c.Validate(); len(fs) > 0 {
		t.Fatal(fs)
	}
	yields := []Yield{
		{Labels: map[string][]string{"alertname": {"ErrorSpike"}, "service_name": nil, "severity": {"critical", "warning"}, "team": {"shop"}}},
		{Labels: map[string][]string{"alertname": {"DiskFull"}, "host": nil, "severity": {"warning"}}},
	}
	var b strings.Builder
	for _, part := range []struct {
		title  string
		faults []Fault
	}{{"notes", c.Notes()}, {"without rules", c.Lint(nil)}, {"with rules", c.Lint(yields)}} {
		b.WriteString("# " + part.title + "\n")
		for _, f := range part.faults {
			b.WriteString(f.Error() + "\n")
		}
	}
	golden(t, "testdata/odd.lint.golden", b.String())

	if fs := decode(t, goodConfig).Lint(nil); len(fs) > 0 {
		t.Errorf("a good configuration is odd: %v", fs)
	}
}
