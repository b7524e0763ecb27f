package browsertest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/freshet-dev/freshet/dashboards/web"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules/label"
)

// pressed is a button that is shown, by what it says, within a selector.
func pressed(within, says string) string {
	return fmt.Sprintf("[...document.querySelectorAll(%q)].find(b => b.textContent === %q && b.checkVisibility())", within+" button", says)
}

// press focuses a button and presses it by the keyboard.
func (b *browser) press(within, says string) {
	b.t.Helper()
	b.wait("Boolean("+pressed(within, says)+")", "true")
	b.eval(pressed(within, says) + ".focus()")
	b.do(chromedp.KeyEvent(kb.Enter))
}

// write writes into the input of a label, as a person does.
func (b *browser) write(within, field, value string) {
	b.t.Helper()
	input := fmt.Sprintf("[...document.querySelectorAll(%q)].find(f => f.textContent.startsWith(%q)).querySelector('input')", within+" .field", field)
	b.eval(input + ".focus()")
	b.eval(input + ".select()")
	b.do(chromedp.KeyEvent(value))
	b.wait(input+".value", value)
}

// healthy fails the test when the browser reports faults, or a label became markup. A refused command is no fault of the page.
func (b *browser) healthy() {
	b.t.Helper()
	if owned := b.eval("document.title === 'owned' || document.querySelectorAll('main img, main script').length > 0"); owned != "false" {
		b.t.Error("a label became markup")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, fault := range b.faults {
		if !strings.HasPrefix(fault, "Failed to load resource: the server responded with") {
			b.t.Errorf("the browser reports: %s", fault)
		}
	}
}

// open shows the page of a backend with one open alert whose labels are hostile.
func open(t *testing.T) (*browser, *backend) {
	t.Helper()
	b := start(t, 1280, 900)
	if b == nil {
		return nil, nil
	}
	p := newPipeline()
	p.alerts = []web.Alert{firing("ErrorSpike", time.Now().Add(-time.Minute))}
	back := newBackend(t, p)
	b.do(chromedp.Navigate(back.server.URL + "/?alert=0000000000000007"))
	b.wait("document.querySelectorAll('#firing details[open]').length", "1")
	return b, back
}

func TestAnAlertIsAcknowledgedAndCalledNoise(t *testing.T) {
	b, back := open(t)
	if b == nil {
		return
	}
	// The first time the page asks who acts.
	b.press("#firing", "Acknowledge")
	b.wait("document.activeElement.title", "your name")
	b.do(chromedp.KeyEvent("ana"), chromedp.KeyEvent(kb.Enter))
	b.wait(text("#firing .tag"), "acknowledged by ana")
	if c := back.last(t); c.Kind != "acknowledge" || c.By != "ana" || !slices.Equal(c.Subject.Fingerprints, []label.Fingerprint{7}) {
		t.Errorf("the command is %+v", c)
	}
	b.wait(text("#firing .actions .status"), "Acknowledged.")
	b.wait(text("#under"), "2 rules watch 8 groups; the alert is acknowledged.")
	b.wait("document.querySelector('#firing details').open", "true")

	b.press("#firing", "Take back acknowledgement")
	b.wait("document.querySelectorAll('#firing .tag').length", "0")
	if c := back.last(t); c.Kind != "unacknowledge" || c.By != "ana" {
		t.Errorf("the command is %+v", c)
	}
	b.press("#firing", "Noise")
	b.wait(text("#firing .tag"), "noise")
	b.wait(pressed("#firing", "Called noise")+".disabled", "true")

	// The name is remembered, and can be changed.
	b.do(chromedp.Reload())
	b.wait(text("#firing .who"), "as ana")
	b.press("#firing", "as ana")
	b.do(chromedp.KeyEvent("ben"), chromedp.KeyEvent(kb.Enter))
	b.wait(text("#firing .who"), "as ben")
	b.healthy()
}

func TestAnAlertIsSilencedFromItsLink(t *testing.T) {
	b, back := open(t)
	if b == nil {
		return
	}
	b.do(chromedp.Navigate(back.server.URL + "/?silence=0000000000000007"))
	b.wait("document.activeElement.title", "why")
	b.wait(text("#firing .found"), "Matches 2 alerts that fire now.")
	b.wait("document.querySelectorAll('#firing .matchers input').length", "3")
	b.do(chromedp.KeyEvent("deploying"))
	b.write("#firing", "Your name", "ana")

	// One label is left out, a bad matcher is named at once, and what is written stays while the page is updated.
	b.eval(`document.querySelector('#firing .remove[aria-label^="Remove note="]').click()`)
	b.press("#firing", "Add a matcher")
	b.do(chromedp.KeyEvent("nonsense"))
	b.wait(text("#firing .found.bad"), `"nonsense" is no matcher: expected name="value"`)
	for range len("nonsense") {
		b.do(chromedp.KeyEvent(kb.Backspace))
	}
	b.do(chromedp.KeyEvent(`zone=~"a|b"`))
	b.wait(text("#firing .found"), "Matches 2 alerts that fire now.")
	back.set(func(p *pipeline) { p.alerts[0].Summary = "more" })
	b.wait(text("#firing .text"), "more")

	// The lengths are radio buttons; the button says what it does.
	b.eval("document.querySelector('#firing .choices input:checked').focus()")
	b.do(chromedp.KeyEvent(kb.ArrowRight))
	b.press("#firing", "Silence for 4 h")
	b.wait(text("#headline"), "All quiet, 1 silenced")
	b.wait("document.querySelector('#calm details').open", "true")
	b.wait("document.querySelector('#calm').contains(document.activeElement)", "true")
	s := back.last(t).Silence
	if want := []string{`alertname="ErrorSpike"`, `service_name="checkout"`, `zone=~"a|b"`}; s == nil || !slices.Equal(s.Matchers, want) {
		t.Fatalf("the silence is %+v, expected the matchers %v", s, want)
	}
	if d := s.EndsAt.Sub(s.StartsAt); d != 4*time.Hour || s.Comment != "deploying" || s.CreatedBy != "ana" {
		t.Errorf("the silence is %+v, it lasts %v", s, d)
	}
	b.wait("/^silenced until \\d\\d:\\d\\d$|^silenced until .*, \\d\\d:\\d\\d$/.test(document.querySelector('#calm .tag').textContent)", "true")
	b.wait("document.querySelector('#calm .facts dd').textContent.startsWith('by ana until ')", "true")
	b.healthy()
}

// A label of any kind makes a matcher that says the same, and Escape leaves the form.
func TestMatchersOfHostileLabels(t *testing.T) {
	b, back := open(t)
	if b == nil {
		return
	}
	back.set(func(p *pipeline) { p.alerts[0].Labels = label.New("a b", "x\"y\\z\nw", "note", hostile) })
	b.wait("document.querySelector('#firing .labels').textContent.startsWith('x')", "true")
	b.press("#firing", "Silence…")
	b.wait("[...document.querySelectorAll('#firing .matchers input')].map(i => i.value).join()",
		`"a b"="x\"y\\z\nw",note="`+strings.ReplaceAll(hostile, `"`, `\"`)+`"`)
	b.do(chromedp.KeyEvent(kb.Escape))
	b.wait("document.querySelectorAll('#firing form').length", "0")
	b.wait("document.activeElement.textContent", "Silence…")
	b.healthy()
}

func TestWhyShowsWhatWasDecided(t *testing.T) {
	b, back := open(t)
	if b == nil {
		return
	}
	at := func(s int) string { return time.Now().Add(time.Duration(s-60) * time.Second).Format(time.RFC3339) }
	back.decisions = []any{
		map[string]any{"at": at(0), "decision": "fired", "reason": hostile},
		map[string]any{"at": at(1), "decision": "failed", "receiver": "pager", "reason": "503"},
		map[string]any{"at": at(2), "decision": "failed", "receiver": "pager", "reason": "503"},
		map[string]any{"at": at(3), "decision": "sent", "receiver": "pager", "reason": "first notification"},
		map[string]any{"at": at(4), "decision": "acknowledged", "by": hostile},
		map[string]any{"at": at(5), "decision": "invented since"},
	}
	b.press("#firing", "Why?")
	b.wait("[...document.querySelectorAll('.timeline b')].map(e => e.textContent).join(' | ')",
		"Fired | pager could not be told | pager was told | Acknowledged by "+hostile+" | invented since")
	b.wait(text(".timeline .reason"), hostile)
	b.wait("document.querySelector('.timeline .times').textContent.startsWith('2 times, last at ')", "true")
	b.wait(pressed("#firing", "Why?")+".getAttribute('aria-expanded')", "true")
	if asked := back.asked; !slices.Contains(asked, "0000000000000007 86400s") {
		t.Errorf("asked was %q", asked)
	}
	b.press("#firing", "Why?")
	b.wait("document.querySelectorAll('.timeline').length", "0")
	b.healthy()
}

// What goes wrong is said where the button is, and a page that may not change anything says so.
func TestCommandsThatFail(t *testing.T) {
	b, back := open(t)
	if b == nil {
		return
	}
	b.eval("localStorage.setItem('freshet-name', 'ana')")
	b.do(chromedp.Reload())
	back.refuse = http.StatusServiceUnavailable
	b.press("#firing", "Acknowledge")
	b.wait(text("#firing .actions .error"), "refused: "+hostile)
	b.wait("document.querySelector('#read-only').hidden", "true")
	b.wait(pressed("#firing", "Acknowledge")+".disabled", "false")

	back.refuse = http.StatusForbidden
	b.press("#firing", "Acknowledge")
	b.wait(text("#read-only"), "Nothing can be changed on this page: refused: "+hostile)
	b.wait("Boolean("+pressed("main", "Acknowledge")+" || "+pressed("main", "New silence…")+")", "false")
	b.wait("Boolean("+pressed("main", "Why?")+")", "true")
	b.healthy()
}

func TestAlertsSayHowTheyStand(t *testing.T) {
	b := start(t, 1280, 900)
	if b == nil {
		return
	}
	now := time.Now()
	peak := 900.0
	with := func(fp label.Fingerprint, rule string, change func(*web.Alert)) web.Alert {
		a := firing(rule, now.Add(-time.Minute))
		a.Fingerprint = fp
		change(&a)
		return a
	}
	p := newPipeline()
	p.silences = []web.Silence{{ID: "s", State: "active", Matchers: []string{`a="b"`}, EndsAt: now.Add(time.Hour), By: hostile, Comment: hostile}}
	p.alerts = []web.Alert{
		with(1, "Told", func(a *web.Alert) {
			a.Receivers, a.Notified, a.LastError, a.Peak = []string{"slack", "pager"}, now, hostile, &peak
		}),
		with(2, "Flaps", func(a *web.Alert) { a.Flapping, a.Calm, a.MutedBy = 6, now.Add(time.Minute), []string{"weekends"} }),
		with(3, "Silenced", func(a *web.Alert) { a.SilencedBy = []string{"s"} }),
		with(4, "Inhibited", func(a *web.Alert) { a.InhibitedBy = []label.Fingerprint{1} }),
		with(5, "Soon", func(a *web.Alert) { a.State = finding.Pending }),
	}
	back := newBackend(t, p)
	b.do(chromedp.Navigate(back.server.URL))
	b.wait(text("#headline"), "2 alerts firing, 1 silenced, 1 inhibited")
	b.wait("document.title", "(2) freshet")
	facts := func(rule string) string {
		return fmt.Sprintf(`[...[...document.querySelectorAll('.alert')].find(a => a.querySelector('.name').textContent === %q).querySelectorAll('.facts > div')]
			.map(f => f.querySelector('dt').textContent + ': ' + f.querySelector('dd').textContent).join('\n')`, rule)
	}
	for rule, wants := range map[string][]string{
		"Told":      {"Receivers: slack, pager; last told at ", "Not delivered: " + hostile, "Peak: 900"},
		"Flaps":     {"Flapping: fired 6 times of late; its end counts at ", "Muted: by the time interval weekends"},
		"Silenced":  {"Silenced: by " + hostile + " until ", ": " + hostile},
		"Inhibited": {"Inhibited: by Told"},
	} {
		got := b.eval(facts(rule))
		for _, want := range wants {
			if !strings.Contains(got, want) {
				t.Errorf("%s says\n%s\nexpected %q", rule, got, want)
			}
		}
	}
	b.wait("[...document.querySelectorAll('#now .tag')].map(e => e.textContent.replace(/until .*/, 'until')).sort().join()",
		"flapping, 6 times,inhibited by Told,muted by weekends,not delivered,silenced until")
	// The alert that inhibits another is a step away.
	b.eval("document.querySelector('#calm details .facts a').click()")
	b.wait(text("#firing details[open] .name"), "Told")
	b.healthy()
}
