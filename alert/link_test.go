package alert

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLinks(t *testing.T) {
	o := one(InlineDefaults(), RouteConfig{})
	o.DashboardURL = "https://grafana.example.org/d/{label:team}?var-service={label:service_name}&none={label:none}&from={from}&to={to}"
	o.TraceURL = `https://traces.example.org/{trace_id}?left={"service":"{label:team}"}`
	w := newWorld(t, o)
	f := (&subject{name: "a", extra: []string{"service_name", "a&b=c d+{to}", "team", "shop/1"}}).fire(w.now)
	f.Samples = []Sample{{Text: "no trace"}, {TraceID: "4bf92f"}}
	w.produce(f)
	w.run()
	var got []string
	for _, l := range w.got[0].Data.Alerts[0].Links {
		got = append(got, l.Name+" "+l.URL)
	}
	want := []string{
		"dashboard https://grafana.example.org/d/shop%2F1?var-service=a%26b%3Dc%20d%2B%7Bto%7D&none=&from=1772358300000&to=1772359500000",
		`trace https://traces.example.org/4bf92f?left={"service":"shop%2F1"}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("links are\n%s\nexpected\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestLinkFaults(t *testing.T) {
	for address, want := range map[string]string{
		"":                                  "",
		"https://g/{label:x}/?f={from}":     "",
		`https://g/?left={"a":"b"}&t={to}`:  "",
		"grafana/{from}":                    "dashboard_url: expected an address that begins with http:// or https:// and has a host",
		"https://g/?f={form}":               "dashboard_url: {form} stands for nothing (known: from, label:NAME, to)",
		"https://g/?l={label:}&m={label}":   "dashboard_url: {label:} names no label (write it as {label:service_name})",
		"https://g/?t={trace_id}&x={label}": "dashboard_url: {trace_id} stands for nothing (known: from, label:NAME, to)",
	} {
		got := ""
		if faults := (&Config{DashboardURL: address}).Validate(); len(faults) > 0 {
			got = faults[0].Error()
		}
		if got != want {
			t.Errorf("%s: %q, expected %q", address, got, want)
		}
	}
}

// The labels of a route are rendered with the alerts that a message tells of; they may name each other, and templates have
// them by name.
func TestRouteLabels(t *testing.T) {
	c := Config{Receivers: []Receiver{{Name: "ops", WebhookConfigs: []WebhookConfig{{URL: "http://127.0.0.1:1/"}}}}}
	c.Route = &RouteConfig{Receiver: "ops", Labels: map[string]string{
		"team": "shop", "of": `{{ .GroupLabels.alertname }} of {{ routeLabels "team" }}, {{ len .Alerts.Firing }}`, "loop": `{{ routeLabels "loop" }}`,
	}, Routes: []RouteConfig{{Matchers: []string{`name="a"`}, Labels: map[string]string{"team": `{{ .CommonLabels.name | toUpper }}`}}}}
	d := InlineDefaults()
	ts, err := NewTemplates()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, Options{Route: c.RouteTree(d), Integrations: c.Integrations(d), Prompt: true, Templates: ts})
	w.produce((&subject{name: "a"}).fire(w.now), (&subject{name: "b"}).fire(w.now), (&subject{name: "c"}).fire(w.now))
	w.receive()
	w.alerter.Tick(w.now)
	w.commit()
	w.restart() // the message is made anew
	w.advance(time.Second)
	want := map[string]string{"a": "Spike of A, 1", "b": "Spike of shop, 2"}
	for _, n := range w.got {
		name := n.Data.Alerts[0].Labels["name"]
		if got := n.Data.RouteLabels; got["of"] != want[name] || got["loop"] != "" {
			t.Errorf("%s has %v, expected %q", name, got, want[name])
		}
		only := n.Data.Only(n.Data.Alerts[:1])
		if text, err := ts.Execute(`{{ routeLabels "of" }}|{{ .RouteLabels.of }}{{ routeLabels "none" }}`, &only); err != nil || text != want[name]+"|"+want[name] {
			t.Errorf("a template gives %q, %v", text, err)
		}
	}
	for _, g := range w.alerter.Groups() {
		if got := g.RouteLabels["of"]; got != want["a"] && got != want["b"] {
			t.Errorf("group %s has %v", g.Key, g.RouteLabels)
		}
	}
}
