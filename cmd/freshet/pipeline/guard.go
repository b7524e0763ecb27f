package pipeline

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// guard keeps the pages of other sites, which a browser that reaches the listener shows, from asking for anything. Whoever
// changes something must not come from a page of another origin; and a listener that only this machine reaches is asked by a
// name of this machine, as a site may have its own name lead here (DNS rebinding).
func (p *Pipeline) guard(h http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	names := map[string]bool{}
	for _, text := range []string{p.cfg.HTTP.ExternalURL, p.cfg.HTTP.AdvertiseURL} {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" {
			continue
		}
		names[strings.ToLower(u.Hostname())] = true
		// A proxy may give another Host than the one that the page is reached by.
		if err := origins.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			p.log.Warn("pages of this address may be refused", "url", u.Redacted(), "error", err)
		}
	}
	h = origins.Handler(h)
	if address, ok := p.listener.Addr().(*net.TCPAddr); !ok || !address.IP.IsLoopback() {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host := hostOf(r.Host); !local(host) && !names[host] {
			http.Error(w, "this address is for programs of this machine, and \""+host+"\" is no name of it. If freshet is reached by this name, "+
				"through a proxy for example, set http.external_url to its URL", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// hostOf is the Host header without a port, in lower case.
func hostOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}

// local says whether a host can only be this machine: an address, which no site can have lead elsewhere, or localhost.
func local(host string) bool {
	host = strings.TrimSuffix(host, ".")
	return host == "" || net.ParseIP(host) != nil || host == "localhost" || strings.HasSuffix(host, ".localhost")
}
