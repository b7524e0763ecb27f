package alert

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/freshet-dev/freshet/rules/label"
)

// The prefixes of the keys in the topic freshet.notifications.
const (
	alertPrefix      = "alert/"
	sentPrefix       = "sent/"
	silencePrefix    = "silence/"
	statisticsPrefix = "statistics/"
	callsPrefix      = "calls/"
	aliveKey         = "alive" // tells nothing but that it can be written
)

// incidents is a set, written as base64 of 8 bytes each: a group of ten thousand alerts still fits one record.
type incidents map[incident]struct{}

func (s incidents) has(i incident) bool { _, ok := s[i]; return ok }

func incidentsOf(alerts []*state) incidents {
	s := make(incidents, len(alerts))
	for _, a := range alerts {
		s[a.Incident] = struct{}{}
	}
	return s
}

// MarshalText implements encoding.TextMarshaler.
func (s incidents) MarshalText() ([]byte, error) {
	raw := make([]byte, 0, 8*len(s))
	for _, i := range slices.Sorted(maps.Keys(s)) {
		raw = binary.BigEndian.AppendUint64(raw, uint64(i))
	}
	return []byte(base64.RawStdEncoding.EncodeToString(raw)), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *incidents) UnmarshalText(text []byte) error {
	raw, err := base64.RawStdEncoding.DecodeString(string(text))
	if err != nil {
		return fmt.Errorf("a set of incidents is no base64: %w", err)
	}
	if len(raw)%8 != 0 {
		return fmt.Errorf("a set of incidents has %d bytes, expected a multiple of 8", len(raw))
	}
	*s = make(incidents, len(raw)/8)
	for len(raw) > 0 {
		(*s)[incident(binary.BigEndian.Uint64(raw))] = struct{}{}
		raw = raw[8:]
	}
	return nil
}

// entry is the ledger's page for one group and one integration: what was told, and what is being told. Intent and done
// are the same record: while Intent is set it has no done.
type entry struct {
	Route       string    `json:"route"`
	Integration string    `json:"integration"`
	GroupKey    string    `json:"group_key"`
	GroupLabels label.Set `json:"group_labels"`
	told
	// BeforeDry is what was told before a dry run, nil when nothing was told in one since.
	BeforeDry *told   `json:"before_dry_run,omitempty"`
	Intent    *intent `json:"intent,omitempty"`
	// Missed are incidents that were over before they were heard of, and that it is still to be told of.
	Missed incidents `json:"missed,omitempty"`
	// Notes wait to be told in the message's thread.
	Notes []Note `json:"notes,omitempty"`
	// Former are the names that it had before the configuration changed, by which the buttons of its message know it.
	Former []string `json:"former,omitempty"`

	key       string
	written   bool // whether the topic may hold a record of it
	to        Integration
	group     *group
	lastError string
	heldBack  string // what holds a remediation back, as last recorded
}

// told is what an integration was told of a group.
type told struct {
	// At is when the last notification was delivered, Firing who fired in it.
	At     time.Time `json:"at,omitzero"`
	Firing incidents `json:"firing,omitempty"`
	// News is when the last one was delivered that was no mere edit, as those notify nobody: repeat_interval and
	// group_interval count from it, At spaces edits.
	News time.Time `json:"news,omitzero"`
	// Content is a hash of what it said, Ref the name of the message.
	Content uint64 `json:"content,omitempty"`
	Ref     string `json:"ref,omitempty"`
	// Stands is a hash of the measures that the message shows.
	Stands uint64 `json:"stands,omitempty"`
	// Repeats counts the reminders since anything new was told.
	Repeats int `json:"repeats,omitempty"`
}

// name is how commands name the entry's group.
func (e *entry) name() string { return strings.TrimPrefix(e.key, sentPrefix) }

// unlearn forgets that it was told, or is to be told, of alerts.
func (e *entry) unlearn(alerts []*state) {
	for _, s := range alerts {
		e.heard(s)
		delete(e.Firing, s.Incident)
		for _, i := range s.Earlier {
			delete(e.Firing, i)
		}
	}
}

// forget has the next incident get a message of its own.
func (e *entry) forget() {
	e.Ref, e.Content, e.Notes, e.Repeats = "", 0, nil, 0
	if e.BeforeDry == nil { // else the message from before the dry run is edited again
		e.Former = nil
	}
}

// intent is a notification that was decided on. It may be sent once it is committed.
type intent struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Reason  Reason    `json:"reason"`
	// Firing, Resolved and Moved are whom it tells of, the last as gone to other routes. Kept are muted ones that it leaves
	// out, and whose end is still to be told.
	Firing   incidents `json:"firing"`
	Resolved incidents `json:"resolved,omitempty"`
	Moved    incidents `json:"moved,omitempty"`
	Kept     incidents `json:"kept,omitempty"`
	Content  uint64    `json:"content,omitempty"`
	Stands   uint64    `json:"stands,omitempty"`
	Notes    []Note    `json:"notes,omitempty"`
	// Digest names the message about many that was last to tell of it.
	Digest string `json:"digest,omitempty"`

	phase    phase
	data     *Data // nil after a restart, made anew then
	attempts int
	restored bool
	retryAt  time.Time
	// stale: it is to be replaced unless it was delivered; undelivered: it is known not to be.
	stale, undelivered bool
}

// inDoubt says that an attempt may have delivered it.
func (i *intent) inDoubt() bool { return (i.restored || i.attempts > 0) && !i.undelivered }

// knows says whether the notification is about an incident.
func (i *intent) knows(one incident) bool {
	return i.Firing.has(one) || i.Resolved.has(one) || i.Moved.has(one) || i.Kept.has(one)
}

// tells says whether it tells of an alert.
func (i *intent) tells(s *state) bool {
	return s.among(i.Firing) || s.among(i.Resolved) || s.among(i.Moved)
}

// phase is how far an intent is: drafted, handed, ready, sending, and after a failure waiting, then ready again.
type phase int

const (
	drafted phase = iota // decided, not yet handed out to be committed
	handed               // handed out, not known to be committed
	ready                // committed: may be sent
	sending              // given to the sender
	waiting              // failed, to be tried again at retryAt
)

// sentKey is the key of an entry's record.
func sentKey(integration, routeID string, group label.Set) string {
	h := fnv.New128a()
	for _, part := range []string{integration, routeID, group.String()} {
		_, _ = h.Write([]byte(part))
		_, _ = h.Write([]byte{0xff})
	}
	return sentPrefix + hex.EncodeToString(h.Sum(nil))
}

// intentID is unique among all intents: an entry has one at a time, and they differ in time or content.
func intentID(e *entry, i *intent) string {
	h := fnv.New128a()
	_, _ = fmt.Fprintf(h, "%s\xff%s\xff%d\xff%d", e.key, i.Reason, i.Created.UnixNano(), e.At.UnixNano())
	for _, set := range []incidents{i.Firing, i.Resolved, i.Moved} {
		text, _ := set.MarshalText() // never fails
		_, _ = h.Write(append(text, 0xff))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// decodeState reads the record of an alert.
func decodeState(key string, value []byte) (*state, error) {
	s := new(state)
	if err := json.Unmarshal(value, s); err != nil {
		return nil, fmt.Errorf("decoding %s: %w", key, err)
	}
	if s.Fingerprint.String() != strings.TrimPrefix(key, alertPrefix) {
		return nil, fmt.Errorf("decoding %s: it holds fingerprint %s", key, s.Fingerprint)
	}
	if s.Resolved != nil && s.Firing == nil {
		return nil, fmt.Errorf("decoding %s: it ends an incident that did not begin", key)
	}
	if s.Raised && s.Raises == 0 && s.Began.IsZero() { // written by an older version
		s.Raises = len(s.Earlier)
	}
	if s.Raises < 0 || s.Raises > len(s.Earlier) {
		return nil, fmt.Errorf("decoding %s: it became more severe %d times and has %d earlier incidents", key, s.Raises, len(s.Earlier))
	}
	return s, nil
}

// decodeEntry reads the record of a ledger entry.
func decodeEntry(key string, value []byte) (*entry, error) {
	e := &entry{key: key}
	if err := json.Unmarshal(value, e); err != nil {
		return nil, fmt.Errorf("decoding %s: %w", key, err)
	}
	if want := sentKey(e.Integration, e.Route, e.GroupLabels); want != key {
		return nil, fmt.Errorf("decoding %s: its content belongs to key %s", key, want)
	}
	if e.News.IsZero() { // written by an older version
		e.News = e.At
	}
	if e.Intent != nil {
		if e.Intent.ID == "" {
			return nil, fmt.Errorf("decoding %s: %w", key, errors.New("an intent without an id"))
		}
		e.Intent.phase, e.Intent.restored = ready, true
	}
	return e, nil
}

// The rhythm of repeated attempts.
const (
	firstRetry     = time.Second
	longestRetry   = time.Minute
	permanentRetry = 5 * time.Minute
	// supersedeAfter is how old an undelivered notification must be before a newer state replaces it, so that a
	// receiver that comes back after long is not told an old story first. Until then both are delivered in order.
	supersedeAfter = time.Minute
	// mattersFor is how long a notification about alerts that are over is tried.
	mattersFor = 24 * time.Hour
)

// backoff returns how long to wait after a failed attempt. The jitter comes from the id, so that the same history leads
// to the same times, or from the digest, whose notifications are tried together again.
func (i *intent) backoff(o Outcome) time.Duration {
	unit := float64(xxhash.Sum64String(fmt.Sprintf("%s/%d", cmp.Or(i.Digest, i.ID), i.attempts))) / (1 << 64) // in [0, 1)
	if o.RetryAfter > 0 {
		return o.RetryAfter + time.Duration(unit*float64(o.RetryAfter)/10)
	}
	if o.Permanent {
		return permanentRetry + time.Duration(unit*float64(permanentRetry)/4)
	}
	wait := longestRetry
	if n := i.attempts - 1; n < 6 {
		wait = min(firstRetry<<max(n, 0), longestRetry)
	}
	return wait*3/4 + time.Duration(unit*float64(wait)/2)
}
