package harness

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Program is a running freshet.
type Program struct {
	t   testing.TB
	cmd *exec.Cmd
	// Page is where it serves HTTP; Running finds it, and a test that knows it may set it.
	Page string

	mu    sync.Mutex
	log   bytes.Buffer
	found chan string // the page's address, once
	ended chan struct{}
	err   error
	asked atomic.Bool // to end
}

var pageInLog = regexp.MustCompile(`page=(http://[^ ]+)`)

// Start runs freshet with arguments and a configuration and returns at once. It is killed when the test ends; its log is
// shown when the test has failed, and kept by go test -artifacts.
func Start(t testing.TB, config string, args ...string) *Program {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "freshet.yaml")
	Write(t, path, config)
	p := &Program{t: t, found: make(chan string, 1), ended: make(chan struct{})}
	p.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), os.Getenv(binary), append(args, "--config", path)...)
	p.cmd.Dir = dir
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.follow(stderr)
	t.Cleanup(func() {
		select {
		case <-p.ended:
			if p.err != nil && !p.asked.Load() {
				t.Errorf("freshet %s ended by itself: %v", strings.Join(args, " "), p.err)
			}
		default:
		}
		p.Kill()
		name := fmt.Sprintf("freshet-%s-%d.log", strings.Join(args, "-"), p.cmd.Process.Pid)
		Write(t, filepath.Join(t.ArtifactDir(), name), p.Log())
		if t.Failed() {
			t.Logf("the log of freshet %s:\n%s", strings.Join(args, " "), p.Log())
		}
	})
	return p
}

func (p *Program) follow(stderr io.Reader) {
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.mu.Lock()
		p.log.WriteString(lines.Text() + "\n")
		p.mu.Unlock()
		if m := pageInLog.FindStringSubmatch(lines.Text()); m != nil {
			select {
			case p.found <- m[1]:
			default:
			}
		}
	}
	p.err = p.cmd.Wait()
	close(p.ended)
}

// Running waits until freshet says that it runs, which must come within a minute.
func (p *Program) Running() *Program {
	p.t.Helper()
	select {
	case p.Page = <-p.found:
	case <-p.ended:
		p.t.Fatalf("freshet ended: %v", p.err)
	case <-time.After(60 * time.Second):
		p.t.Fatal("freshet does not say that it runs")
	}
	return p
}

// Log returns what the program has logged.
func (p *Program) Log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// Logged returns how many lines of the log contain a text.
func (p *Program) Logged(text string) int {
	n := 0
	for line := range strings.Lines(p.Log()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// Kill ends the program as a power cut would.
func (p *Program) Kill() {
	p.asked.Store(true)
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.ended
}

// Signal sends a signal; that the program has ended already is no error.
func (p *Program) Signal(s syscall.Signal) {
	p.t.Helper()
	p.asked.Store(true)
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("signal %s: %v", s, err)
	}
}

// Wait waits until the program has ended by itself and returns how.
func (p *Program) Wait() error {
	p.asked.Store(true) // whoever waits looks at how
	<-p.ended
	return p.err
}

// Stop ends the program as Ctrl-C does and fails the test if it does not end cleanly within 30 s.
func (p *Program) Stop() {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
		if p.err != nil {
			p.t.Errorf("freshet ended with %v", p.err)
		}
	case <-time.After(30 * time.Second):
		p.t.Error("freshet does not end within 30 s of SIGTERM")
	}
}

// PID is the number of the process.
func (p *Program) PID() int { return p.cmd.Process.Pid }

// CPU is the time of the processor, of the user and of the system, that the program took. It has ended.
func (p *Program) CPU() time.Duration {
	<-p.ended
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// Ask returns the status and body of an address of the program, or why there is none.
func (p *Program) Ask(ctx context.Context, path string) (int, string, error) {
	return p.request(ctx, http.MethodGet, path)
}

func (p *Program) request(ctx context.Context, method, path string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(p.Page, "/")+path, nil)
	if err != nil {
		return 0, "", fmt.Errorf("asking freshet for %s: %w", path, err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", fmt.Errorf("asking freshet: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, "", fmt.Errorf("reading the answer of freshet to %s: %w", path, err)
	}
	return res.StatusCode, string(body), nil
}

// Post posts nothing to an address of the program and returns as Get does.
func (p *Program) Post(path string) (int, string) {
	p.t.Helper()
	status, body, err := p.request(p.t.Context(), http.MethodPost, path)
	if err != nil {
		return 0, err.Error()
	}
	return status, body
}

// Get returns the status and body of an address of the program; without an answer the status is 0 and the body says why.
func (p *Program) Get(path string) (int, string) {
	p.t.Helper()
	status, body, err := p.Ask(p.t.Context(), path)
	if err != nil {
		return 0, err.Error()
	}
	return status, body
}
