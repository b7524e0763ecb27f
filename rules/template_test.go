package rules

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/rules/label"
)

func data() Data {
	return Data{
		Labels: label.New("service_name", "payment", "port", "10.1.2.3:8080", "bytes", "2048"),
		Value:  1234.5, Threshold: 0.25, Values: map[string]float64{"rate": 3},
		Time: time.Date(2026, 8, 1, 12, 0, 0, 500e6, time.UTC),
	}
}

func TestRender(t *testing.T) {
	tests := []struct{ text, want string }{
		{`plain`, `plain`},
		{`{{ $labels.service_name }} is {{ $value }} of {{ $threshold }}`, `payment is 1234.5 of 0.25`},
		{`{{ .Labels.service_name }} {{ .Value }}`, `payment 1234.5`},
		{`[{{ $labels.none }}]`, `[]`},
		{`{{ $values.rate }}`, `3`},
		{`{{ humanize $value }} {{ humanize 0.00012 }} {{ humanize 0.0 }} {{ humanize -1500000.0 }}`, `1.234k 120u 0 -1.5M`},
		{`{{ humanize1024 $labels.bytes }} {{ humanize1024 1.5 }}`, `2ki 1.5`},
		{`{{ $value | humanizeDuration }} {{ humanizeDuration 0.25 }} {{ humanizeDuration 90061 }} {{ humanizeDuration -3 }} {{ humanizeDuration 0 }}`, `20m 34s 250ms 1d 1h 1m 1s -3s 0s`},
		{`{{ humanizePercentage $threshold }} {{ humanizePercentage 0.12345 }}`, `25% 12.35%`},
		{`{{ humanizeTimestamp $time }}`, `2026-08-01 12:00:00.5 +0000 UTC`},
		{`{{ title "two words" }} {{ toUpper "a" }}{{ toLower "B" }}`, `Two Words Ab`},
		{`{{ if match "^pay" $labels.service_name }}yes{{ end }}`, `yes`},
		{`{{ reReplaceAll "p(.)y" "$1" $labels.service_name }}`, `ament`},
		{`{{ stripPort $labels.port }} {{ stripDomain "web.example.com:80" }} {{ stripDomain $labels.port }}`, `10.1.2.3 web:80 10.1.2.3:8080`},
		{`{{ printf "%.1f" $value }}`, `1234.5`},
		{`{{ if gt $value 1000.0 }}critical{{ else }}warning{{ end }}`, `critical`},
		{`{{ range $name, $v := $labels }}{{ $name }} {{ end }}`, `bytes port service_name `},
		{`{{ parseDuration "1h30m" }}`, `5400`},
	}
	for _, test := range tests {
		template, err := NewTemplate("summary", test.text)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		if got, err := template.Render(data()); err != nil || got != test.want {
			t.Errorf("%s renders as %q, %v, want %q", test.text, got, err, test.want)
		}
	}
}

func TestMissingValueRenders(t *testing.T) {
	template, err := NewTemplate("summary", `{{ $value }} {{ humanize $value }} {{ humanizeDuration $value }} {{ humanizeTimestamp $value }}`)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := template.Render(Data{Value: math.NaN(), Threshold: math.NaN()}); err != nil || got != "NaN NaN NaN NaN" {
		t.Errorf("a missing value renders as %q, %v", got, err)
	}
}

// A text that fails must not lose the alert.
func TestFailingTemplateStillGivesText(t *testing.T) {
	for _, template := range []Template{
		{Name: "summary", Text: "{{ broken"},
		{Name: "summary", Text: "{{ humanize $labels.service_name }}"},
		{Name: "summary", Text: `{{ reReplaceAll "(" "" "x" }}`},
		{Name: "summary", Text: `{{ index "x" 5 }}`},
	} {
		got, err := template.Render(data())
		if err == nil {
			t.Errorf("%s gives no error", template.Text)
		}
		if !strings.HasPrefix(got, template.Text+" (") || !strings.Contains(got, "template") {
			t.Errorf("%s renders as %q", template.Text, got)
		}
	}
}

func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{"{{ $labels.x }}", "{{ if $value }}a", "{{ $valu }}", "{{ range $labels }}{{ . }}{{ end }}", "a\n{{ foo }}", `{{ define "x" }}{{ $labels.y }}{{ end }}`, "{{/* c */}}{{ $labels.a.b }}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, faults := newTemplate("x", text, []string{"service_name"}, nil)
		for _, fault := range faults {
			if fault.message == "" || fault.offset < 0 || fault.offset > len(text) {
				t.Errorf("%q has the fault %+v", text, fault)
			}
		}
	})
}
