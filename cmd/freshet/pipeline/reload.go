package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/config"
	"github.com/freshet-dev/freshet/cmd/freshet/watch"
	"github.com/freshet-dev/freshet/rules"
)

// What is reloaded, as messages call it.
const (
	ruleFiles     = "the rule files"
	configuration = "the configuration"
)

// topicsLimit is how long a reload waits for topics to be made.
const topicsLimit = 30 * time.Second

var (
	// errNoReload is returned by Reload where nothing can change, errStopping where freshet stops.
	errNoReload = errors.New("the rules of this process are built in: there are no files to load anew")
	errStopping = errors.New("freshet stops")
)

// reloads is what a process knows of the files that it loads. One goroutine, serveReloads, loads them.
type reloads struct {
	read     func() ([]rules.File, error)
	problems func([]rules.Problem)
	config   func() (*config.Config, []config.Fault, error)
	requests chan *reloadRequest
	over     chan struct{} // closed when no more are answered

	rules, alerting *source
	configured      config.Config // as it was at the start
	paths           atomic.Pointer[[]string]
	lists           atomic.Pointer[[]string] // the files of values that the rule files name that were read last
	restart         string                   // the keys that count after a restart, as they were said last
}

type reloadRequest struct {
	ifChanged bool // else it is loaded in any case
	done      chan error
}

// newReloads returns what is known at the start.
func newReloads(o Options) *reloads {
	r := &reloads{read: o.Read, config: o.Reconfigure, problems: o.Problems, requests: make(chan *reloadRequest), over: make(chan struct{}),
		configured: *o.Config, rules: newSource(ruleFiles, sumOf(o.Files, nil))}
	paths := o.Config.Sources(o.ConfigPath)
	r.paths.Store(&paths)
	r.name(o.Files)
	r.alerting = newSource(configuration, sumOf(readAll(paths)))
	return r
}

// Reload loads the rule files and the alerter's part of the configuration anew, and has everything go over to them. It returns
// when that is done. An error says why one of them, or both, could not be, and then nothing of it has changed: a *ReloadError or
// several that are joined, or another when ctx ends or freshet stops.
func (p *Pipeline) Reload(ctx context.Context) error { return p.reloads.ask(ctx, false) }

// name notes which files of values rule files name.
func (r *reloads) name(files []rules.File) {
	var lists []string
	for _, f := range files {
		for _, l := range f.Lists {
			lists = append(lists, l.Name)
		}
	}
	r.lists.Store(&lists)
}

// watchFiles has what changes reloaded.
func (p *Pipeline) watchFiles(ctx context.Context) {
	r := p.reloads
	watched := func() (paths []string) {
		if r.read != nil && p.cfg.Rules.Watch {
			paths = append(paths, p.cfg.Rules.Files...)
			paths = append(paths, *r.lists.Load()...)
		}
		if r.config != nil && p.alerting.Load().watch {
			paths = append(paths, *r.paths.Load()...)
		}
		return paths
	}
	if r.read == nil && r.config == nil {
		return
	}
	watch.Files(ctx, watch.Options{Paths: watched, Log: p.log}, func() {
		_ = r.ask(ctx, true) // it is told where all reloads are
	})
}

// ask has serveReloads reload what is loaded from files.
func (r *reloads) ask(ctx context.Context, ifChanged bool) error {
	if r.read == nil && r.config == nil {
		return &ReloadError{What: r.rules.what, Err: errNoReload}
	}
	q := &reloadRequest{ifChanged: ifChanged, done: make(chan error, 1)}
	select {
	case r.requests <- q:
	case <-r.over:
		return errStopping
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-q.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// serveReloads answers requests for reloads, one after the other, until ctx ends.
func (p *Pipeline) serveReloads(ctx context.Context) {
	defer close(p.reloads.over)
	for {
		select {
		case q := <-p.reloads.requests:
			q.done <- p.reload(ctx, q.ifChanged)
		case <-ctx.Done():
			return
		}
	}
}

// reload reloads the rules and the alerter's configuration. What is wrong with one of them does not hold up the other.
func (p *Pipeline) reload(ctx context.Context, ifChanged bool) error {
	watched := func(on bool) bool { return !ifChanged || on }
	var failed []error
	if p.reloads.read != nil && watched(p.cfg.Rules.Watch) {
		failed = append(failed, p.reloadRules(ctx, ifChanged))
	}
	if p.reloads.config != nil && watched(p.alerting.Load().watch) {
		failed = append(failed, p.reloadConfig(ifChanged))
	}
	return errors.Join(failed...)
}

// reloadRules does all that can fail first, and then goes over to the rules.
func (p *Pipeline) reloadRules(ctx context.Context, ifChanged bool) error {
	r := p.reloads.rules
	files, err := p.reloads.read()
	if err == nil {
		p.reloads.name(files)
	}
	found := sumOf(files, err)
	if !r.due(found, ifChanged) {
		return nil
	}
	if err != nil {
		return p.reloadFailed(r, &ReloadError{Err: err})
	}
	set, problems := rules.ParseFiles(files)
	if set == nil {
		return p.reloadFailed(r, &ReloadError{Problems: problems})
	}
	before, next := p.loaded.Load(), newLoaded(p.cfg, set, time.Now())
	if found != r.running {
		if err := p.try(next); err != nil {
			return p.reloadFailed(r, &ReloadError{Problems: problems, Err: err})
		}
		if err := p.provideFor(ctx, next); err != nil {
			r.again() // the next time it may be otherwise, though the files are the same
			return p.reloadFailed(r, &ReloadError{Problems: problems, Err: err})
		}
		p.loaded.Store(next)
		if err := p.handOver(ctx, next); err != nil {
			return err // the process ends
		}
		p.charts.Retain(next.names())
	}
	r.succeeded(found)
	p.metrics.rulesReloads.succeeded(next.at)
	p.metrics.rules.Set(float64(len(next.rules.Rules)))
	p.warn(problems, r)
	if before == p.loaded.Load() {
		p.log.Info("the rule files are as they were", slog.Int("rules", len(set.Rules)))
		return nil
	}
	added, removed, kept := next.differences(before)
	p.log.Info("the rules are reloaded", slog.Int("rules", len(set.Rules)), slog.Int("kept", kept), slog.Int("added", added),
		slog.Int("removed", removed), slog.Duration("took", time.Since(next.at).Round(time.Millisecond)))
	return nil
}

// provideFor makes the topics that rules need, and looks at them once.
func (p *Pipeline) provideFor(ctx context.Context, l *loaded) error {
	ctx, cancel := context.WithTimeout(ctx, topicsLimit)
	defer cancel()
	if err := p.client.Ready(); err != nil {
		return err //nolint:wrapcheck // it says what is waited for
	}
	if err := p.createTopics(ctx, l.rules); err != nil {
		return err
	}
	return p.lookForTopics(ctx, l)
}

// handOver has the stages go over to the rules. Stage 2 is first: what stage 1 makes for a new rule would be passed over.
func (p *Pipeline) handOver(ctx context.Context, l *loaded) error {
	if !p.targets.Detect {
		return nil
	}
	if err := p.evaluating.To(ctx, p.evaluateStage(l)); err != nil {
		return err //nolint:wrapcheck // that ctx ended
	}
	return p.accumulating.To(ctx, p.accumulateStage(l)) //nolint:wrapcheck // as above
}

// warn tells people what is wrong with files.
func (p *Pipeline) warn(problems []rules.Problem, in *source) {
	if len(problems) == 0 {
		return
	}
	if p.reloads.problems != nil {
		p.reloads.problems(problems)
		return
	}
	for _, problem := range problems {
		level := slog.LevelError
		if problem.Severity == rules.Warning {
			level = slog.LevelWarn
		}
		if in == p.reloads.alerting {
			p.log.Log(context.Background(), level, "in the configuration", slog.String("problem", problem.String()))
		} else {
			p.log.Log(context.Background(), level, "in a rule file", slog.String("problem", problem.String()))
		}
	}
}
