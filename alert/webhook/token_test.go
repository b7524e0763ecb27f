package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/webhook/webhooktest"
)

// A provider that takes the request for a token and never answers blocks nobody for longer than the timeout, those that wait
// behind others neither; and as nothing was called, nobody needs to ask what came of it.
func TestOAuth2ProviderHangs(t *testing.T) {
	mended := make(chan struct{})
	p := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-mended:
		case <-r.Context().Done():
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"t0ken","token_type":"Bearer","expires_in":3600}`)
	}))
	t.Cleanup(p.Close)
	mend := sync.OnceFunc(func() { close(mended) })
	t.Cleanup(mend)
	s := webhooktest.New(t)
	c := mends()
	c.URL, c.Timeout = alert.Secret(s.URL), 300*time.Millisecond
	c.HTTPConfig = &alert.HTTPConfig{OAuth2: &alert.OAuth2{ClientID: "freshet", ClientSecret: "cl1ent-s3cret", TokenURL: p.URL + "/t3nant"}}
	n, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	type result struct {
		outcome alert.Outcome
		err     error
	}
	const calls = 4
	ended := make(chan result, calls)
	for range calls {
		go func() {
			o, err := n.Notify(t.Context(), notification())
			ended <- result{o, err}
		}()
	}
	late := time.After(5 * time.Second) // before the token's own limit
	for i := range calls {
		select {
		case r := <-ended:
			if r.err == nil || errors.Is(r.err, alert.ErrUnknownOutcome) || r.outcome.Permanent ||
				!strings.Contains(r.outcome.Note, "was not called: ") || !strings.Contains(r.err.Error(), "token") {
				t.Errorf("got %+v, %v", r.outcome, r.err)
			}
			if strings.Contains(r.outcome.Note+r.err.Error(), "s3cret") || strings.Contains(r.err.Error(), "t3nant") {
				t.Errorf("a secret shows: %+v, %v", r.outcome, r.err)
			}
		case <-late:
			t.Fatalf("%d of %d calls do not return", calls-i, calls)
		}
	}
	mend()
	for {
		if _, err = n.Notify(t.Context(), notification()); err == nil {
			break
		}
		if !strings.Contains(err.Error(), "token") {
			t.Fatal(err)
		}
	}
	if got := len(s.Requests()); got != 1 {
		t.Errorf("%d requests, expected that of the last call alone", got)
	}
}
