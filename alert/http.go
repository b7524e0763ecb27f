package alert

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// DefaultTimeout bounds one attempt to notify where the configuration says nothing.
const DefaultTimeout = 10 * time.Second

// longestRest bounds what a receiver may ask for by Retry-After.
const longestRest = time.Hour

// ErrUnknownOutcome says of a call that must happen once that it may or may not have happened: the request was written,
// and no answer says what came of it. Repeating it is for a person to decide.
var ErrUnknownOutcome = errors.New("it is not known whether the call was carried out")

// Request is one attempt to tell an HTTP server something.
type Request struct {
	// Method is POST when empty.
	Method string
	// URL is the address, a secret.
	URL    string
	Header http.Header
	Body   []byte
	// Once says that the request must not reach the server twice: nothing sends it again by itself, and an error after it was
	// written is ErrUnknownOutcome.
	Once bool
	// Secrets are texts that no error may show, beside those of the HTTPConfig and the URL.
	Secrets []string
}

// Answer is what the server said, without the secrets of the request.
type Answer struct {
	// Code is the status, 0 when there was no answer; Status is it as a text.
	Code   int
	Status string
	// Body is the beginning of the body.
	Body string
}

// Line returns the answer in one line: the status and the first line of the body.
func (a Answer) Line() string {
	first, _, _ := strings.Cut(strings.TrimSpace(a.Body), "\n")
	if first = Excerpt(oneLine(first), 200); first != "" {
		return a.Status + ": " + first
	}
	return a.Status
}

// Do makes one attempt and judges the answer: an error is permanent when the receiver refuses the request as such (4xx, or a
// redirect), else another attempt may succeed. No error and no answer shows more of the address than its scheme and host,
// nor any secret of the configuration.
func Do(ctx context.Context, client *http.Client, h *HTTPConfig, r Request) (Answer, Outcome, error) {
	var written atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { written.Store(true) }})
	req, err := http.NewRequestWithContext(traced, cmp.Or(r.Method, http.MethodPost), r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return Answer{}, Outcome{Permanent: true}, errors.New("the address is no URL")
	}
	req.Header = r.Header.Clone()
	if r.Once {
		req.GetBody = nil // else the transport repeats what has an Idempotency-Key on a connection that broke
	}
	secrets := func() []string { return slices.Concat(h.secrets(), r.Secrets, secretsIn(r.URL)) }
	resp, err := client.Do(req)
	if err != nil {
		err = hideSecrets(err, secrets)
		if r.Once && written.Load() {
			err = fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
		}
		return Answer{}, Outcome{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)) // a broken answer shows by its status
	answer := Answer{Code: resp.StatusCode, Status: Excerpt(RedactSecrets(resp.Status, secrets()...), 100),
		Body: RedactSecrets(string(body), secrets()...)}
	outcome, err := judge(resp, answer)
	if r.Once && err != nil && ambiguous(answer.Code, outcome) {
		err = fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	}
	return answer, outcome, err
}

// ambiguous says of a status that the server, or one behind it, may have begun. 503 with Retry-After is how a server says that it
// has not; on other statuses the header tells nothing of that.
func ambiguous(code int, o Outcome) bool {
	if code == http.StatusServiceUnavailable {
		return o.RetryAfter == 0
	}
	return code/100 == 5 || code == http.StatusRequestTimeout
}

func judge(resp *http.Response, a Answer) (Outcome, error) {
	if a.Code/100 == 2 {
		return Outcome{}, nil
	}
	text := fmt.Sprintf("%s answered %s", resp.Request.URL.Host, a.Status)
	if body := Excerpt(oneLine(a.Body), 200); body != "" {
		text += ": " + body
	}
	o := Outcome{RetryAfter: retryAfter(resp.Header, time.Now())}
	switch {
	case a.Code == http.StatusTooManyRequests, a.Code == http.StatusRequestTimeout, a.Code/100 == 5:
	case a.Code/100 == 3:
		o = Outcome{Permanent: true}
		text += " (redirects are not followed: set the address that it leads to, or follow_redirects)"
	default:
		o = Outcome{Permanent: true}
	}
	return o, errors.New(text)
}

// retryAfter reads the header, which holds seconds or a date; 0 when it is missing or makes no sense.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.ParseInt(text, 10, 32); err == nil {
		return clampRest(time.Duration(n) * time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return clampRest(at.Sub(now))
	}
	return 0
}

func clampRest(d time.Duration) time.Duration { return max(0, min(d, longestRest)) }

// Excerpt returns the beginning of a text, at most max characters, printable.
func Excerpt(text string, limit int) string {
	r := []rune(Printable(text))
	if len(r) <= limit {
		return string(r)
	}
	return string(r[:limit-1]) + "…"
}
