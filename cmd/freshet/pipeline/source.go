package pipeline

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/config"
	"github.com/freshet-dev/freshet/rules"
)

// source is what a process knows of files that it loads and loads anew.
type source struct {
	what string // they are

	running sum // of the files that run
	tried   sum // of those that were tried last, none when they are to be tried again
	said    string

	mu      sync.Mutex
	trouble *ReloadError // of the last reload
	since   time.Time    // when it came up
}

// sum tells contents of files apart.
type sum [sha256.Size]byte

func newSource(what string, running sum) *source {
	return &source{what: what, running: running, tried: running}
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

// readAll reads the files of paths and globs.
func readAll(paths []string) ([]rules.File, error) {
	var files []rules.File
	for _, path := range paths {
		names := []string{path}
		if found, err := filepath.Glob(path); err == nil && len(found) > 0 {
			names = found
		}
		for _, name := range names {
			content, err := os.ReadFile(name)
			if err != nil {
				return files, err //nolint:wrapcheck // it names the file
			}
			files = append(files, rules.File{Name: name, Content: content})
		}
	}
	return files, nil
}

// due says whether files are to be loaded, and takes them for tried.
func (s *source) due(found sum, ifChanged bool) bool {
	if ifChanged && found == s.tried {
		return false
	}
	s.tried = found
	return true
}

// again has the files tried again though they are as they were.
func (s *source) again() { s.tried = sum{} }

func (s *source) succeeded(running sum) {
	s.running, s.said = running, ""
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = nil
}

func (s *source) failed(e *ReloadError, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trouble == nil {
		s.since = now
	}
	s.trouble = e
}

// last returns why the last reload failed, nil when it did not, and since when none succeeded.
func (s *source) last() (trouble *ReloadError, since time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble, s.since
}

// reloadFailed tells of a reload that failed.
func (p *Pipeline) reloadFailed(s *source, e *ReloadError) error {
	e.What = s.what
	m := p.metrics.rulesReloads
	if s == p.reloads.alerting {
		m = p.metrics.configReloads
	}
	m.failed()
	s.failed(e, time.Now())
	if text := e.Details(len(e.Problems)); text != s.said { // a repeated try that fails alike says nothing new
		s.said = text
		if s == p.reloads.alerting {
			p.log.Error(configKept, slog.Any("error", e))
		} else {
			p.log.Error(rulesKept, slog.Any("error", e))
		}
		p.warn(e.Problems, s)
	}
	return e
}

// ReloadError says why files were not loaded. What was there before goes on.
type ReloadError struct {
	// What are the files: the rule files, or the configuration.
	What string
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
		return "1 fault in " + e.What
	}
	return fmt.Sprintf("%d faults in %s", faults, e.What)
}

// Unwrap returns what is wrong beside the files.
func (e *ReloadError) Unwrap() error { return e.Err }

// What a reload that failed means.
const (
	rulesKept  = "the rules are not reloaded, those from before go on"
	configKept = "the configuration is not reloaded, that from before goes on"
)

// outcome says what that means.
func (e *ReloadError) outcome() string {
	if e.What == configuration {
		return configKept
	}
	return rulesKept
}

// check is the command that prints all problems.
func (e *ReloadError) check() string {
	if e.What == configuration {
		return "freshet config check"
	}
	return "freshet rules check"
}

// Details are the problems as the command that checks the files prints them, at most so many, and the error.
func (e *ReloadError) Details(most int) string {
	var b strings.Builder
	for _, p := range e.Problems[:min(most, len(e.Problems))] {
		b.WriteString(p.Render(false) + "\n")
	}
	if more := len(e.Problems) - most; more > 0 {
		fmt.Fprintf(&b, "and %d more, which `%s` prints\n", more, e.check())
	}
	return b.String() + e.Error() + "\n"
}

// reloadErrors are those among the errors of Reload that are about files.
func reloadErrors(err error) (out []*ReloadError) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			out = append(out, reloadErrors(one)...)
		}
		return out
	}
	if e, ok := errors.AsType[*ReloadError](err); ok {
		out = append(out, e)
	}
	return out
}

// Problems are the faults of a configuration as those of rule files are shown.
func Problems(faults []config.Fault, severity rules.Severity) []rules.Problem {
	problems := make([]rules.Problem, len(faults))
	for i, f := range faults {
		problems[i] = rules.Problem{
			File: f.File, Line: f.Line, Column: f.Column, Length: 1, Severity: severity,
			Message: f.Message, Hint: f.Hint, Source: f.Source,
		}
		if f.Path != "" {
			problems[i].Message = f.Path + ": " + f.Message
		}
	}
	return problems
}
