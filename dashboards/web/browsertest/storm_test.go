package browsertest

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/freshet-dev/freshet/rules/label"
)

// In a storm the page lists a hundred; a link opens any, with its evidence, and the filter finds any.
func TestPageInAStorm(t *testing.T) {
	b := start(t, 1280, 900)
	if b == nil {
		return
	}
	p := newPipeline()
	for i := range 2000 {
		a := firing(fmt.Sprintf("Rule%04d", i), time.Now().Add(time.Duration(i)*time.Second))
		a.Fingerprint = label.Fingerprint(i + 1)
		p.alerts = append(p.alerts, a)
	}
	p.alerts[1999].InhibitedBy = []label.Fingerprint{3}
	page := p.page()
	server := httptest.NewServer(page)
	defer server.Close()
	defer page.Close()

	b.do(chromedp.Navigate(server.URL + "/?alert=0000000000000002"))
	b.wait(text("#headline"), "1999 alerts firing, 1 inhibited")
	b.wait(text("details[open] .name"), "Rule0001")
	b.wait(text("details[open] .record"), hostile)
	b.wait("document.querySelectorAll('#firing > .alert').length", "100")
	b.wait(text("#firing > .rest"), "and 1899 more: filter to find them")

	// One that is beside the list is kept up to date, and evidence is asked for anew when it is another.
	p.set(func(p *pipeline) { p.alerts[1].Samples[0].Text = "another" })
	b.wait(text("details[open] .record"), "another")
	b.do(chromedp.Click("#firing summary"))
	b.wait(text("#firing > li:first-child .record"), hostile)
	p.set(func(p *pipeline) { p.alerts[1998].Samples[0].Text = "another" })
	b.wait(text("#firing > li:first-child .record"), "another")

	// So is one that a listed alert names.
	b.do(chromedp.Click("#calm summary"))
	b.wait(text("#calm details[open] .record"), hostile)
	b.do(chromedp.Click("#calm details[open] .facts a"))
	b.wait("[...document.querySelectorAll('details[open] .name')].some(e => e.textContent === 'Rule0002')", "true")

	b.do(chromedp.SendKeys("#filter", "rule0042"))
	b.wait("document.querySelectorAll('#firing > .alert').length", "2") // and that of the link
	b.wait(text("#firing .name"), "Rule0042")
	b.wait(text("#headline"), "1999 alerts firing, 1 inhibited")
	b.healthy()
}
