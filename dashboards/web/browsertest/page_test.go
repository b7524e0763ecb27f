// Package browsertest looks at the page as a person does: in a real browser. The browser is that of
// FRESHET_TEST_CHROMIUM, else one of the usual names in the PATH; where there is none the tests say so and end, and
// make test reports the run as partial.
package browsertest

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/freshet-dev/freshet/dashboards/web"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules/label"
)

const hostile = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`

// pipeline is what the page shows in these tests.
type pipeline struct {
	charts *web.Charts
	mu     sync.Mutex
	alerts []web.Alert
	status web.Status

	silences []web.Silence
}

func newPipeline() *pipeline {
	return &pipeline{
		charts: web.NewCharts(web.ChartsOptions{}),
		status: web.Status{State: web.Healthy, RecordsPerSecond: 12430, WatermarkDelay: 430 * time.Millisecond, Rules: 2, Groups: 8},
	}
}

func (p *pipeline) page() *web.Page {
	return web.New(web.Options{
		Alerts: func() []web.Alert {
			p.mu.Lock()
			defer p.mu.Unlock()
			return slices.Clone(p.alerts)
		},
		Silences: func() []web.Silence {
			p.mu.Lock()
			defer p.mu.Unlock()
			return slices.Clone(p.silences)
		},
		Series: p.charts.Series,
		Status: func() web.Status {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.status
		},
		Interval: 50 * time.Millisecond,
	})
}

func (p *pipeline) set(change func(*pipeline)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

// fill adds some minutes of measures, in which checkout fires at the end.
func (p *pipeline) fill(now time.Time) {
	for at := now.Add(-6 * time.Minute); !at.After(now); at = at.Add(5 * time.Second) {
		for i, service := range []string{"frontend", "checkout", "payment", hostile} {
			value := 10 + 3*math.Sin(float64(at.Unix())/20) + float64(i)
			if service == "checkout" && now.Sub(at) < time.Minute {
				value = 400
			}
			p.charts.Observe(web.Measure{Rule: "ErrorSpike", Group: service, Labels: label.New("service_name", service), Above: true,
				Point: web.Point{Time: at, Value: value, Threshold: 100, Firing: value > 100}})
		}
	}
}

func firing(rule string, since time.Time) web.Alert {
	value, threshold := 412.0, 100.0
	return web.Alert{
		Fingerprint: 7, Rule: rule, State: finding.Firing, Severity: "critical",
		Labels:  label.New("alertname", rule, "service_name", "checkout", "note", hostile),
		Summary: "checkout: 412 errors in a minute", Description: hostile, Runbook: "javascript:document.title='owned'",
		Value: &value, Threshold: &threshold, Condition: "count(severity >= ERROR) > 100", StartsAt: since,
		Samples: []finding.Sample{{Topic: "otlp_logs", Offset: 42, Time: since, Text: hostile, TraceID: "5b8aa5a2d2c872e8321cf37308d69df2"}},
		Offsets: []finding.OffsetRange{{Topic: "otlp_logs", Partition: 2, First: 40, Last: 57}},
		Explanation: &finding.Explanation{Now: 64, Before: 120, Since: since, Against: finding.AgainstAll, Traits: []finding.Trait{
			{Attribute: "service.version", Value: "1.4.2", Now: 0.92, Before: 0.03, Also: []finding.Attribute{{Name: "k8s.pod.name", Value: "checkout-77f4"}}},
			{Attribute: hostile, Value: strings.Repeat(hostile, 3), Now: 0.999, Before: 0.001},
		}},
	}
}

// browser is one tab, and what went wrong in it.
type browser struct {
	t        *testing.T
	ctx      context.Context
	mu       sync.Mutex
	faults   []string
	requests []string
}

// program returns the browser to start, "" when there is none.
func program() string {
	for _, name := range []string{os.Getenv("FRESHET_TEST_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	return ""
}

// start opens a browser with an empty tab of a size; nil when the machine has no browser.
func start(t *testing.T, width, height int64) *browser {
	t.Helper()
	path := program()
	if path == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("no Chromium or Chrome is installed; continuous integration must have one")
		}
		t.Log("the page was not looked at: no Chromium or Chrome is installed (Debian: apt-get install chromium)")
		return nil
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-quic", true),
		chromedp.WSURLReadTimeout(time.Minute))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // the sandbox refuses to run as root
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, stopTab := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("closing the browser: %v", err)
		}
		stopTab()
	})
	b := &browser{t: t, ctx: ctx}
	b.do(chromedp.EmulateViewport(width, height))
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	return b
}

// hear notes what the tab reports.
func (b *browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		b.faults = append(b.faults, text)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			b.faults = append(b.faults, e.Entry.Text)
		}
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	}
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// eval returns the value of an expression in the page.
func (b *browser) eval(expression string) string {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("String("+expression+")"))
	if err != nil {
		b.t.Fatalf("evaluating %s: %v", expression, err)
	}
	return value
}

// wait waits until an expression in the page is the text wanted.
func (b *browser) wait(expression, want string) {
	b.t.Helper()
	limit := time.Now().Add(20 * time.Second)
	got := b.eval(expression)
	for got != want {
		if time.Now().After(limit) {
			b.t.Fatalf("%s is %q, expected %q", expression, got, want)
		}
		b.do(chromedp.Sleep(20 * time.Millisecond))
		got = b.eval(expression)
	}
}

// text is the expression for the text of the first element of a selector.
func text(selector string) string {
	return fmt.Sprintf("document.querySelector(%q)?.textContent", selector)
}

func TestPageShowsAlertsAndCharts(t *testing.T) {
	b := start(t, 1280, 900)
	if b == nil {
		return
	}
	p := newPipeline()
	now := time.Now()
	p.fill(now)
	p.alerts = []web.Alert{
		firing("ErrorSpike", now.Add(-65*time.Second)),
		{Fingerprint: 8, Rule: "HostSilent", State: finding.Resolved, StartsAt: now.Add(-time.Hour), EndsAt: now.Add(-50 * time.Minute)},
	}
	page := p.page()
	server := httptest.NewServer(page)
	defer server.Close()
	defer page.Close()

	b.do(chromedp.Navigate(server.URL))
	b.wait(text("#headline"), "1 alert firing")
	b.wait("document.title", "(1) freshet")
	b.wait(text("#state"), "Healthy")
	b.wait(text("#records"), "12.4k/s")
	b.wait(text("#delay"), "430 ms")
	b.wait(text("#firing .name"), "ErrorSpike")
	b.wait(text("#firing .measure"), "412")
	b.wait(text("#firing .limit"), "threshold 100")
	b.wait(text("#earlier .age"), "lasted 10 min")
	b.wait(text(".chart .rule"), "ErrorSpike")
	b.wait("document.querySelectorAll('.chart .trace').length", "4")
	b.wait("document.querySelectorAll('.chart .fired').length", "1")
	b.wait("document.querySelectorAll('.chart .limit').length", "1")
	b.wait("document.querySelector('.chart').classList.contains('firing')", "true")
	b.wait(text(".legend .number"), "400")
	b.wait("document.querySelector('#spans [aria-pressed=true]').textContent", "5 min")

	// What is open stays open while the page is updated.
	b.do(chromedp.Click("#firing summary"))
	b.wait("document.querySelector('#firing details').open", "true")
	p.set(func(p *pipeline) { p.alerts[0].Summary = "checkout: 500 errors in a minute" })
	b.wait(text("#firing .text"), "checkout: 500 errors in a minute")
	if open := b.eval("document.querySelector('#firing details').open"); open != "true" {
		t.Error("the alert closed when it was updated")
	}
	b.wait(text("#firing .record"), hostile)
	b.wait(text("#firing .description"), hostile)
	b.wait(text("#firing .traits .value"), "service.version1.4.2")
	b.wait(text("#firing .traits .now"), "92 % now")
	b.wait(text("#firing .traits .before"), "3 % before")
	b.wait(text("#firing .traits .also"), "also k8s.pod.name=checkout-77f4")
	b.wait(text("#firing .traits li:last-child .now"), "over 99 % now")
	b.wait(text("#firing .range"), "otlp_logs, partition 2, offsets 40 to 57")
	b.wait(text("#firing .trace code"), "5b8aa5a2d2c872e8321cf37308d69df2")
	if links := b.eval("document.querySelectorAll('#firing a').length"); links != "0" {
		t.Error("a javascript: runbook became a link")
	}

	p.set(func(p *pipeline) {
		p.alerts[0].State, p.alerts[0].EndsAt = finding.Resolved, now
		p.status.State = web.Behind
	})
	b.wait(text("#headline"), "All quiet")
	b.wait("document.title", "freshet")
	b.wait("document.querySelectorAll('#earlier > li').length", "2")
	b.wait("document.querySelector('#notice').hidden", "false")

	if images := b.eval("document.querySelectorAll('main img, main script').length"); images != "0" {
		t.Error("a label became markup")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.faults) > 0 {
		t.Errorf("the browser reports: %s", strings.Join(b.faults, "\n"))
	}
	if len(b.requests) < 5 {
		t.Errorf("only %d requests were seen: %v", len(b.requests), b.requests)
	}
	for _, url := range b.requests {
		if !strings.HasPrefix(url, server.URL+"/") {
			t.Errorf("the page asked %s", url)
		}
	}
}

// What is expected of a measure is an area behind its line, broken where nothing is.
func TestPageShowsWhatIsExpected(t *testing.T) {
	b := start(t, 800, 700)
	if b == nil {
		return
	}
	p := newPipeline()
	now := time.Now()
	const steps = 50
	for i := range steps {
		usual := 10 + 3*math.Sin(float64(i)/9)
		m := web.Measure{Rule: "OrdersUnusual", Group: "shop", Labels: label.New("service_name", "shop"), Above: true, Point: web.Point{
			Time: now.Add(time.Duration(i+1-steps) * 5 * time.Second), Value: usual + math.Sin(float64(7*i)), Threshold: usual + 4,
			Band: &web.Band{Lower: usual - 3, Upper: usual + 3},
		}}
		switch {
		case i > 40:
			m.Value, m.Firing = 22, true
		case i > 19 && i < 27:
			m.Band = nil
		}
		p.charts.Observe(m)
	}
	page := p.page()
	server := httptest.NewServer(page)
	defer server.Close()
	defer page.Close()
	b.do(chromedp.Navigate(server.URL))
	b.wait(text(".chart .rule"), "OrdersUnusual")
	b.wait("document.querySelectorAll('.chart .band').length", "2")
	b.wait("document.querySelectorAll('.chart .trace').length", "1")
	inside := `(() => {
		const plot = document.querySelector('.plot').getBoundingClientRect();
		return [...document.querySelectorAll('.band')].every(e => {
			const r = e.getBoundingClientRect();
			return r.width > 50 && r.height > 10 && r.top >= plot.top && r.bottom <= plot.bottom && r.left >= plot.left - 20 && r.right <= plot.right;
		});
	})()`
	b.wait(inside, "true")
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.faults) > 0 {
		t.Errorf("the browser reports: %s", strings.Join(b.faults, "\n"))
	}
}

func TestPageIsReadByKeyboardAndOnAPhone(t *testing.T) {
	b := start(t, 360, 740)
	if b == nil {
		return
	}
	p := newPipeline()
	now := time.Now()
	p.fill(now)
	p.alerts = []web.Alert{firing("ErrorSpikeOfAVeryLongNameThatSomebodyGaveToARule", now)}
	page := p.page()
	server := httptest.NewServer(page)
	defer server.Close()
	defer page.Close()

	b.do(chromedp.Navigate(server.URL))
	b.wait("document.querySelectorAll('.chart .trace').length", "4")
	b.do(chromedp.Click("#firing summary"))
	b.wait("document.documentElement.scrollWidth", "360")

	// Rule files with a fault: their lines are as they stand, and scroll where they are too long.
	b.wait("document.querySelector('#rules-problem').hidden", "true")
	problem := "rules.yaml:8:21: error: " + strings.Repeat(hostile, 3) + "\n    8 |   when: x\n      |         ^"
	p.set(func(p *pipeline) { p.status.RulesProblem, p.status.RulesProblemSince = problem, now })
	b.wait("document.querySelector('#rules-problem').hidden", "false")
	b.wait(text("#rules-problem pre"), problem)
	b.wait(`/^Since \d\d:\d\d:\d\d the rule files cannot be loaded/.test(document.querySelector("#rules-problem p").textContent)`, "true")
	b.wait("document.documentElement.scrollWidth", "360")
	p.set(func(p *pipeline) {
		p.status.RulesProblem, p.status.ConfigProblem, p.status.ConfigProblemSince = "", problem, now
	})
	b.wait("document.querySelector('#rules-problem').hidden", "true")
	b.wait(text("#config-problem pre"), problem)
	b.wait(`/^Since \d\d:\d\d:\d\d the configuration cannot be loaded/.test(document.querySelector("#config-problem p").textContent)`, "true")
	b.wait("document.documentElement.scrollWidth", "360")
	p.set(func(p *pipeline) { p.status.ConfigProblem = "" })
	b.wait("document.querySelector('#config-problem').hidden", "true")

	b.wait("document.querySelector('.plot').getAttribute('aria-label').includes('threshold 100, firing')", "true")
	b.do(chromedp.Focus(".plot"), chromedp.KeyEvent(kb.ArrowLeft), chromedp.KeyEvent(kb.ArrowLeft))
	b.wait("document.querySelectorAll('.plot .cursor').length", "1")
	b.wait(`/^\d\d:\d\d:\d\d$/.test(document.querySelector(".reading").textContent)`, "true")
	b.do(chromedp.KeyEvent(kb.Home))
	b.wait("Number(document.querySelector('.legend .number').textContent) < 20", "true")
	b.do(chromedp.KeyEvent(kb.Escape))
	b.wait(text(".reading"), "")
	b.wait(text(".legend .number"), "400")
}

func TestPageTellsWhatToDoAndThatItIsDisconnected(t *testing.T) {
	b := start(t, 1280, 900)
	if b == nil {
		return
	}
	p := newPipeline()
	p.status.Groups = 0
	serve := func(address string) (*httptest.Server, *web.Page) {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		page := p.page()
		server := httptest.NewUnstartedServer(page)
		server.Listener.Close()
		server.Listener = listener
		server.Start()
		return server, page
	}
	server, page := serve("127.0.0.1:0")
	address := server.Listener.Addr().String()

	b.do(chromedp.Navigate(server.URL))
	b.wait(text("#headline"), "All quiet")
	b.wait(text("#under"), "2 rules are loaded; records come, but none has matched yet.")
	b.wait("document.querySelector('#no-charts').hidden", "false")
	b.wait("document.querySelector('#no-earlier').hidden", "false")
	b.wait("document.querySelector('#lost').hidden", "true")

	page.Close()
	server.CloseClientConnections()
	server.Close()
	b.wait("document.querySelector('#lost').hidden", "false")
	b.wait("document.querySelector('#lost').textContent.startsWith('Disconnected from freshet, trying again.')", "true")

	server, page = serve(address)
	defer server.Close()
	defer page.Close()
	b.wait("document.querySelector('#lost').hidden", "true")
}

// Messages link to /?alert=FINGERPRINT.
func TestPageOpensTheAlertOfALink(t *testing.T) {
	b := start(t, 1280, 600)
	if b == nil {
		return
	}
	p := newPipeline()
	p.fill(time.Now())
	for i := range 30 {
		a := firing(fmt.Sprintf("Rule%02d", i), time.Now())
		a.Fingerprint = label.Fingerprint(i + 1)
		p.alerts = append(p.alerts, a)
	}
	page := p.page()
	server := httptest.NewServer(page)
	defer server.Close()
	defer page.Close()

	b.do(chromedp.Navigate(server.URL + "/?alert=0000000000000002"))
	b.wait(text("details[open] .name"), "Rule01")
	b.wait("document.querySelectorAll('details[open]').length", "1")
	b.wait("window.scrollY > 500", "true")
	b.do(chromedp.Click("details[open] summary"))
	b.wait("document.querySelectorAll('details[open]').length", "0")
	// It is opened once, not with each update.
	b.wait("document.querySelectorAll('.chart .trace').length", "4")
	if open := b.eval("document.querySelectorAll('details[open]').length"); open != "0" {
		t.Error("the alert opened again")
	}
	b.wait("document.querySelector('#missing').hidden", "true")
	b.do(chromedp.Navigate(server.URL + "/?silence=00000000000000ff"))
	b.wait("document.querySelector('#missing').hidden", "false")
}

// Where a stream is refused, as when too many pages are open, the page asks for its data instead.
func TestPageWorksWithoutAStream(t *testing.T) {
	b := start(t, 1280, 900)
	if b == nil {
		return
	}
	p := newPipeline()
	p.fill(time.Now())
	p.alerts = []web.Alert{firing("ErrorSpike", time.Now())}
	page := p.page()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/stream") {
			http.Error(w, "no streams here", http.StatusServiceUnavailable)
			return
		}
		page.ServeHTTP(w, r)
	}))
	defer server.Close()

	b.do(chromedp.Navigate(server.URL))
	b.wait(text("#headline"), "1 alert firing")
	b.wait("document.querySelectorAll('.chart .trace').length", "4")
	b.wait("document.querySelector('#lost').hidden", "true")
}
