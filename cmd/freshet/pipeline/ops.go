package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	exporter "github.com/prometheus/exporter-toolkit/web"

	"github.com/freshet-dev/freshet/dashboards/web"
)

// listen opens the HTTP listener, so that a port in use is said at the start.
func (p *Pipeline) listen() error {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", p.cfg.HTTP.Listen)
	if err != nil {
		return fmt.Errorf("http.listen: %w", err)
	}
	p.listener = l
	return nil
}

// serve serves the page, /metrics, the health endpoints and /debug/pprof until ctx ends. The endpoints are Prometheus's.
func (p *Pipeline) serve(ctx context.Context) error {
	page := web.New(web.Options{
		Alerts: p.pageAlerts, Alert: p.pageAlert, Silences: p.pageSilences, Series: p.charts.Series, Status: p.pageStatus, Log: p.log,
	})
	mux := http.NewServeMux()
	mux.Handle("/", page)
	// Where this process is not the active alerter its page asks for these.
	for _, what := range []string{"overview", "alerts", "alerts/{fingerprint}", "silences"} {
		mux.Handle("GET /api/freshet/"+what, p.fromElsewhere(page))
	}
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.registry, promhttp.HandlerOpts{Registry: p.registry}))
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "freshet is healthy.")
	})
	mux.HandleFunc("/-/reload", p.serveReload)
	mux.HandleFunc("GET /-/ready", p.serveReady)
	p.serveAPIs(mux)
	// Profiles as Prometheus serves them, but for the command line, which may hold a token.
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	server := &http.Server{Handler: p.guard(mux), ReadHeaderTimeout: 10 * time.Second}
	server.RegisterOnShutdown(page.Close)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := server.Shutdown(shutdown); err != nil {
			p.log.Debug("closing open connections", slog.Any("error", err), slog.Any("close", server.Close()))
		}
	}()
	err := exporter.Serve(p.listener, server, &exporter.FlagConfig{WebConfigFile: &p.cfg.HTTP.WebConfigFile}, p.log)
	if errors.Is(err, http.ErrServerClosed) {
		<-stopped
		return nil
	}
	return fmt.Errorf("serving HTTP: %w", err)
}

// lifecycle says whether whoever reaches the listener may have files reloaded: if it is on the loopback interface, or if the
// configuration says so.
func (p *Pipeline) lifecycle() bool {
	if may := p.cfg.HTTP.EnableLifecycle; may != nil {
		return *may
	}
	address, ok := p.listener.Addr().(*net.TCPAddr)
	return ok && address.IP.IsLoopback()
}

// serveReload has files reloaded, as Prometheus's endpoint of this name does.
func (p *Pipeline) serveReload(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		w.Header().Set("Allow", "POST, PUT")
		http.Error(w, "expected POST or PUT, as in: curl -X POST "+p.URL()+"-/reload", http.StatusMethodNotAllowed)
		return
	}
	if !p.lifecycle() {
		http.Error(w, "reloading over HTTP is not enabled: others than this machine reach http.listen. "+
			"Send the process SIGHUP, or set http.enable_lifecycle: true", http.StatusForbidden)
		return
	}
	select {
	case <-p.started:
	default:
		http.Error(w, errStarting.Error(), http.StatusServiceUnavailable)
		return
	}
	err := p.Reload(r.Context())
	if failed := reloadErrors(err); len(failed) > 0 {
		var b strings.Builder
		for _, f := range failed {
			b.WriteString(f.outcome() + "\n" + f.Details(len(f.Problems)))
		}
		http.Error(w, b.String(), http.StatusInternalServerError)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintf(w, "The rules are reloaded: %d.\n", len(p.loaded.Load().rules.Rules))
	if p.reloads.config != nil {
		fmt.Fprintf(w, "The alerter's configuration is reloaded, receivers: %d.\n", len(p.alerting.Load().api.Receivers))
	}
}
