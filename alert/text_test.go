package alert

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/freshet-dev/freshet/detect/finding"
)

func TestFormatMeasure(t *testing.T) {
	p := func(f float64) *float64 { return &f }
	for _, tc := range []struct {
		value, threshold *float64
		unit             string
		want, wantT      string
	}{
		{p(412), p(100), "", "412", "100"},
		{p(1.2391), p(1), "s", "1.24 s", "1 s"},
		{p(0.1249), p(0.0005), "s", "124.9 ms", "500 µs"},
		{p(0), p(240), "s", "0 s", "4 min"},
		{p(5025), nil, "s", "1 h 23 min", ""},
		{p(1500), p(2000), "ms", "1.5 s", "2 s"},
		{p(0.125), p(0.1), "1", "12.5 %", "10 %"},
		{p(1), p(0.9), "1", "100 %", "90 %"},
		{p(1), p(5), "1", "1", "5"},
		{p(1), p(1), "1", "1", "1"},
		{p(0.5), p(2), "1", "0.5", "2"},
		{p(97.25), p(90), "%", "97.25 %", "90 %"},
		{p(1536), p(1048576), "By", "1.5 KiB", "1 MiB"},
		{p(12345.678), p(0.1234567), "", "12346", "0.123"},
		{p(12), p(10), "{request}", "12 request", "10 request"},
		{p(-3.5), nil, "Cel", "-3.5 Cel", ""},
		{p(math.Inf(1)), p(math.NaN()), "s", "+Inf s", "NaN s"},
		{nil, nil, "s", "", ""},
	} {
		if got, gotT := FormatMeasure(tc.value, tc.threshold, tc.unit); got != tc.want || gotT != tc.wantT {
			t.Errorf("%q and %q, expected %q and %q", got, gotT, tc.want, tc.wantT)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 ms", 350 * time.Millisecond: "350 ms", 45 * time.Second: "45 s", 192 * time.Second: "3 min 12 s",
		time.Hour: "1 h", 26 * time.Hour: "1 d 2 h", -5 * time.Second: "-5 s", time.Hour + time.Second: "1 h",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("%s is %q, expected %q", d, got, want)
		}
	}
}

func TestText(t *testing.T) {
	w := newWorld(t, one(InlineDefaults(), RouteConfig{}))
	w.options.ExternalURL = "http://127.0.0.1:8080/"
	w.alerter = New(w.options)
	a, b := &subject{name: "cart", extra: []string{"severity", "critical"}}, &subject{name: "checkout"}
	f := a.fire(w.now)
	f.Samples = []Sample{{Time: w.now, Text: "card declined\n\x1b[2Jby bank"}}
	f.Explanation = &finding.Explanation{Now: 64, Before: 120, Against: finding.AgainstAll, Traits: []finding.Trait{
		{Attribute: "service.version", Value: "1.4.2", Now: 0.92, Before: 0.03, Also: []finding.Attribute{
			{Name: "k8s.pod.name", Value: "cart-77f4"}, {Name: "host.name", Value: "node-b1"}, {Name: "region", Value: "eu"}}},
		{Attribute: "body", Value: "card \x1b[2J declined", Now: 0.997, Before: 0.002},
		{Attribute: "third", Value: "x", Now: 0.5}, {Attribute: "fourth", Value: "x", Now: 0.4},
	}}
	w.produce(f, b.fire(w.now))
	w.run()
	w.now = w.now.Add(192 * time.Second)
	end := b.resolve(w.now)
	end.Reason = "no data"
	w.produce(end)
	w.advance(time.Second)
	if len(w.got) != 2 {
		t.Fatalf("%d notifications", len(w.got))
	}
	var out bytes.Buffer
	if _, err := NewPrinter(&out).Notify(t.Context(), w.got[1]); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/text.golden", out.String())
}

func TestPrintable(t *testing.T) {
	for _, s := range []string{"\x1b[31m", "a\r\nb", "\u202eabc", "\xff\xfe", "tab\there", "é日本"} {
		for _, r := range Printable(s) {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Errorf("%q still holds %q", s, r)
			}
		}
	}
}

func TestTemplates(t *testing.T) {
	ts, err := NewTemplates()
	if err != nil {
		t.Fatal(err)
	}
	s := &state{Fingerprint: 1}
	s.apply((&subject{name: "a", extra: []string{"team", "x"}}).fire(epoch), FlappingConfig{}, epoch)
	d := newData("ops", "http://127.0.0.1:8080", FirstNotification, nil, Alerts{New(Options{ExternalURL: "http://127.0.0.1:8080"}).message(s, false)})
	explained := d.Alerts[0]
	explained.Explanation = &finding.Explanation{Traits: []finding.Trait{
		{Attribute: "service.version", Value: "1.4.2", Now: 0.92, Before: 0.03}, {Attribute: "region", Value: "eu", Now: 0.5}}}
	withExplanation := d.Only(Alerts{explained, d.Alerts[0]})
	for text, want := range map[string]string{
		`[{{ .Status | toUpper }}:{{ .Alerts.Firing | len }}] {{ .CommonLabels.alertname }}`:                  "[FIRING:1] Spike",
		`{{ range .Alerts }}{{ .Labels.SortedPairs.Values | join "," }} {{ .Annotations.summary }}{{ end }}`:  "Spike,a,x a spikes",
		`{{ range .Alerts }}{{ .ShownValue }} over {{ .ShownThreshold }} since {{ .StartsAt.Unix }}{{ end }}`: "100 over 50 since 1772359200",
		`{{ (index .Alerts 0).Labels.Remove (stringSlice "alertname") }}`:                                     "name=a, team=x",
		`{{ range .Alerts }}[{{ .Explanation }}]{{ end }}`:                                                    "[service.version=1.4.2: 92 % now, 3 % before; region=eu: 50 % now, 0 % before][]",
		`{{ template "slack.default.title" . }}`:                                                              "[FIRING:1]  (Spike a x)",
	} {
		data := &d
		if strings.Contains(text, "Explanation") {
			data = &withExplanation
		}
		if got, err := ts.Execute(text, data); err != nil || got != want {
			t.Errorf("%s gives %q, %v; expected %q", text, got, err, want)
		}
	}
	if _, err := ts.Execute(`{{ template "none" . }}`, &d); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("a missing template gives %v", err)
	}
}
