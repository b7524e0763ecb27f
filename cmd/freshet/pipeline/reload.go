package pipeline

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/watch"
	"github.com/freshet-dev/freshet/rules"
)

// topicsLimit is how long a reload waits for topics to be made.
const topicsLimit = 30 * time.Second

var (
	// errNoReload is returned by Reload where rules cannot change, errStopping where freshet stops.
	errNoReload = errors.New("the rules of this process are built in: there are no files to load anew")
	errStopping = errors.New("freshet stops")
)

// reloads is what a process knows of the rule files. One goroutine, serveReloads, loads them.
type reloads struct {
	read     func() ([]rules.File, error)
	problems func([]rules.Problem)
	requests chan *reloadRequest
	over     chan struct{} // closed when no more are answered

	running sum // of the files that run
	tried   sum // of those that were tried last, none when they are to be tried again
	said    string

	mu      sync.Mutex
	trouble *ReloadError // of the last reload
	since   time.Time    // when it came up
	lists   []string     // the files of values that the files name that were read last
}

type reloadRequest struct {
	ifChanged bool // else it is loaded in any case
	done      chan error
}

// sum tells contents of files apart.
type sum [sha256.Size]byte

func newReloads(o Options) *reloads {
	r := &reloads{read: o.Read, problems: o.Problems, requests: make(chan *reloadRequest), over: make(chan struct{})}
	r.name(o.Files)
	r.running = sumOf(o.Files, nil)
	r.tried = r.running
	return r
}

// sumOf returns the sum of files, or of why they cannot be read.
func sumOf(files []rules.File, err error) sum {
	h := sha256.New()
	add := func(name string, content []byte) {
		fmt.Fprintf(h, "%d %s %d ", len(name), name, len(content))
		_, _ = h.Write(content)
	}
	for _, f := range files {
		add(f.Name, f.Content)
		for _, l := range f.Lists {
			add(l.Name, l.Content)
			fmt.Fprintf(h, "list %v", l.Err)
		}
	}
	if err != nil {
		fmt.Fprintf(h, "error %s", err)
	}
	return sum(h.Sum(nil))
}

// ReloadError says why rules were not loaded. What was there before goes on.
type ReloadError struct {
	// Problems are those of the files, warnings included; without any, Err says what is wrong.
	Problems []rules.Problem
	Err      error
}

// Error implements error, in one line.
func (e *ReloadError) Error() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	faults := 0
	for _, p := range e.Problems {
		if p.Severity == rules.Error {
			faults++
		}
	}
	if faults == 1 {
		return "1 fault in the rule files"
	}
	return fmt.Sprintf("%d faults in the rule files", faults)
}

// Unwrap returns what is wrong beside the files.
func (e *ReloadError) Unwrap() error { return e.Err }

// Details are the problems as `freshet rules check` prints them, at most so many, and the error.
func (e *ReloadError) Details(most int) string {
	var b strings.Builder
	for _, p := range e.Problems[:min(most, len(e.Problems))] {
		b.WriteString(p.Render(false) + "\n")
	}
	if more := len(e.Problems) - most; more > 0 {
		fmt.Fprintf(&b, "and %d more, which `freshet rules check` prints\n", more)
	}
	return b.String() + e.Error() + "\n"
}

// Reload loads the rule files anew and has everything go over to them. It returns when that is done. An error says why it
// could not be, and then nothing has changed: a *ReloadError, or another when ctx ends or freshet stops.
func (p *Pipeline) Reload(ctx context.Context) error { return p.reloads.ask(ctx, false) }

// watchRules has the rules reloaded whenever their files change.
func (p *Pipeline) watchRules(ctx context.Context) {
	if p.reloads.read == nil || !p.cfg.Rules.Watch || len(p.cfg.Rules.Files) == 0 {
		return
	}
	watch.Files(ctx, watch.Options{Paths: p.cfg.Rules.Files, More: p.reloads.listFiles, Log: p.log}, func() {
		_ = p.reloads.ask(ctx, true) // it is told where all reloads are
	})
}

// ask has the rules reloaded by serveReloads.
func (r *reloads) ask(ctx context.Context, ifChanged bool) error {
	if r.read == nil {
		return &ReloadError{Err: errNoReload}
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

// reload does all that can fail first, and then goes over to the rules.
func (p *Pipeline) reload(ctx context.Context, ifChanged bool) error {
	r := p.reloads
	files, err := r.read()
	if err == nil {
		r.name(files)
	}
	found := sumOf(files, err)
	if ifChanged && found == r.tried {
		return nil
	}
	r.tried = found
	if err != nil {
		return p.reloadFailed(&ReloadError{Err: err})
	}
	set, problems := rules.ParseFiles(files)
	if set == nil {
		return p.reloadFailed(&ReloadError{Problems: problems})
	}
	before, next := p.loaded.Load(), newLoaded(p.cfg, set, time.Now())
	if found != r.running {
		if err := p.try(next); err != nil {
			return p.reloadFailed(&ReloadError{Problems: problems, Err: err})
		}
		if err := p.readyFor(ctx, next); err != nil {
			r.tried = sum{} // the next time it may be otherwise, though the files are the same
			return p.reloadFailed(&ReloadError{Problems: problems, Err: err})
		}
		p.loaded.Store(next)
		if err := p.handOver(ctx, next); err != nil {
			return err // the process ends
		}
		p.charts.Retain(next.names())
	}
	r.running = found
	r.succeeded()
	p.metrics.reloads.WithLabelValues(reloadSuccess).Inc()
	p.metrics.loaded(next)
	p.warn(problems)
	if before == p.loaded.Load() {
		p.log.Info("the rule files are as they were", slog.Int("rules", len(set.Rules)))
		return nil
	}
	added, removed, kept := next.differences(before)
	p.log.Info("the rules are reloaded", slog.Int("rules", len(set.Rules)), slog.Int("kept", kept), slog.Int("added", added),
		slog.Int("removed", removed), slog.Duration("took", time.Since(next.at).Round(time.Millisecond)))
	return nil
}

// readyFor makes the topics that rules need, and looks at them once.
func (p *Pipeline) readyFor(ctx context.Context, l *loaded) error {
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

// reloadFailed tells of a reload that failed.
func (p *Pipeline) reloadFailed(e *ReloadError) error {
	p.metrics.reloads.WithLabelValues(reloadFailure).Inc()
	p.metrics.reloaded.Set(0)
	r := p.reloads
	r.failed(e, time.Now())
	if text := e.Details(len(e.Problems)); text != r.said { // a repeated try that fails alike says nothing new
		r.said = text
		p.log.Error("the rules are not reloaded, those from before go on", slog.Any("error", e))
		p.warn(e.Problems)
	}
	return e
}

// warn tells people what is wrong with rule files.
func (p *Pipeline) warn(problems []rules.Problem) {
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
		p.log.Log(context.Background(), level, "in a rule file", slog.String("problem", problem.String()))
	}
}

// name notes which files of values rule files name.
func (r *reloads) name(files []rules.File) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lists = nil
	for _, f := range files {
		for _, l := range f.Lists {
			r.lists = append(r.lists, l.Name)
		}
	}
}

// listFiles returns the files of values that the rule files name.
func (r *reloads) listFiles() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lists
}

func (r *reloads) failed(e *ReloadError, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.trouble == nil {
		r.since = now
	}
	r.trouble = e
}

func (r *reloads) succeeded() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trouble, r.said = nil, ""
}

// last returns why the last reload failed, nil when it did not, and since when none succeeded.
func (r *reloads) last() (trouble *ReloadError, since time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.trouble, r.since
}
