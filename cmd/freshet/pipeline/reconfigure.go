package pipeline

import (
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/rules"
)

// maxRereads is how often a configuration may name other files than a moment before.
const maxRereads = 3

// reloadConfig does all that can fail first, and then has the alerter go over to its part of the configuration.
func (p *Pipeline) reloadConfig(ifChanged bool) error {
	r, now := p.reloads.alerting, time.Now()
	found := sumOf(readAll(*p.reloads.paths.Load()))
	if !r.due(found, ifChanged) {
		return nil
	}
	cfg, faults, err := p.reloads.config()
	for range maxRereads {
		if cfg == nil {
			break
		}
		// What it names may be other files than before, also where it has faults: in one of these they may be mended.
		paths := cfg.Sources(p.configPath)
		if slices.Equal(paths, *p.reloads.paths.Load()) {
			break
		}
		p.reloads.paths.Store(&paths)
		found = sumOf(readAll(paths))
		r.tried = found
		cfg, faults, err = p.reloads.config() // of no later than that sum
	}
	if err != nil {
		return p.reloadFailed(r, &ReloadError{Err: err})
	}
	if len(faults) > 0 {
		return p.reloadFailed(r, &ReloadError{Problems: Problems(faults, rules.Error)})
	}
	next, err := p.newAlerting(cfg)
	if err != nil {
		return p.reloadFailed(r, &ReloadError{Err: err})
	}
	p.goOver(next, now)
	changed := found != r.running
	r.succeeded(found)
	p.metrics.configReloads.succeeded(now)
	if changed {
		p.log.Info("the alerter's configuration is reloaded", slog.Int("receivers", len(next.api.Receivers)), slog.Duration("took", time.Since(now).Round(time.Millisecond)))
	} else {
		p.log.Info("the configuration is as it was", slog.Int("receivers", len(next.api.Receivers)))
	}
	if keys := strings.Join(p.reloads.configured.Differences(cfg), ", "); keys != p.reloads.restart {
		p.reloads.restart = keys
		if keys != "" {
			p.log.Warn("changed keys count after a restart only", slog.String("keys", keys))
		}
	}
	return nil
}

// goOver has notifications, the API and the clicks of buttons go over to another configuration.
func (p *Pipeline) goOver(next *alerting, now time.Time) {
	p.swap.Lock()
	defer p.swap.Unlock()
	p.alerting.Store(next)
	if t := p.alerts.Load(); t != nil {
		t.reconfigure(next, now)
	}
	p.clicks.goOver(next.clicks)
}
