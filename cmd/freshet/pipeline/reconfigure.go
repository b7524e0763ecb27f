package pipeline

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/config"
	"github.com/freshet-dev/freshet/rules"
)

// maxRereads is how often a configuration that changes while it is read is read anew.
const maxRereads = 5

// reloadConfig does all that can fail first, and then has the alerter go over to its part of the configuration.
func (p *Pipeline) reloadConfig(ifChanged bool) error {
	r, now := p.reloads.alerting, time.Now()
	if !r.due(sumOf(readAll(*p.reloads.paths.Load())), ifChanged) {
		return nil
	}
	cfg, faults, err := p.readConfig()
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
	changed := r.tried != r.running
	r.succeeded(r.tried)
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

// readConfig loads the configuration from files that did not change meanwhile, and notes which they were.
func (p *Pipeline) readConfig() (cfg *config.Config, faults []config.Fault, err error) {
	r := p.reloads
	for range maxRereads {
		cfg, faults, err = r.config()
		if cfg != nil {
			// What it names may be other files than before, also where it has faults: in one of these they may be mended.
			paths := cfg.Sources(p.configPath)
			r.paths.Store(&paths)
		}
		files, unread := readAll(*r.paths.Load())
		found := sumOf(files, unread)
		for _, f := range files {
			if len(f.Content) == 0 && err == nil && (f.Name == p.configPath || f.Name == cfg.Alert.ConfigFile) {
				// As it is for a moment when a program writes it. At the start it would mean that nobody is notified.
				err = fmt.Errorf("%s is empty", f.Name)
			}
		}
		if found == r.alerting.tried {
			break
		}
		r.alerting.tried = found
	}
	return cfg, faults, err
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
