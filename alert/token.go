package alert

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	commoncfg "github.com/prometheus/common/config"
)

// tokenLimit bounds one request for a token of OAuth 2.0. The library makes a second one where the first fails.
const tokenLimit = DefaultTimeout

// tokens gives requests a token of OAuth 2.0. The library fetches one with no bound of time and under a lock, whatever the request's
// context says; so that is done aside, for one request at a time, and who waits for it leaves when its own time is over.
type tokens struct {
	turn    chan struct{} // holds one element while somebody is at it
	library http.RoundTripper
}

// withTokens returns a transport that asks for tokens, for so long each time, and hands requests on to next with them.
func (o *OAuth2) withTokens(c *commoncfg.OAuth2, next http.RoundTripper, limit time.Duration) http.RoundTripper {
	text, file := o.ClientSecret, o.ClientSecretFile
	if o.GrantType == jwtBearer {
		text, file = o.ClientCertificateKey, o.ClientCertificateKeyFile
	}
	var credential commoncfg.SecretReader
	switch {
	case text != "":
		credential = commoncfg.NewInlineSecret(string(text))
	case file != "":
		credential = commoncfg.NewFileSecret(file)
	}
	// The library lets nobody bound the request for a token, but it lets one dial: a connection for each that lasts no longer.
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		d := net.Dialer{Timeout: limit}
		conn, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err //nolint:wrapcheck // it says what failed
		}
		return conn, conn.SetDeadline(time.Now().Add(limit))
	}
	return &tokens{turn: make(chan struct{}, 1), library: commoncfg.NewOAuth2RoundTripper(credential, c, afterToken{next},
		commoncfg.WithDialContextFunc(dial), commoncfg.WithKeepAlivesDisabled())}
}

// passage is a request on its way through the library.
type passage struct {
	// decided is set by who is first: the request that has its token, or who waits for it and leaves.
	decided atomic.Bool
	// next lets the next request have its turn.
	next func()
}

type passageKey struct{}

// RoundTrip implements http.RoundTripper.
func (t *tokens) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, noToken(ctx, req)
	}
	type answer struct {
		resp *http.Response
		err  error
	}
	answered := make(chan answer, 1)
	p := &passage{next: sync.OnceFunc(func() { <-t.turn })}
	aside := req.Clone(context.WithValue(ctx, passageKey{}, p))
	go func() {
		defer p.next()
		resp, err := t.library.RoundTrip(aside)
		answered <- answer{resp, err}
	}()
	select {
	case a := <-answered:
		return a.resp, a.err
	case <-ctx.Done():
		if !p.decided.Swap(true) {
			return nil, noToken(ctx, req)
		}
		a := <-answered // it has its token, and ends with ctx by itself
		return a.resp, a.err
	}
}

// noToken says that the request was not made.
func noToken(ctx context.Context, req *http.Request) error {
	if req.Body != nil {
		_ = req.Body.Close()
	}
	return fmt.Errorf("token_url gave no token of OAuth 2.0 in time: %w", context.Cause(ctx))
}

// afterToken takes requests that have their token.
type afterToken struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t afterToken) RoundTrip(req *http.Request) (*http.Response, error) {
	if p, ok := req.Context().Value(passageKey{}).(*passage); ok {
		p.next()
		if p.decided.Swap(true) {
			return nil, noToken(req.Context(), req)
		}
	}
	return t.RoundTripper.RoundTrip(req) //nolint:wrapcheck // passed on as it is
}
