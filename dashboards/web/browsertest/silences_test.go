package browsertest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/freshet-dev/freshet/dashboards/web"
)

func silencesOf(now time.Time) []web.Silence {
	return []web.Silence{
		{ID: "one", State: "active", Matchers: []string{`alertname="DiskFull"`, hostile}, StartsAt: now.Add(-time.Hour), EndsAt: now.Add(time.Hour), By: "ben", Comment: hostile, Alerts: 2},
		{ID: "two", State: "pending", Matchers: []string{`a="b"`}, StartsAt: now.Add(-time.Hour), EndsAt: now.Add(100 * 24 * time.Hour), By: "ana", Comment: "backup",
			Schedule: "0 2 * * 0", Each: 90 * time.Minute, Location: "Europe/Berlin", Next: now.Add(30 * time.Hour)},
		{ID: "old", State: "expired", Matchers: []string{`c="d"`}, StartsAt: now.Add(-2 * time.Hour), EndsAt: now.Add(-time.Hour), By: "ana", Comment: "rebalancing"},
	}
}

func TestSilencesAreListedChangedAndExpired(t *testing.T) {
	b := start(t, 390, 844)
	if b == nil {
		return
	}
	p := newPipeline()
	p.silences = silencesOf(time.Now())
	back := newBackend(t, p)
	b.do(chromedp.Navigate(back.server.URL))
	b.wait("document.querySelectorAll('#silences > li').length", "2")
	b.wait(text("#silences .active .matcher-list"), `alertname="DiskFull"`+hostile)
	b.wait(text("#silences .active .comment"), hostile+" — ben")
	b.wait(text("#silences .active .mutes"), "mutes 2 alerts")
	b.wait(text("#silences .pending .state-text"), "At rest")
	b.wait("document.querySelector('#silences .pending .when').textContent.includes('; 0 2 * * 0 for 1 h 30 min, Europe/Berlin, until ')", "true")
	b.wait(text("#expired-count"), "1 silence ended in the last day")
	b.wait("document.documentElement.scrollWidth", "390")

	// Expiring asks once more, and Escape keeps it.
	b.press("#silences .active", "Expire")
	b.wait("document.activeElement.textContent", "Expire now")
	b.do(chromedp.KeyEvent(kb.Escape))
	b.wait("document.activeElement.textContent", "Expire")
	b.press("#silences .active", "Expire")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.wait("document.activeElement.title", "your name")
	b.wait("document.documentElement.scrollWidth", "390")
	b.do(chromedp.KeyEvent("ana"), chromedp.KeyEvent(kb.Enter))
	b.wait(text("#expired-count"), "2 silences ended in the last day")
	b.wait(text("#silences-status"), "The silence has ended.")
	if c := back.last(t); c.Kind != "expire" || c.SilenceID != "one" || c.By != "ana" {
		t.Errorf("the command is %+v", c)
	}

	// A change keeps what is not changed.
	b.press("#silences", "Change…")
	b.write("#silence-panel", "Each lasts", "2h")
	b.wait("document.documentElement.scrollWidth", "390")
	b.press("#silence-panel", "Change")
	b.wait("document.querySelector('#silence-panel').hidden", "true")
	s := back.last(t).Silence
	if s == nil || s.ID != "two" || s.Schedule != "0 2 * * 0" || s.Location != "Europe/Berlin" || time.Duration(s.Duration) != 2*time.Hour || s.Comment != "backup" {
		t.Errorf("the silence is %+v", s)
	}
	if d := time.Until(s.EndsAt); d < 99*24*time.Hour || d > 101*24*time.Hour {
		t.Errorf("the silence ends in %v, expected 100 days", d)
	}

	// One that is over is a start for the next.
	b.eval("document.querySelector('#expired-details').open = true")
	b.eval("[...document.querySelectorAll('#expired li')].find(e => e.textContent.includes('rebalancing')).querySelector('button').click()")
	b.wait("document.querySelector('#silence-panel .matchers input').value", `c="d"`)
	b.press("#silence-panel", "Silence for 1 h")
	b.wait("document.querySelector('#silence-panel').hidden", "true")
	if s := back.last(t).Silence; s.ID != "" || !slices.Equal(s.Matchers, []string{`c="d"`}) || s.EndsAt.Sub(s.StartsAt) != time.Hour {
		t.Errorf("the silence is %+v", s)
	}
	b.healthy()
}

func TestASilenceThatRecursIsAdded(t *testing.T) {
	b := start(t, 1280, 900)
	if b == nil {
		return
	}
	p := newPipeline()
	back := newBackend(t, p)
	b.do(chromedp.Navigate(back.server.URL))
	b.wait("document.querySelector('#no-silences').hidden", "false")
	b.press("main", "New silence…")
	b.wait("document.activeElement.getAttribute('aria-label')", "Matcher")
	b.do(chromedp.KeyEvent(`service_name="billing"`))
	b.eval("document.querySelector('#silence-panel [type=datetime-local]').value = '2031-05-04T10:30'")
	b.eval("document.querySelector('#silence-panel [type=checkbox]').focus()")
	b.do(chromedp.KeyEvent(" "))
	b.write("#silence-panel", "Times", "0 2 * * 0")
	b.write("#silence-panel", "Each lasts", "soon")
	b.write("#silence-panel", "Time zone", "Europe/Berlin")
	b.write("#silence-panel", "Why", "backup")
	b.write("#silence-panel", "Your name", "ana")
	b.press("#silence-panel", "Silence for 30 d")
	b.wait(text("#silence-panel .error"), "Each lasts: expected a length of time such as 2 h or 30 min, found soon")
	b.write("#silence-panel", "Each lasts", "1h 30m")

	// What freshet refuses is said in the form, which stays.
	back.refuse = http.StatusBadRequest
	b.press("#silence-panel", "Silence for 30 d")
	b.wait(text("#silence-panel .error"), "refused: "+hostile)
	back.refuse = 0
	b.press("#silence-panel", "Silence for 30 d")
	b.wait("document.querySelectorAll('#silences > li').length", "1")
	b.wait("document.querySelector('#silence-panel').hidden", "true")
	b.wait("document.activeElement.id", "add-silence")
	s := back.last(t).Silence
	start, err := time.Parse(time.RFC3339, b.eval("new Date('2031-05-04T10:30').toISOString()"))
	if err != nil {
		t.Fatal(err)
	}
	if !s.StartsAt.Equal(start) || s.EndsAt.Sub(start) != 30*24*time.Hour || s.Schedule != "0 2 * * 0" ||
		time.Duration(s.Duration) != 90*time.Minute || s.Location != "Europe/Berlin" {
		t.Errorf("the silence is %+v", s)
	}
	b.healthy()
}

func TestStatisticsShowWhatIsNoisy(t *testing.T) {
	b := start(t, 390, 844)
	if b == nil {
		return
	}
	back := newBackend(t, newPipeline())
	back.rules = []any{
		map[string]any{"rule": "Busy", "fired": 40, "notified": 40, "acknowledged": 38, "flapped": 1, "noise": 0, "last": time.Now()},
		map[string]any{"rule": hostile, "fired": 9, "notified": 4, "acknowledged": 0, "flapped": 5, "noise": 2, "last": time.Now()},
	}
	b.do(chromedp.Navigate(back.server.URL))
	b.wait(text("#headline"), "All quiet")
	b.eval("document.querySelector('#statistics summary').focus()")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.wait("[...document.querySelectorAll('#statistics .rule-name')].map(e => e.textContent).join()", hostile+",Busy")
	b.wait("[...document.querySelectorAll('#statistics tr.noisy td')].map(e => e.textContent).slice(0, 5).join()", "9,4,–,5,2")
	b.wait("document.documentElement.scrollWidth", "390")
	b.do(chromedp.EmulateViewport(1280, 900))
	b.press("#statistics", "Fired")
	b.wait("[...document.querySelectorAll('#statistics .rule-name')].map(e => e.textContent).join()", "Busy,"+hostile)
	b.wait("document.querySelector('#statistics th[aria-sort]').textContent", "Fired")
	b.healthy()
}

// A process that stands by shows the alerts of the active one, and says so.
func TestAStandbyShowsTheAlertsOfTheActiveAlerter(t *testing.T) {
	b := start(t, 1280, 900)
	if b == nil {
		return
	}
	p := newPipeline()
	p.status.AlertsUnknown = "No alerter is active now."
	page := p.page()
	down := make(chan bool, 1)
	down <- false
	mux := http.NewServeMux()
	mux.Handle("/", page)
	for path, value := range map[string]any{
		"overview": map[string]any{"alerts": []web.Alert{firing("ErrorSpike", time.Now())}, "counts": map[string]int{"firing": 1}}, "silences": silencesOf(time.Now()),
	} {
		mux.HandleFunc("GET /api/freshet/"+path, func(w http.ResponseWriter, _ *http.Request) {
			is := <-down
			down <- is
			if is {
				http.Error(w, "it does not answer", http.StatusBadGateway)
				return
			}
			_ = json.NewEncoder(w).Encode(value)
		})
	}
	server := httptest.NewServer(mux)
	defer server.Close()
	defer page.Close()

	b.do(chromedp.Navigate(server.URL))
	b.wait(text("#headline"), "No alerts are known here")
	b.wait(text("#under"), "No alerter is active now.")
	p.set(func(p *pipeline) {
		p.status.AlertsUnknown, p.status.AlertsFrom = "", "https://other.example.com:8080/"
	})
	b.wait(text("#headline"), "1 alert firing")
	b.wait("document.querySelectorAll('#silences > li').length", "2")
	b.wait(text("#from"), "This process stands by. These are the alerts of the active one, at https://other.example.com:8080/")
	b.wait("document.querySelector('#from a').href", "https://other.example.com:8080/")
	<-down
	down <- true
	b.wait(text("#from"), "The active alerter cannot be asked (it does not answer). Its page is at https://other.example.com:8080/")
	b.wait("document.querySelector('#lost').hidden", "true")
	b.healthy()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, url := range b.requests {
		if !strings.HasPrefix(url, server.URL+"/") {
			t.Errorf("the page asked %s", url)
		}
	}
}
