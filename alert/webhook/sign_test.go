package webhook

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/webhook/webhooktest"
)

func signingSecret(fill byte) string {
	return "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, 32))
}

// send notifies a server once and returns what arrived.
func send(t *testing.T, s *webhooktest.Server, c alert.WebhookConfig, n *alert.Notification) webhooktest.Request {
	t.Helper()
	before := len(s.Requests())
	if o, err := deliver(t, s, c, n); err != nil || o != (alert.Outcome{}) {
		t.Fatalf("got %+v, %v", o, err)
	}
	return s.Requests()[before]
}

// deliver makes one attempt to notify a server.
func deliver(t *testing.T, s *webhooktest.Server, c alert.WebhookConfig, n *alert.Notification) (alert.Outcome, error) {
	t.Helper()
	if c.URL == "" {
		c.URL = alert.Secret(s.URL)
	}
	notifier, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return notifier.Notify(t.Context(), n)
}

// verifyGo and verifyPython ask the published verifiers.
func verifyGo(t *testing.T, secret string, r webhooktest.Request) error {
	t.Helper()
	v, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	return v.Verify(r.Body, r.Header)
}

func verifyPython(t *testing.T, secret string, r webhooktest.Request) (verified, available bool) {
	t.Helper()
	python := os.Getenv("FRESHET_TEST_PYTHON")
	if python == "" {
		t.Log("left out: FRESHET_TEST_PYTHON is not set")
		return false, false
	}
	headers := map[string]string{}
	for name := range r.Header {
		headers[strings.ToLower(name)] = r.Header.Get(name)
	}
	input, err := json.Marshal(map[string]any{"secret": secret, "headers": headers, "body": string(r.Body)})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, filepath.Join("testdata", "verify.py"))
	cmd.Stdin = bytes.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil && !strings.Contains(string(out), "WebhookVerificationError") {
		t.Fatalf("%v: %s", err, out)
	}
	return err == nil && string(out) == "verified\n", true
}

// What freshet signs is accepted by others with either secret of a rotation, and with no other.
func TestSignature(t *testing.T) {
	s := webhooktest.New(t)
	file := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(file, []byte(signingSecret(1)+"\n"+signingSecret(2)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := send(t, s, alert.WebhookConfig{SigningSecretFile: file}, notification())
	changed := r
	changed.Body = append([]byte(" "), r.Body...)
	for name, tc := range map[string]struct {
		secret string
		r      webhooktest.Request
		want   bool
	}{
		"new": {signingSecret(1), r, true}, "old": {signingSecret(2), r, true}, "other": {signingSecret(3), r, false},
		"other body": {signingSecret(1), changed, false},
	} {
		if err := verifyGo(t, tc.secret, tc.r); (err == nil) != tc.want {
			t.Errorf("%s: the Go verifier says %v", name, err)
		}
		if ok, available := verifyPython(t, tc.secret, tc.r); available && ok != tc.want {
			t.Errorf("%s: the Python verifier says %v", name, ok)
		}
	}
	if r.Header.Get("Webhook-Id") != notification().ID || r.Key() != notification().ID {
		t.Errorf("headers are %v", r.Header)
	}
}

// The vector that publishers of verifiers test theirs with.
func TestSignatureIsStable(t *testing.T) {
	keys, err := alert.SigningKeys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	sign(h, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`), keys)
	if got := h.Get("Webhook-Signature"); got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("signature is %s", got)
	}
}

// All attempts have the same ID, and each its own time.
func TestIDOfAllAttempts(t *testing.T) {
	s := webhooktest.New(t)
	s.Then(webhooktest.CutAfter(), webhooktest.Status(500, ""))
	n := notification()
	for n.Attempt = 1; n.Attempt <= 3; n.Attempt++ {
		_, err := deliver(t, s, alert.WebhookConfig{SigningSecret: alert.Secret(signingSecret(1))}, n)
		if (err == nil) != (n.Attempt == 3) {
			t.Fatalf("attempt %d: %v", n.Attempt, err)
		}
	}
	if got := s.Requests(); len(got) < 3 {
		t.Fatalf("%d requests", len(got))
	}
	for _, r := range s.Requests() {
		if r.Key() != n.ID || r.Header.Get("Webhook-Id") != n.ID || verifyGo(t, signingSecret(1), r) != nil {
			t.Errorf("headers are %v", r.Header)
		}
	}
	if len(s.Worked()) != 1 {
		t.Errorf("the work was done %d times", len(s.Worked()))
	}
}
