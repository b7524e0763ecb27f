package alert

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
)

// FuzzRestore gives the alerter records with whatever content under the right key: what it accepts must work.
func FuzzRestore(f *testing.F) {
	w := newWorld(&testing.T{}, one(InlineDefaults(), RouteConfig{}))
	a := &subject{name: "a"}
	w.produce(a.fire(w.now), (&subject{name: "b"}).next(finding.Pending, w.now))
	w.receive()
	w.alerter.Tick(w.now)
	w.commit()
	seed := func() {
		for _, k := range keys(w.kept) {
			f.Add(w.kept[k], w.kept[keys(w.kept)[0]])
		}
	}
	seed()
	w.run()
	seed()
	w.produce(a.resolve(w.now), a.fire(w.now))
	w.receive()
	w.alerter.Tick(w.now)
	w.commit()
	seed()
	f.Add([]byte(`{"fingerprint":"0000000000000001","firing":{},"resolved":{},"earlier":[1]}`), []byte(`{"firing":"AAA"}`))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		alerter := New(one(InlineDefaults(), RouteConfig{}))
		for _, value := range [][]byte{first, second} {
			var s state
			if json.Unmarshal(value, &s) == nil && s.Fingerprint != 0 {
				_ = alerter.Restore([]byte(alertPrefix+s.Fingerprint.String()), value)
			}
			var e entry
			if json.Unmarshal(value, &e) == nil {
				_ = alerter.Restore([]byte(sentKey(e.Integration, e.Route, e.GroupLabels)), value)
			}
			_ = alerter.Restore(value, value)
		}
		now := epoch
		for range 3 {
			alerter.Tick(now)
			alerter.Committed()
			for _, n := range alerter.Deliveries() {
				_ = n.Text()
				alerter.Delivered(n.ID, Outcome{}, nil, now)
			}
			alerter.Alerts()
			alerter.Groups()
			if _, err := alerter.Changes(); err != nil {
				t.Errorf("what was restored cannot be written again: %v", err)
			}
			now = now.Add(time.Hour)
		}
	})
}

func TestRestoreSaysWhatIsWrong(t *testing.T) {
	for _, tc := range []struct{ key, value string }{
		{"alert/0000000000000001", `{`},
		{"alert/0000000000000001", `{"fingerprint":"0000000000000002"}`},
		{"alert/0000000000000001", `{"fingerprint":"0000000000000001","resolved":{}}`},
		{"sent/00", `{}`},
		{sentKey("a", "b", nil), `{"integration":"a","route":"b","firing":"AAA"}`},
		{sentKey("a", "b", nil), `{"integration":"a","route":"b","firing":"?"}`},
		{sentKey("a", "b", nil), `{"integration":"a","route":"b","intent":{}}`},
	} {
		a := New(Options{})
		if err := a.Restore([]byte(tc.key), []byte(tc.value)); err == nil {
			t.Errorf("%s with %s is no fault", tc.key, tc.value)
		}
		a.Tick(epoch)
		if n := len(a.Alerts()); n != 0 {
			t.Errorf("%s with %s gave %d alerts", tc.key, tc.value, n)
		}
	}
	if err := New(Options{}).Restore([]byte("newer/1"), []byte("{")); err != nil {
		t.Errorf("a record of a newer version is a fault: %v", err)
	}
}

func TestGroupsView(t *testing.T) {
	w := newWorld(t, one(InlineDefaults(), RouteConfig{}))
	w.produce((&subject{name: "a"}).fire(w.now))
	w.run()
	g := w.alerter.Groups()
	if len(g) != 1 || g[0].Key != `{}:{alertname="Spike"}` || g[0].Receiver != "ops" || len(g[0].Alerts) != 1 {
		t.Fatalf("groups are %+v", g)
	}
	if p := g[0].Integrations[0]; p.Notified != epoch || p.Next != epoch.Add(4*time.Hour) || p.Outstanding != "" {
		t.Errorf("progress is %+v", p)
	}
	if v := w.alerter.Alerts()[0]; v.Receivers[0] != "ops" || v.Notified != epoch || v.Received != epoch {
		t.Errorf("the alert is %+v", v)
	}
}

// BenchmarkStorm receives findings of 5,000 groups, a hundred at a time.
func BenchmarkStorm(b *testing.B) {
	o := one(InlineDefaults(), RouteConfig{GroupBy: []string{"..."}})
	subjects := make([]*subject, 5000)
	for i := range subjects {
		subjects[i] = &subject{name: fmt.Sprint("service-", i)}
	}
	findings := make([]*finding.Finding, 0, 50_000)
	for i := range 50_000 {
		s := subjects[i%len(subjects)]
		if i/len(subjects)%2 == 0 {
			findings = append(findings, s.fire(epoch))
		} else {
			findings = append(findings, s.resolve(epoch))
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		a, now := New(o), epoch
		for i, f := range findings {
			a.Receive(f, now)
			if i%100 != 99 {
				continue
			}
			a.Tick(now)
			if _, err := a.Changes(); err != nil {
				b.Fatal(err)
			}
			a.Committed()
			for _, n := range a.Deliveries() {
				a.Delivered(n.ID, Outcome{}, nil, now)
			}
			now = now.Add(10 * time.Millisecond)
		}
	}
	b.ReportMetric(float64(b.N)*float64(len(findings))/b.Elapsed().Seconds(), "findings/s")
}
