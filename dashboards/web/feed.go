package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// update is one event of a stream. The overview and the silences are left out while they are as they were. Series are all that
// are shown, each with the points since the update before it, or all when it was not shown then.
type update struct {
	Status   Status          `json:"status"`
	Overview json.RawMessage `json:"overview,omitempty"`
	Silences json.RawMessage `json:"silences,omitempty"`
	Series   []Series        `json:"series"`
}

// lineKey names a series.
type lineKey struct{ rule, group string }

// snapshot is what there is to show at one time, made once for all pages that are open. Each leads to the one after it, so
// that a page that reads slowly misses none.
type snapshot struct {
	at       time.Time
	status   Status
	overview json.RawMessage
	silences json.RawMessage
	lines    map[lineKey]time.Time // the time of the last point of each series
	// changes is the update since the snapshot before.
	changes []byte
	err     error // of what cannot be encoded

	followed chan struct{} // closed when next is there
	next     *snapshot
}

// feed makes the snapshots: no more than one in an interval, and none while nobody asks.
type feed struct {
	page *Page

	mu     sync.Mutex
	newest *snapshot
}

// current returns the newest snapshot, a new one if an interval has passed since.
func (f *feed) current(now time.Time) *snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.newest == nil || now.Sub(f.newest.at) >= f.page.options.Interval {
		f.advance(now)
	}
	return f.newest
}

// after returns the snapshot that follows s, which is made now if there is none.
func (f *feed) after(s *snapshot, now time.Time) *snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.next == nil {
		f.advance(now)
	}
	return s.next
}

func (f *feed) advance(now time.Time) {
	before := f.newest
	f.newest = f.page.snapshot(before, now)
	if before != nil {
		before.next = f.newest
		close(before.followed)
	}
}

// snapshot returns what there is to show now, and what of it was not shown before.
func (p *Page) snapshot(before *snapshot, now time.Time) *snapshot {
	s := &snapshot{at: now, status: p.status(), followed: make(chan struct{})}
	var known map[lineKey]time.Time
	u := update{Status: s.status}
	if s.overview, s.err = json.Marshal(overviewOf(p.alerts())); s.err == nil {
		s.silences, s.err = json.Marshal(p.silences())
	}
	if before == nil {
		u.Overview, u.Silences = s.overview, s.silences
	} else {
		known = before.lines
		if !bytes.Equal(s.overview, before.overview) {
			u.Overview = s.overview
		}
		if !bytes.Equal(s.silences, before.silences) {
			u.Silences = s.silences
		}
	}
	u.Series, s.lines = p.advanced(known)
	if s.err == nil {
		s.changes, s.err = json.Marshal(u)
	}
	if s.err != nil {
		s.err = fmt.Errorf("encoding an update: %w", s.err)
	}
	return s
}

// advanced returns the series with the points that are not known, and the time of the last point of each.
func (p *Page) advanced(known map[lineKey]time.Time) ([]Series, map[lineKey]time.Time) {
	// Since the earliest of the last points: groups advance together, so that is a bucket or two.
	var since time.Time
	for _, last := range known {
		if since.IsZero() || last.Before(since) {
			since = last
		}
	}
	series := p.series(since)
	var whole map[lineKey]Series
	lines := make(map[lineKey]time.Time, len(series))
	for i := range series {
		s := &series[i]
		key := lineKey{s.Rule, s.Group}
		last, found := known[key]
		if !found && !since.IsZero() && whole == nil {
			whole = make(map[lineKey]Series)
			for _, w := range p.series(time.Time{}) {
				whole[lineKey{w.Rule, w.Group}] = w
			}
		}
		if w, ok := whole[key]; ok && !found {
			s.Points = w.Points
		}
		// The last point given may have grown since, so it is given again.
		for found && len(s.Points) > 0 && s.Points[0].Time.Before(last) {
			s.Points = s.Points[1:]
		}
		lines[key] = last
		if n := len(s.Points); n > 0 {
			lines[key] = s.Points[n-1].Time
		}
	}
	return series, lines
}

// whole encodes everything that a page shows which opens at a snapshot. Its series may be newer: what follows gives their last
// points again.
func (p *Page) whole(s *snapshot) ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	data, err := json.Marshal(update{Status: s.status, Overview: s.overview, Silences: s.silences, Series: p.series(time.Time{})})
	if err != nil {
		return nil, fmt.Errorf("encoding the page's data: %w", err)
	}
	return data, nil
}
