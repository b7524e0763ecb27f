// Package apiv2 is Alertmanager's API, version 2, over freshet's alerter: amtool, Grafana's Alertmanager data source and
// Prometheus speak it.
//
//	mux.Handle("/api/v2/", apiv2.New(apiv2.Options{Alerts: …, Do: …, Post: …}))
//
// What is written is answered when it is in Kafka, so any instance can take it. What is read comes from the active alerter.
package apiv2

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/go-openapi/strfmt"
	"github.com/prometheus/alertmanager/api/v2/models"
	"github.com/prometheus/alertmanager/pkg/labels"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/detect/finding"
)

// Options are what the API works on. All functions are called by several requests at a time.
type Options struct {
	// Alerts, Groups and Silences give how things stand; Silences gives nil where no alerter is active.
	Alerts   func() []alert.View
	Groups   func() []alert.GroupView
	Silences func() []alert.SilenceView
	// Setting gives the configuration, which may change.
	Setting func() Setting
	// Do keeps what somebody decides, Post findings, and both return when they are kept.
	Do   func(context.Context, *alert.Command) error
	Post func(context.Context, []*finding.Finding) error

	Version string
	Started time.Time
	Log     *slog.Logger
	// Now is the clock, by default time.Now.
	Now func() time.Time
}

// Setting is what the API needs of the configuration.
type Setting struct {
	// Receivers are the names of the receivers, Config is the text in Alertmanager's format without secrets.
	Receivers []string
	Config    string
	// ResolveTimeout is when an alert that is posted without an end counts as over.
	ResolveTimeout time.Duration
}

// maxBody bounds a request.
const maxBody = 32 << 20

type api struct{ Options }

// New returns the handler of /api/v2/.
func New(o Options) http.Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	a := &api{o}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v2/status", a.status)
	mux.HandleFunc("GET /api/v2/receivers", a.receivers)
	mux.HandleFunc("GET /api/v2/alerts", a.alerts)
	mux.HandleFunc("POST /api/v2/alerts", a.post)
	mux.HandleFunc("GET /api/v2/alerts/groups", a.groups)
	mux.HandleFunc("GET /api/v2/silences", a.silences)
	mux.HandleFunc("POST /api/v2/silences", a.addSilence)
	mux.HandleFunc("GET /api/v2/silence/{id}", a.silence)
	mux.HandleFunc("DELETE /api/v2/silence/{id}", a.expireSilence)
	mux.HandleFunc("/api/v2/", func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, http.StatusNotFound, fmt.Errorf("%s %s is not in Alertmanager's API version 2", r.Method, r.URL.Path))
	})
	return mux
}

func (a *api) status(w http.ResponseWriter, _ *http.Request) {
	uptime, off, unknown := strfmt.DateTime(a.Started), models.ClusterStatusStatusDisabled, ""
	config := a.Setting().Config
	a.answer(w, &models.AlertmanagerStatus{
		Uptime: &uptime, Config: &models.AlertmanagerConfig{Original: &config},
		VersionInfo: &models.VersionInfo{Version: &a.Version, Revision: &unknown, Branch: &unknown, BuildUser: &unknown,
			BuildDate: &unknown, GoVersion: &unknown},
		// Instances find each other through Kafka, so there is no cluster of the kind that Alertmanager has.
		Cluster: &models.ClusterStatus{Status: &off, Peers: []*models.PeerStatus{}},
	})
}

func (a *api) receivers(w http.ResponseWriter, _ *http.Request) {
	names := a.Setting().Receivers
	out := make([]*models.Receiver, 0, len(names))
	for _, name := range names {
		out = append(out, &models.Receiver{Name: &name, Labels: models.LabelSet{}})
	}
	a.answer(w, out)
}

// filter is what a request asks for.
type filter struct {
	matchers labels.Matchers
	receiver *regexp.Regexp
	// without are the states that are not asked for.
	without map[string]bool
}

// newFilter reads the parameters of a request: filter (more than one), receiver, and names of states with true or false.
func newFilter(r *http.Request, states ...string) (*filter, error) {
	q := r.URL.Query()
	f := &filter{without: map[string]bool{}}
	for _, text := range q["filter"] {
		ms, err := alert.ParseMatchers(text)
		if err != nil {
			return nil, fmt.Errorf("filter %q is no matcher: expected name=\"value\", or !=, =~, !~: %w", text, err)
		}
		f.matchers = append(f.matchers, ms...)
	}
	if text := q.Get("receiver"); text != "" {
		re, err := regexp.Compile("^(?:" + text + ")$")
		if err != nil {
			return nil, fmt.Errorf("receiver: expected a regular expression: %w", err)
		}
		f.receiver = re
	}
	for _, name := range states {
		if text := q.Get(name); text != "" {
			b, err := strconv.ParseBool(text)
			if err != nil {
				return nil, fmt.Errorf("%s is %q, expected true or false", name, text)
			}
			f.without[name] = !b
		}
	}
	return f, nil
}

// matches says whether labels match; get gives the value of one.
func (f *filter) matches(get func(string) string) bool {
	return !slices.ContainsFunc(f.matchers, func(m *labels.Matcher) bool { return !m.Matches(get(m.Name)) })
}

func (f *filter) received(receivers []string) bool {
	return f.receiver == nil || slices.ContainsFunc(receivers, f.receiver.MatchString)
}

func (a *api) answer(w http.ResponseWriter, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		a.fail(w, http.StatusInternalServerError, fmt.Errorf("encoding the answer: %w", err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(b) // an error means that the reader went away
}

// fail answers with an error as Alertmanager does: a JSON string.
func (a *api) fail(w http.ResponseWriter, code int, err error) {
	if code >= http.StatusInternalServerError {
		a.Log.Warn("a request to the API failed", slog.Any("error", err))
	}
	b, _ := json.Marshal(err.Error()) // a string always encodes
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(b)
}

// decode reads the body of a request, and answers when it cannot.
func (a *api) decode(w http.ResponseWriter, r *http.Request, into any) bool {
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(into)
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		a.fail(w, http.StatusRequestEntityTooLarge, fmt.Errorf("the request has more than %d bytes", tooLarge.Limit))
		return false
	}
	if err != nil {
		a.fail(w, http.StatusBadRequest, fmt.Errorf("the request is not the JSON that is expected: %w", err))
	}
	return err == nil
}
