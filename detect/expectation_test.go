package detect

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
)

// watched feeds a rule's condition one value of x a second, which rises from about 10 to 30 at a second, and returns what
// came of it.
func watched(t *testing.T, when string, rise, seconds int) (measures []Measure, findings []*finding.Finding) {
	t.Helper()
	set, problems := rules.Parse("rules.yaml", fmt.Appendf(nil, `
groups:
  - name: g
    interval: 1s
    rules:
      - alert: Rise
        from: logs
        by: [service.name]
        window: 1s
        lateness: 0s
        when: %s
`, when))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	b := newBed(t, set.Rules...)
	take := func(res Result) {
		measures, findings = append(measures, res.Measures...), append(findings, res.Findings...)
	}
	for i := range seconds {
		var records []ingest.Record
		for s, service := range []string{"a", "b", "c", "d"} {
			x := 10 + float64((7*i+3*s)%5)/4
			if i >= rise && service == "a" {
				x += 20
			}
			r := errorAt(service, float64(i))
			r.Attributes = append(r.Attributes, ingest.Attr{Key: "app.x", Value: ingest.DoubleValue(x)})
			records = append(records, r)
		}
		take(b.feed(records...))
	}
	take(b.idle(float64(seconds + 5)))
	return measures, findings
}

// A rule that judges how unusual a measure is has a chart of the measure: it is beyond the line exactly when its distance is
// beyond the threshold, and the band ends three deviations from what is expected.
func TestChartsShowWhatIsUnusual(t *testing.T) {
	for _, when := range []string{
		`avg(app.x).anomaly("none", "1m") > 5`, `avg(app.x).zscore("1m") > 5`, `avg(app.x).outlier() > 5`, `avg(app.x).anomaly("none", "1m") < 5`,
	} {
		measures, findings := watched(t, when, 50, 60)
		judged, beyond := 0, 0
		for _, m := range measures {
			if m.Subject < 10 || m.Subject > 31 {
				t.Fatalf("%s: the chart shows %v, expected x", when, m.Subject)
			}
			if math.IsNaN(m.Value) {
				continue
			}
			judged++
			if (m.Subject > m.Limit) != (m.Value > m.Threshold) {
				t.Errorf("%s: x is %v of %v, its distance %v of %v", when, m.Subject, m.Limit, m.Value, m.Threshold)
			}
			if m.Value > m.Threshold {
				beyond++
			}
			deviation := (m.Upper - m.Lower) / 6
			if got := (m.Subject - m.Expected) / deviation; math.Abs(got-m.Value) > 1e-9*math.Abs(m.Value)+1e-9 {
				t.Errorf("%s: x is %v deviations from what is expected by the band, and %v by the rule", when, got, m.Value)
			}
		}
		if judged < 40 || beyond < 5 || beyond > judged/2 {
			t.Errorf("%s: %d steps are judged and %d of them beyond the threshold", when, judged, beyond)
		}
		for _, f := range findings {
			if !strings.HasSuffix(when, "> 5") || f.Labels.Get("service_name") != "a" || f.State != finding.Firing {
				continue
			}
			e := f.Expected
			if e == nil || e.Subject == nil || e.Lower == nil || e.Upper == nil || *e.Subject < 30 || *e.Value > 12 || *e.Upper > *e.Subject {
				t.Errorf("%s: the finding expects %+v, want about 10 and a measure of more than 30", when, e)
			}
			break
		}
	}
}

// Where a rule compares a measure with what is expected, the chart is of both as they are.
func TestChartsShowTheBandOfAMeasure(t *testing.T) {
	measures, findings := watched(t, `avg(app.x) > avg(app.x).upper("none", "1m")`, 50, 60)
	known := 0
	for _, m := range measures {
		if m.Subject != m.Value || m.Limit != m.Threshold && !math.IsNaN(m.Threshold) {
			t.Fatalf("%+v: expected the value and its threshold", m)
		}
		if !math.IsNaN(m.Upper) {
			if known++; m.Upper != m.Threshold || !(m.Lower < m.Expected && m.Expected < m.Upper) {
				t.Fatalf("%+v: expected the band that the rule compares with", m)
			}
		}
	}
	if known < 40 {
		t.Errorf("%d steps have a band", known)
	}
	if len(findings) == 0 || findings[0].Expected == nil || findings[0].Expected.Subject != nil || *findings[0].Expected.Upper != *findings[0].Threshold {
		t.Errorf("findings %+v, expected one whose band ends at its threshold", findings)
	}
	if _, findings := watched(t, `avg(app.x) > 20`, 50, 60); len(findings) == 0 || findings[0].Expected != nil {
		t.Errorf("a rule without a model expects something: %+v", findings)
	}
}
