package pipeline

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/ingest/kafka"
)

// activeKey is where the active alerter says where it is, in the topic of freshet's own health.
const activeKey = "alerter"

// betweenTimeout bounds what another instance is asked.
const betweenTimeout = 20 * time.Second

// active is where the alerter that sends notifications is.
type active struct {
	URL      string    `json:"url"`
	Instance string    `json:"instance,omitempty"`
	Since    time.Time `json:"since"`
}

// activeMessage says that this process is the active alerter.
func (p *Pipeline) activeMessage(now time.Time) (kafka.Message, error) {
	value, err := json.Marshal(active{URL: p.advertisedURL(), Instance: p.instance("alert"), Since: now})
	return kafka.Message{Topic: p.names.Health, Partition: 0, Key: []byte(activeKey), Value: value}, err //nolint:wrapcheck // cannot fail
}

// advertisedURL is how other freshet processes reach this one.
func (p *Pipeline) advertisedURL() string {
	if p.cfg.HTTP.AdvertiseURL != "" {
		return p.cfg.HTTP.AdvertiseURL
	}
	host, port, err := net.SplitHostPort(p.listener.Addr().String())
	if err != nil {
		return p.URL()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	scheme := "http"
	if p.cfg.HTTP.WebConfigFile != "" {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port) + "/"
}

// followActive keeps up with where the active alerter is until ctx ends.
func (p *Pipeline) followActive(ctx context.Context) {
	for ctx.Err() == nil {
		err := p.client.Tail(ctx, p.names.Health, kafka.Oldest(), func(m *kafka.Message) error {
			if string(m.Key) != activeKey {
				return nil
			}
			a := new(active)
			if err := json.Unmarshal(m.Value, a); err != nil {
				p.log.Warn("where the active alerter is cannot be read", slog.Any("error", err))
				return nil
			}
			p.active.Store(a)
			return nil
		})
		if err != nil {
			p.log.Debug("following the active alerter", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(lookEvery):
		}
	}
}

// elsewhere is where the active alerter is when that is another process, "" when it is this one, or none is known that this
// one could ask.
func (p *Pipeline) elsewhere() string {
	if a := p.other(); a != nil && !p.unreachable(a) {
		return a.URL
	}
	return ""
}

// other is the active alerter when that is another process.
func (p *Pipeline) other() *active {
	a := p.active.Load()
	if p.alerts.Load() != nil || a == nil || a.Instance == p.instance("alert") || a.Instance == "" && a.URL == p.advertisedURL() {
		return nil
	}
	return a
}

// unreachable says that another process gives the address of this one as its own, as two on different machines do that both
// listen on the loopback interface.
func (p *Pipeline) unreachable(a *active) bool { return a.URL == p.advertisedURL() }

// noAlerter says why nobody can be asked about alerts.
func (p *Pipeline) noAlerter() string {
	if a := p.other(); a != nil && p.unreachable(a) {
		return "The active alerter (" + strings.TrimSuffix(a.Instance, "-alert") + ") says that it is at " + a.URL + ", which is the address of this process: " +
			"set http.advertise_url there, and http.listen if need be, so that other instances reach it."
	}
	return "No alerter is active now: one takes over within about ten seconds."
}

// forwarded says that a request comes from another instance, so that two that are wrong about each other do not send one
// in circles.
const forwarded = "X-Freshet-Forwarded"

// keeps says whether a request can be answered without knowing how alerts and silences stand: what is new is kept in Kafka
// by any process. A silence may be new or a change, so it is for the active alerter where one is known.
func (p *Pipeline) keeps(r *http.Request) bool {
	if r.Method != http.MethodPost {
		return false
	}
	return r.URL.Path != "/api/v2/silences" || p.elsewhere() == "" || r.Header.Get(forwarded) != ""
}

// fromActive answers from this process when it is the active alerter or need not be, else from the one that is.
func (p *Pipeline) fromActive(own http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.alerts.Load() != nil || p.keeps(r) {
			own.ServeHTTP(w, r)
			return
		}
		at := p.elsewhere()
		if at == "" || r.Header.Get(forwarded) != "" {
			w.Header().Set("Retry-After", "5")
			refuse(w, r, http.StatusServiceUnavailable, p.noAlerter())
			return
		}
		u, err := url.Parse(at)
		if err != nil {
			refuse(w, r, http.StatusServiceUnavailable, p.noAlerter())
			return
		}
		proxy := &httputil.ReverseProxy{
			Transport: p.between,
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(u)
				r.Out.Header.Set(forwarded, "1")
				// That it comes from no page of another site was seen here, where the page is.
				r.Out.Header.Del("Origin")
				r.Out.Header.Del("Sec-Fetch-Site")
			},
			ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
				p.log.Warn("asking the active alerter", slog.String("url", at), slog.Any("error", err))
				w.Header().Set("Retry-After", "5")
				refuse(w, r, http.StatusBadGateway, "the active alerter does not answer at "+at+": "+alert.Printable(err.Error())+
					". Set http.advertise_url there to an address that other instances reach, and http.advertise_tls_config here if it has a certificate of its own")
			},
		}
		bounded, cancel := context.WithTimeout(r.Context(), betweenTimeout)
		defer cancel()
		proxy.ServeHTTP(w, r.WithContext(bounded))
	})
}

// fromElsewhere answers from the active alerter when that is known to be another process, else from this one.
func (p *Pipeline) fromElsewhere(own http.Handler) http.Handler {
	active := p.fromActive(own)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.elsewhere() == "" {
			own.ServeHTTP(w, r)
			return
		}
		active.ServeHTTP(w, r)
	})
}
