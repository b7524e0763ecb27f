package webhook

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/webhook/webhooktest"
)

// mends is a webhook that mends.
func mends() alert.WebhookConfig {
	return alert.WebhookConfig{Remediation: &alert.RemediationConfig{}, Timeout: 30 * time.Second}
}

func TestRemediationBody(t *testing.T) {
	s := webhooktest.New(t)
	n := notification()
	n.Attempt = 2
	s.Always(webhooktest.Status(202, "restarted 3 pods\nof 3"))
	o, err := deliver(t, s, mends(), n)
	if err != nil || !regexp.MustCompile(`^POST http://127\.0\.0\.1:\d+/… answered in \d+(\.\d+)?m?s: 202 Accepted: restarted 3 pods$`).MatchString(o.Note) {
		t.Errorf("got %+v, %v", o, err)
	}
	var body Message
	if err := json.Unmarshal(s.Requests()[0].Body, &body); err != nil {
		t.Fatal(err)
	}
	want := Remediation{ID: n.ID, Incidents: []string{"00000000000000aa-1772359200", "00000000000000bb-1772359200"}, Attempt: 2}
	if got := body.Remediation; got == nil || got.ID != want.ID || got.Attempt != 2 || !slices.Equal(got.Incidents, want.Incidents) {
		t.Errorf("remediation is %+v, want %+v", got, want)
	}
}

// What came of a call is known, or it is said that it is not.
func TestRemediationOutcomes(t *testing.T) {
	for name, tc := range map[string]struct {
		fault     webhooktest.Fault
		unknown   bool
		permanent bool
		rest      time.Duration
		note      string
	}{
		"hangs":            {fault: webhooktest.Hang(true), unknown: true, note: "gave no answer in .*: it is not known whether it was carried out"},
		"cut before":       {fault: webhooktest.CutBefore(), unknown: true, note: "gave no answer"},
		"cut after":        {fault: webhooktest.CutAfter(), unknown: true, note: "gave no answer"},
		"fails":            {fault: webhooktest.Status(500, "half done"), unknown: true, note: "500 Internal Server Error: half done .it is not known"},
		"gateway":          {fault: webhooktest.Status(504, ""), unknown: true, note: "504 Gateway Timeout"},
		"overloaded":       {fault: webhooktest.Unavailable(5 * time.Second), rest: 5 * time.Second, note: "503 Service Unavailable$"},
		"unavailable":      {fault: webhooktest.Status(503, ""), unknown: true, note: "503 Service Unavailable .it is not known"},
		"fails, rests":     {fault: webhooktest.Resting(500, 5*time.Second), unknown: true, rest: 5 * time.Second, note: "500 .* .it is not known"},
		"bad, rests":       {fault: webhooktest.Resting(502, 5*time.Second), unknown: true, rest: 5 * time.Second, note: "502 .* .it is not known"},
		"gateway, rests":   {fault: webhooktest.Resting(504, 5*time.Second), unknown: true, rest: 5 * time.Second, note: "504 .* .it is not known"},
		"timeout, rests":   {fault: webhooktest.Resting(408, 5*time.Second), unknown: true, rest: 5 * time.Second, note: "408 .* .it is not known"},
		"too many":         {fault: webhooktest.TooMany(5 * time.Second), rest: 5 * time.Second, note: "429 Too Many Requests$"},
		"refuses":          {fault: webhooktest.Status(403, "no"), permanent: true, note: "403 Forbidden: no$"},
		"sends elsewhere":  {fault: webhooktest.Redirect("/elsewhere"), permanent: true, note: "307 Temporary Redirect$"},
		"answers slowly":   {fault: webhooktest.SlowBody(time.Minute), note: "200 OK$"},
		"answers in parts": {fault: webhooktest.Fault{Body: "\n\n  done \x1b[31m\nmore"}, note: `200 OK: done ·\[31m$`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := webhooktest.New(t)
			s.Always(tc.fault)
			c := mends()
			if tc.fault.Hang || tc.fault.Slow > 0 {
				c.Timeout = 2 * time.Second
			}
			o, err := deliver(t, s, c, notification())
			bad := tc.unknown || tc.permanent || tc.rest > 0
			if (err != nil) != bad || errors.Is(err, alert.ErrUnknownOutcome) != tc.unknown || o.Permanent != tc.permanent || o.RetryAfter != tc.rest {
				t.Errorf("got %+v, %v", o, err)
			}
			if !regexp.MustCompile(tc.note).MatchString(o.Note) {
				t.Errorf("the note is %q, want %q", o.Note, tc.note)
			}
			if n := len(s.Requests()); n != 1 {
				t.Errorf("%d calls", n)
			}
		})
	}
}

// A server that was not reached was surely not called.
func TestRemediationNotCalled(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	for name, address := range map[string]string{"refused": closed.URL + "/s3cret", "no host": "http://nowhere.invalid/s3cret"} {
		c := mends()
		c.URL = alert.Secret(address)
		o, err := deliver(t, nil, c, notification())
		if err == nil || errors.Is(err, alert.ErrUnknownOutcome) || o.Permanent || !regexp.MustCompile(`^POST http://.*/… was not called: `).MatchString(o.Note) ||
			regexp.MustCompile("s3cret").MatchString(o.Note+err.Error()) {
			t.Errorf("%s: got %+v, %v", name, o, err)
		}
	}
}

// The transport repeats by itself what has an Idempotency-Key when a connection that it used before breaks. A call that
// mends is made once all the same.
func TestRemediationOnABrokenConnection(t *testing.T) {
	s := webhooktest.New(t)
	c := mends()
	c.URL = alert.Secret(s.URL)
	n, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s.Then(webhooktest.Fault{}, webhooktest.CutAfter())
		if _, err := n.Notify(t.Context(), notification()); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Notify(t.Context(), notification()); !errors.Is(err, alert.ErrUnknownOutcome) {
			t.Errorf("got %v", err)
		}
	}
	if got := len(s.Requests()); got != 6 {
		t.Errorf("%d requests, want 6", got)
	}
}

func TestRemediationDryRun(t *testing.T) {
	s := webhooktest.New(t)
	c := mends()
	c.URL, c.Remediation = alert.Secret(s.URL+"/s3cret"), &alert.RemediationConfig{DryRun: true}
	o, err := deliver(t, s, c, notification())
	if err != nil || !regexp.MustCompile(`^dry run: POST http://127\.0\.0\.1:\d+/… would be called with \d+ bytes$`).MatchString(o.Note) || len(s.Requests()) > 0 {
		t.Errorf("got %+v, %v, %d requests", o, err, len(s.Requests()))
	}
}
