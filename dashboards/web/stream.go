package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"time"
)

// update is one event of a stream. Alerts and silences are left out while they are as they were. Series are all that are shown, each
// with the points since the update before it, or all when it was not shown then.
type update struct {
	Status   Status    `json:"status"`
	Alerts   []Alert   `json:"alerts,omitempty"`
	Silences []Silence `json:"silences,omitempty"`
	Series   []Series  `json:"series"`
	// AlertsKept and SilencesKept tell "none" from "as they were".
	AlertsKept   bool `json:"alerts_kept,omitempty"`
	SilencesKept bool `json:"silences_kept,omitempty"`
}

// lineKey names a series.
type lineKey struct{ rule, group string }

// follower is what one open page has been given.
type follower struct {
	page     *Page
	alerts   []Alert
	silences []Silence
	lines    map[lineKey]time.Time // the time of the last point of each series
	begun    bool
}

// next returns what has changed since it was called before.
func (f *follower) next() update {
	u := update{Status: f.page.status()}

	alerts := f.page.alerts()
	if f.begun && reflect.DeepEqual(alerts, f.alerts) {
		u.AlertsKept = true
	} else {
		u.Alerts, f.alerts = alerts, alerts
	}
	silences := f.page.silences()
	if f.begun && reflect.DeepEqual(silences, f.silences) {
		u.SilencesKept = true
	} else {
		u.Silences, f.silences = silences, silences
	}

	// Since the earliest of the last points: groups advance together, so that is a bucket or two.
	var since time.Time
	for _, last := range f.lines {
		if since.IsZero() || last.Before(since) {
			since = last
		}
	}
	u.Series = f.page.series(since)
	var whole map[lineKey]Series
	lines := make(map[lineKey]time.Time, len(u.Series))
	for i := range u.Series {
		s := &u.Series[i]
		key := lineKey{s.Rule, s.Group}
		last, known := f.lines[key]
		if !known && f.begun && whole == nil {
			whole = make(map[lineKey]Series)
			for _, w := range f.page.series(time.Time{}) {
				whole[lineKey{w.Rule, w.Group}] = w
			}
		}
		if w, found := whole[key]; found && !known {
			s.Points = w.Points
		}
		// The last point given may have grown since, so it is given again.
		for known && len(s.Points) > 0 && s.Points[0].Time.Before(last) {
			s.Points = s.Points[1:]
		}
		lines[key] = last
		if n := len(s.Points); n > 0 {
			lines[key] = s.Points[n-1].Time
		}
	}
	f.lines, f.begun = lines, true
	return u
}

// serveStream keeps a page up to date by Server-Sent Events until the reader leaves or the page is closed. A reader that
// connects again is given everything anew.
func (p *Page) serveStream(w http.ResponseWriter, r *http.Request) {
	select {
	case p.streams <- struct{}{}:
		defer func() { <-p.streams }()
	default:
		w.Header().Set("Retry-After", "10")
		http.Error(w, "too many pages are open; this one asks again now and then", http.StatusServiceUnavailable)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy in between passes events on at once

	ticker := time.NewTicker(p.options.Interval)
	defer ticker.Stop()
	f := follower{page: p}
	event := "all"
	for {
		if err := p.send(w, event, f.next()); err != nil {
			p.options.Log.Debug("a live page went away", "err", err)
			return
		}
		event = "update"
		select {
		case <-r.Context().Done():
			return
		case <-p.closed:
			return
		case <-ticker.C:
		}
	}
}

// send writes one event within a time limit of its own, so that a reader that hangs does not stay, and a server's limit
// for whole answers does not end the stream.
func (p *Page) send(w http.ResponseWriter, event string, u update) error {
	data, err := json.Marshal(u)
	if err != nil {
		return fmt.Errorf("encoding an update: %w", err)
	}
	control := http.NewResponseController(w)
	limit := 10*time.Second + p.options.Interval
	if err := control.SetWriteDeadline(time.Now().Add(limit)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("setting the time limit of an update: %w", err)
	}
	if _, err := fmt.Fprintf(w, "event: %s\nretry: 2000\ndata: %s\n\n", event, data); err != nil {
		return fmt.Errorf("sending an update: %w", err)
	}
	if err := control.Flush(); err != nil {
		return fmt.Errorf("sending an update: %w", err)
	}
	return nil
}
