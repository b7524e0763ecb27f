// Package web is freshet's page at "/": the alerts of now and before, and a live chart of each rule's measure with its
// threshold. Everything that the page needs is embedded; it asks no other host for anything.
//
// The page knows nothing of the pipeline. It is given functions that say what to show, and asks them about once a second
// for all pages that are open:
//
//	charts := web.NewCharts(web.ChartsOptions{})
//	page := web.New(web.Options{Alerts: alerts, Silences: silences, Series: charts.Series, Status: status})
//	server.RegisterOnShutdown(page.Close)
//	mux.Handle("/", page)
//
// The same data is at /api/freshet/overview, silences, series and status as JSON, and at /api/freshet/stream as Server-Sent
// Events. The overview lists a hundred alerts without their evidence, and counts all; ?filter= asks for those with words in
// them. An open alert is asked for by its fingerprint, at /api/freshet/alerts/0123456789abcdef; all are at /api/freshet/alerts.
//
// What people do on the page is sent to addresses that whoever serves the page serves too: an alert.Command goes to
// POST /api/freshet/commands; GET /api/freshet/decisions says what was decided about an alert, /api/freshet/statistics how
// rules do, and Alertmanager's /api/v2/alerts which alerts matchers match. Where commands are refused or not served the
// page is one to read.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/freshet-dev/freshet/rules/label"
)

//go:embed static
var static embed.FS

// Options configure a Page. A function that is nil gives nothing. They are called by several requests at a time.
type Options struct {
	// Alerts gives the alerts that are pending or firing now and the resolved ones of some time before.
	Alerts func() []Alert
	// Alert gives one of them; nil looks for it among all.
	Alert func(label.Fingerprint) (Alert, bool)
	// Silences gives the silences: those that mute or will, and the expired ones of some time before.
	Silences func() []Silence
	// Series gives the measures of the rules with their points at since or later; Charts.Series is such a function.
	Series func(since time.Time) []Series
	// Status gives the state of the pipeline.
	Status func() Status
	// Interval is the time between two updates of an open page, by default a second and at most five.
	Interval time.Duration
	// Streams bounds the open pages that are updated live, by default 64. Those beyond ask now and then instead.
	Streams int
	// Log receives what goes wrong; nil drops it.
	Log *slog.Logger
	// Now is the clock, by default time.Now.
	Now func() time.Time
}

// Page is the handler of the page and of the addresses below it.
type Page struct {
	options Options
	mux     *http.ServeMux
	files   map[string]file
	streams chan struct{} // holds a token for each open stream
	feed    feed

	closing sync.Once
	closed  chan struct{}
}

// New returns the page.
func New(o Options) *Page {
	if o.Alerts == nil {
		o.Alerts = func() []Alert { return nil }
	}
	if o.Alert == nil {
		all := o.Alerts
		o.Alert = func(fp label.Fingerprint) (Alert, bool) {
			alerts := all()
			i := slices.IndexFunc(alerts, func(a Alert) bool { return a.Fingerprint == fp })
			if i < 0 {
				return Alert{}, false
			}
			return alerts[i], true
		}
	}
	if o.Silences == nil {
		o.Silences = func() []Silence { return nil }
	}
	if o.Series == nil {
		o.Series = func(time.Time) []Series { return nil }
	}
	if o.Status == nil {
		o.Status = func() Status { return Status{} }
	}
	if o.Interval <= 0 {
		o.Interval = time.Second
	}
	// A page that hears nothing for eight seconds takes the connection for lost.
	o.Interval = min(o.Interval, 5*time.Second)
	if o.Streams <= 0 {
		o.Streams = 64
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	p := &Page{
		options: o,
		mux:     http.NewServeMux(),
		files:   loadFiles(),
		streams: make(chan struct{}, o.Streams),
		closed:  make(chan struct{}),
	}
	p.feed.page = p
	p.mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { p.serveStatic(w, r, "index.html") })
	p.mux.HandleFunc("GET /static/{name}", func(w http.ResponseWriter, r *http.Request) {
		p.serveStatic(w, r, r.PathValue("name"))
	})
	p.mux.HandleFunc("GET /api/freshet/alerts", p.serveAlerts)
	p.mux.HandleFunc("GET /api/freshet/alerts/{fingerprint}", p.serveAlert)
	p.mux.HandleFunc("GET /api/freshet/overview", p.serveOverview)
	p.mux.HandleFunc("GET /api/freshet/silences", p.serveSilences)
	p.mux.HandleFunc("GET /api/freshet/series", p.serveSeries)
	p.mux.HandleFunc("GET /api/freshet/status", p.serveStatus)
	p.mux.HandleFunc("GET /api/freshet/stream", p.serveStream)
	return p
}

// Close ends the open streams, so that a server can shut down. The page itself goes on to answer.
func (p *Page) Close() { p.closing.Do(func() { close(p.closed) }) }

// ServeHTTP implements http.Handler.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy",
		"default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	p.mux.ServeHTTP(w, r)
}

// serveStatic gives one embedded file. Names carry no version, so browsers ask each time whether theirs is still good.
func (p *Page) serveStatic(w http.ResponseWriter, r *http.Request, name string) {
	f, found := p.files[name]
	if !found {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", f.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
}

// serveJSON gives one value of the page's data.
func (p *Page) serveJSON(w http.ResponseWriter, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		p.options.Log.Error("encoding the page's data failed", "err", err)
		http.Error(w, "the data could not be encoded; freshet's log says why", http.StatusInternalServerError)
		return
	}
	serveBody(w, body)
}

// serveBody gives what is encoded already.
func serveBody(w http.ResponseWriter, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(body) // an error means that the reader went away
}

func (p *Page) serveAlerts(w http.ResponseWriter, _ *http.Request) { p.serveJSON(w, p.alerts()) }

// serveAlert gives one alert with its evidence.
func (p *Page) serveAlert(w http.ResponseWriter, r *http.Request) {
	var fp label.Fingerprint
	if fp.UnmarshalText([]byte(r.PathValue("fingerprint"))) == nil {
		if a, found := p.options.Alert(fp); found {
			p.serveJSON(w, a)
			return
		}
	}
	http.Error(w, "no alert has this fingerprint", http.StatusNotFound)
}

// serveOverview gives what open pages list, or of ?filter= the alerts with all of its words.
func (p *Page) serveOverview(w http.ResponseWriter, r *http.Request) {
	if words := strings.Fields(r.URL.Query().Get("filter")); len(words) > 0 {
		p.serveJSON(w, overviewOf(filtered(p.alerts(), words)))
		return
	}
	s := p.feed.current(time.Now())
	if s.err != nil {
		p.options.Log.Error("encoding the page's data failed", "err", s.err)
		http.Error(w, "the data could not be encoded; freshet's log says why", http.StatusInternalServerError)
		return
	}
	serveBody(w, s.overview)
}

func (p *Page) serveSilences(w http.ResponseWriter, _ *http.Request) { p.serveJSON(w, p.silences()) }

func (p *Page) serveStatus(w http.ResponseWriter, _ *http.Request) { p.serveJSON(w, p.status()) }

// serveSeries gives the points of ?since= (seconds since 1970) and later, by default all.
func (p *Page) serveSeries(w http.ResponseWriter, r *http.Request) {
	var since time.Time
	if text := r.URL.Query().Get("since"); text != "" {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			http.Error(w, fmt.Sprintf("since is %q, expected whole seconds since 1970", text), http.StatusBadRequest)
			return
		}
		since = time.Unix(seconds, 0)
	}
	p.serveJSON(w, p.series(since))
}

// alerts returns the alerts in the order of the page, never nil.
func (p *Page) alerts() []Alert {
	alerts := slices.Clone(p.options.Alerts())
	slices.SortStableFunc(alerts, compareAlerts)
	return append([]Alert{}, alerts...)
}

// silences returns the silences, never nil: those that mute first, then those that will, each as they end.
func (p *Page) silences() []Silence {
	silences := slices.Clone(p.options.Silences())
	slices.SortStableFunc(silences, compareSilences)
	return append([]Silence{}, silences...)
}

// series returns the series, never nil.
func (p *Page) series(since time.Time) []Series {
	return append([]Series{}, p.options.Series(since)...)
}

// status returns the status with the server's clock, so that a page whose clock is wrong still draws the right time.
func (p *Page) status() Status {
	s := p.options.Status()
	s.Now = p.options.Now()
	if s.State == "" {
		s.State = Starting
	}
	return s
}

// file is one embedded file as it is served.
type file struct {
	content     []byte
	contentType string
	etag        string
}

// contentTypes are given here because the system's table may say otherwise, and browsers run modules of the right type
// only.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	default:
		return "application/octet-stream"
	}
}

// loadFiles reads the embedded files by their names.
func loadFiles() map[string]file {
	out := make(map[string]file)
	names, _ := fs.Glob(static, "static/*") // the pattern is well formed
	for _, name := range names {
		content, err := static.ReadFile(name)
		if err != nil {
			continue // a folder
		}
		sum := sha256.Sum256(content)
		out[path.Base(name)] = file{content, contentType(name), `"` + hex.EncodeToString(sum[:8]) + `"`}
	}
	return out
}
