package slack

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"

	"github.com/slack-go/slack"

	"github.com/freshet-dev/freshet/alert"
)

// maxRequest bounds the body of an interaction; Slack's hold the whole message.
const maxRequest = 1 << 20

// ServeHTTP implements http.Handler for the app's request URL of interactivity. It accepts what the signing secret has
// signed within the last five minutes, answers at once, as Slack asks, and then does what was clicked.
func (c *Clicks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "Slack sends interactions as POST", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		http.Error(w, "the body is too large or was cut off", http.StatusRequestEntityTooLarge)
		return
	}
	if !c.signed(r.Header, body) {
		http.Error(w, "the request is not signed by Slack, or too old: check slack_signing_secret and the clock", http.StatusUnauthorized)
		return
	}
	form, err := url.ParseQuery(string(body))
	var click slack.InteractionCallback
	if err != nil || json.Unmarshal([]byte(form.Get("payload")), &click) != nil {
		http.Error(w, "expected a form with an interaction as payload", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
	if f, ok := w.(http.Flusher); ok {
		f.Flush() // Slack shows a failure after three seconds without an answer
	}
	// The client may hang up now that it has its answer.
	c.take(context.WithoutCancel(r.Context()), &click)
}

// signed says whether a request comes from Slack.
func (c *Clicks) signed(h http.Header, body []byte) bool {
	secret, err := alert.ReadSecret(c.options.SigningSecret, c.options.SigningSecretFile)
	if err != nil {
		c.options.Log.Error("clicks of buttons cannot be checked", "error", err)
		return false
	}
	v, err := slack.NewSecretsVerifier(h, secret)
	if err != nil {
		return false
	}
	_, _ = v.Write(body) // a hash takes everything
	return v.Ensure() == nil
}
