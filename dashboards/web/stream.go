package web

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

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

	s := p.feed.current(time.Now())
	event := "all"
	data, err := p.whole(s)
	for {
		if err == nil {
			err = p.send(w, event, data)
		}
		if err != nil {
			p.options.Log.Debug("a live page ends", "err", err)
			return
		}
		// The first page whose time has come makes the snapshot that all others are given too.
		due := time.NewTimer(p.options.Interval - time.Since(s.at))
		select {
		case <-r.Context().Done():
			due.Stop()
			return
		case <-p.closed:
			due.Stop()
			return
		case <-s.followed:
			due.Stop()
		case <-due.C:
		}
		s = p.feed.after(s, time.Now())
		event, data, err = "update", s.changes, s.err
	}
}

// send writes one event within a time limit of its own, so that a reader that hangs does not stay, and a server's limit
// for whole answers does not end the stream.
func (p *Page) send(w http.ResponseWriter, event string, data []byte) error {
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
