package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules/label"
)

// storm returns alerts with evidence, of which the last fires at start and each one before it a second earlier.
func storm(n int) []Alert {
	var out []Alert
	for i := range n {
		a := hostileAlert()
		a.Rule, a.Fingerprint, a.Severity = fmt.Sprintf("Rule%04d", i), label.Fingerprint(i+1), "warning"
		a.StartsAt, a.Labels = start.Add(time.Duration(i)*time.Second), label.New("host", fmt.Sprintf("db-%d", i))
		out = append(out, a)
	}
	return out
}

func readJSON[T any](t *testing.T, h http.Handler, target string) T {
	t.Helper()
	var out T
	answer, body := get(t, h, target)
	if err := json.Unmarshal([]byte(body), &out); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s answers %s %.200s (%v)", target, answer.Status, body, err)
	}
	return out
}

// In a storm a page lists what matters most, without evidence, and each part of the page keeps something.
func TestOverviewListsAHundredAndCountsAll(t *testing.T) {
	alerts := storm(3000)
	for i := range 500 {
		alerts[i].Severity, alerts[i].SilencedBy = "critical", []string{"s"}
	}
	for i := 500; i < 520; i++ {
		alerts[i].State = finding.Pending
	}
	alerts[520].Severity, alerts[521].Acknowledged = "critical", &Acknowledgement{}
	alerts[522].State, alerts[522].EndsAt = finding.Resolved, start
	page := New(Options{Alerts: func() []Alert { return alerts }})
	o := readJSON[overview](t, page, "/api/freshet/overview")
	if want := (counts{Firing: 2479, Acknowledged: 1, Silenced: 500, Pending: 20, Resolved: 1}); o.Counts != want {
		t.Errorf("counts are %+v, expected %+v", o.Counts, want)
	}
	parts := map[string]int{}
	for _, a := range o.Alerts {
		part := string(a.State)
		if a.muted() {
			part = "silenced"
		}
		parts[part]++
		if len(a.Samples) > 0 || a.Description != "" || a.Details == "" {
			t.Fatalf("%s is listed as %+v, expected no evidence and that there is some", a.Rule, a)
		}
	}
	if len(o.Alerts) != 100 || parts["firing"] != 79 || parts["silenced"] != 10 || parts["pending"] != 10 || parts["resolved"] != 1 {
		t.Errorf("%d are listed, %v, expected 100 with some of each part", len(o.Alerts), parts)
	}
	if first, second := o.Alerts[0].Rule, o.Alerts[1].Rule; first != "Rule0520" || second != "Rule2999" {
		t.Errorf("the list begins with %s and %s, expected the critical one and the newest", first, second)
	}

	o = readJSON[overview](t, page, "/api/freshet/overview?filter=HOST%3Ddb-171+rule")
	if len(o.Alerts) != 11 || o.Counts.Silenced != 1 || o.Counts.Firing != 10 {
		t.Errorf("the filter finds %d, %+v", len(o.Alerts), o.Counts)
	}
	if a := readJSON[Alert](t, page, "/api/freshet/alerts/0000000000000258"); a.Rule != "Rule0599" || len(a.Samples) != 1 || a.Description != hostile {
		t.Errorf("one alert is %+v, expected it with its evidence", a)
	}
	for _, missing := range []string{"00000000000fffff", "nothing"} {
		if answer, _ := get(t, page, "/api/freshet/alerts/"+missing); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s answers %s, expected 404", missing, answer.Status)
		}
	}
}

// The list says when the evidence of an alert is another, so that one that is open is asked for again.
func TestOverviewTellsOfOtherEvidence(t *testing.T) {
	a := hostileAlert()
	before, same := briefOf(a), briefOf(a)
	a.Samples = append(a.Samples, finding.Sample{Text: "another"})
	if after := briefOf(a); before.Details != same.Details || before.Details == after.Details {
		t.Errorf("details are %q, %q and %q, expected that only the last differs", before.Details, same.Details, after.Details)
	}
}

// What is shown is gathered once for all pages that are open, and none of them misses a change.
func TestOpenPagesShareWhatTheyShow(t *testing.T) {
	const pages = 20
	var asked atomic.Int64
	page := New(Options{Interval: 20 * time.Millisecond, Alerts: func() []Alert {
		n := asked.Add(1)
		alerts := storm(300)
		alerts[299].Summary = fmt.Sprint(n)
		return alerts
	}})
	server := httptest.NewServer(page)
	defer server.Close()
	defer page.Close()
	var open20 []*stream
	for range pages {
		open20 = append(open20, open(t, server.URL))
	}
	begun := asked.Load()
	seen := map[string]bool{}
	for _, s := range open20 {
		last := ""
		for range 10 {
			e, more := s.next()
			if !more || e.Overview == nil {
				t.Fatal("a page was not told that an alert changed")
			}
			var n, m int
			if _, err := fmt.Sscan(e.Overview.Alerts[0].Summary, &n); err != nil {
				t.Fatal(err)
			}
			if _, err := fmt.Sscan(last, &m); err == nil && n != m+1 {
				t.Errorf("a page was shown %d after %d", n, m)
			}
			last = e.Overview.Alerts[0].Summary
			seen[last] = true
		}
	}
	if got := len(seen); got > 10+int(begun) {
		t.Errorf("%d pages were shown %d states in ten updates each, expected the same for all", pages, got)
	}
}

func TestAnUpdateOfAStormIsSmall(t *testing.T) {
	alerts := storm(5000)
	for i := range alerts {
		alerts[i].Samples[0].Text = strings.Repeat("x", 2000)
	}
	page := New(Options{Alerts: func() []Alert { return alerts }})
	if s := page.feed.current(time.Now()); s.err != nil || len(s.changes) > 100_000 {
		t.Errorf("an update has %d bytes (%v), expected less than 100,000", len(s.changes), s.err)
	}
}
