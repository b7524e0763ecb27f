// Package e2e tests freshet as its users have it: the built program as separate processes, real Kafka clients, real
// receivers of notifications. Every test runs on the embedded broker and, when there is one, on real Apache Kafka.
package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the program under test, built once by TestMain.
var binary string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "freshet-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "freshet")
	cmd := exec.Command("go", "build", "-o", binary, "..") //nolint:noctx // bounded by the test binary's timeout
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building freshet: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// program is a running freshet.
type program struct {
	t    testing.TB
	cmd  *exec.Cmd
	page string // where it serves HTTP, known once it runs

	mu    sync.Mutex
	log   bytes.Buffer
	found chan string // the page's address, once
	ended chan struct{}
	err   error
}

var pageInLog = regexp.MustCompile(`page=(http://[^ ]+)`)

// start runs freshet with arguments and a configuration and returns at once.
func start(t testing.TB, config string, args ...string) *program {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "freshet.yaml")
	write(t, path, config)
	p := &program{t: t, found: make(chan string, 1), ended: make(chan struct{})}
	p.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), binary, append(args, "--config", path)...)
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
		p.kill()
		if t.Failed() {
			p.mu.Lock()
			defer p.mu.Unlock()
			t.Logf("the log of freshet %s:\n%s", strings.Join(args, " "), p.log.String())
		}
	})
	return p
}

func (p *program) follow(stderr io.Reader) {
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

// running waits until freshet says that it runs.
func (p *program) running() *program {
	p.t.Helper()
	select {
	case p.page = <-p.found:
	case <-p.ended:
		p.t.Fatalf("freshet ended: %v", p.err)
	case <-time.After(60 * time.Second):
		p.t.Fatal("freshet does not say that it runs")
	}
	return p
}

// logged returns how many lines of the log contain a text.
func (p *program) logged(text string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for line := range strings.Lines(p.log.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// kill ends the program as a power cut would.
func (p *program) kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.ended
}

// stop ends the program as Ctrl-C does and fails the test if it does not end cleanly.
func (p *program) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case <-p.ended:
		if p.err != nil {
			p.t.Errorf("freshet ended with %v", p.err)
		}
	case <-time.After(30 * time.Second):
		p.t.Error("freshet does not end within 30 s of SIGTERM")
	}
}

// get returns the status and body of an address of the program.
func (p *program) get(path string) (int, string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, strings.TrimSuffix(p.page, "/")+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// freeAddress returns a loopback address that nobody listens on now.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until ok, asking ten times a second.
func eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(within)
	for !ok() {
		select {
		case <-limit:
			t.Fatalf("not within %s: %s", within, what)
		case <-tick.C:
		}
	}
}

// never watches for a time that something does not happen.
func never(t testing.TB, during time.Duration, what string, happened func() bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(during)
	for {
		if happened() {
			t.Fatalf("happened: %s", what)
		}
		select {
		case <-limit:
			return
		case <-tick.C:
		}
	}
}
