package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/freshet-dev/freshet/ingest/kafka/broker"
)

var update = flag.Bool("update", false, "write the golden files in the scripts anew")

// patience is how long a script waits for what must come.
const patience = 60 * time.Second

// TestMain makes the test binary the program too: a script runs freshet as a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"freshet": main})
}

// TestScript runs testdata/script: the whole program as people see it, by what they type and what it says. Scripts know
// these commands beside testscript's own:
//
//	fails PROGRAM ARG...               runs it and expects status 1, with which freshet says what is wrong; a crash has another
//	ends STATUS PROGRAM ARG...         runs it and expects another status
//	address NAME                       sets NAME to a loopback address that nobody listens on
//	broker [MECHANISM USER PASSWORD]   starts a Kafka broker in memory and sets BROKER to its address
//	get STATUS URL [PATTERN]           asks until the answer has the status and fits the pattern, and prints its body, or
//	                                   what the pattern found there
//	post STATUS URL [PATTERN]          the same for an answer to POST
//	hangup                             sends SIGHUP to what runs in the background
//	receiver                           starts a receiver of webhooks and sets WEBHOOK to its URL
//	received COUNT                     waits until so many messages came, and prints all that did
//	replace PATTERN TEXT               prints stdout with TEXT for what the pattern finds, such as times that differ
//	sift PATTERN                       leaves of stdout what the pattern finds, sorted and each once
func TestScript(t *testing.T) {
	library, err := filepath.Abs(filepath.Join("..", "..", "rules", "library"))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                filepath.Join("testdata", "script"),
		UpdateScripts:      *update,
		Condition:          scriptCondition,
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("LIBRARY", library)
			env.Values["receiver"] = &scriptReceiver{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fails":    scriptFails,
			"ends":     scriptEnds,
			"replace":  scriptReplace,
			"address":  scriptAddress,
			"broker":   scriptBroker,
			"get":      scriptAsk(http.MethodGet),
			"post":     scriptAsk(http.MethodPost),
			"hangup":   scriptHangup,
			"receiver": scriptStartReceiver,
			"received": scriptReceived,
			"sift":     scriptSift,
		},
	})
}

// scriptCondition knows [race]: whether the race detector slows the program down.
func scriptCondition(name string) (bool, error) {
	if name != "race" {
		return false, fmt.Errorf("unknown condition %q, expected race", name)
	}
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}), nil
}

// expect ends a script whose command is negated or has another number of arguments.
func expect(ts *testscript.TestScript, neg, ok bool, usage string) {
	if neg || !ok {
		ts.Fatalf("usage: %s", usage)
	}
}

func scriptFails(ts *testscript.TestScript, neg bool, args []string) {
	expect(ts, neg, len(args) > 0, "fails PROGRAM ARG...")
	scriptEnds(ts, false, append([]string{"1"}, args...))
}

func scriptEnds(ts *testscript.TestScript, neg bool, args []string) {
	expect(ts, neg, len(args) > 1, "ends STATUS PROGRAM ARG...")
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case err == nil:
		ts.Fatalf("ended with status 0, want %s", args[0])
	case !errors.As(err, &exit) || fmt.Sprint(exit.ExitCode()) != args[0]:
		ts.Fatalf("want status %s: %v", args[0], err)
	}
}

func scriptReplace(ts *testscript.TestScript, neg bool, args []string) {
	expect(ts, neg, len(args) == 2, "replace PATTERN TEXT")
	pattern, err := regexp.Compile(args[0])
	ts.Check(err)
	_, err = io.WriteString(ts.Stdout(), pattern.ReplaceAllString(ts.ReadFile("stdout"), args[1]))
	ts.Check(err)
}

func scriptAddress(ts *testscript.TestScript, neg bool, args []string) {
	expect(ts, neg, len(args) == 1, "address NAME")
	for range 1000 {
		// Not a port that the system gives to others meanwhile: those it gives unasked lie above 32768.
		a := fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000))
		if l, err := net.Listen("tcp", a); err == nil {
			ts.Check(l.Close())
			ts.Setenv(args[0], a)
			return
		}
	}
	ts.Fatalf("no port from 20000 to 31999 is free")
}

func scriptBroker(ts *testscript.TestScript, neg bool, args []string) {
	expect(ts, neg, len(args) == 0 || len(args) == 3, "broker [MECHANISM USER PASSWORD]")
	var o broker.Options
	if len(args) == 3 {
		o.Users = []broker.User{{Mechanism: args[0], Username: args[1], Password: args[2]}}
	}
	b, err := broker.Start(o)
	ts.Check(err)
	ts.Defer(func() { _ = b.Close() })
	ts.Setenv("BROKER", b.Addr())
}

func scriptHangup(ts *testscript.TestScript, neg bool, args []string) {
	expect(ts, neg, len(args) == 0, "hangup")
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(syscall.SIGHUP))
	}
}

// scriptAsk returns the command that asks by a method.
func scriptAsk(method string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		expect(ts, neg, len(args) == 2 || len(args) == 3, strings.ToLower(method)+" STATUS URL [PATTERN]")
		askUntil(ts, method, args)
	}
}

func askUntil(ts *testscript.TestScript, method string, args []string) {
	pattern, err := regexp.Compile("(?m)" + strings.Join(args[2:], ""))
	ts.Check(err)
	last := "no answer"
	eventually(ts, func() bool {
		status, body, err := ask(method, args[1])
		if err != nil {
			last = err.Error()
			return false
		}
		last = fmt.Sprintf("%d %s", status, body)
		if fmt.Sprint(status) != args[0] || !pattern.MatchString(body) {
			return false
		}
		if len(args) == 3 {
			body = pattern.FindString(body) + "\n"
		}
		_, err = io.WriteString(ts.Stdout(), body)
		ts.Check(err)
		return true
	}, func() string { return fmt.Sprintf("no answer %q came, the last was: %s", args, last) })
}

func ask(method, url string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return 0, "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// eventually asks ten times a second until ok, and ends the script when that takes too long.
func eventually(ts *testscript.TestScript, ok func() bool, otherwise func() string) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for !ok() {
		select {
		case <-limit:
			ts.Fatalf("within %s %s", patience, otherwise())
		case <-tick.C:
		}
	}
}

func scriptSift(ts *testscript.TestScript, neg bool, args []string) {
	expect(ts, neg, len(args) == 1, "sift PATTERN")
	pattern, err := regexp.Compile(args[0])
	ts.Check(err)
	found := pattern.FindAllString(ts.ReadFile("stdout"), -1)
	slices.Sort(found)
	for _, line := range slices.Compact(found) {
		fmt.Fprintln(ts.Stdout(), line)
	}
}

// scriptReceiver is an HTTP server that takes Alertmanager's webhooks, version 4, and writes down what they say.
type scriptReceiver struct {
	mu       sync.Mutex
	messages []string
	keys     map[string]bool
}

func scriptStartReceiver(ts *testscript.TestScript, neg bool, args []string) {
	expect(ts, neg, len(args) == 0, "receiver")
	r := ts.Value("receiver").(*scriptReceiver)
	server := httptest.NewServer(http.HandlerFunc(r.take))
	ts.Defer(server.Close)
	ts.Setenv("WEBHOOK", server.URL+"/hook")
}

func (r *scriptReceiver) take(_ http.ResponseWriter, req *http.Request) {
	var body struct {
		Version, Status string
		Alerts          []struct {
			Status string
			Labels map[string]string
		}
	}
	err := json.NewDecoder(req.Body).Decode(&body)
	key := req.Header.Get("Idempotency-Key")
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s, version %s", req.Method, req.URL.Path, req.Header.Get("Content-Type"), body.Version)
	switch {
	case err != nil:
		fmt.Fprintf(&b, ", BROKEN: %v", err)
	case key == "":
		b.WriteString(", WITHOUT KEY")
	case r.keys[key]:
		b.WriteString(", AGAIN")
	}
	if auth := req.Header.Get("Authorization"); auth != "" {
		fmt.Fprintf(&b, ", authorization %s", auth)
	}
	fmt.Fprintf(&b, ": %s\n", body.Status)
	for _, a := range body.Alerts {
		fmt.Fprintf(&b, "  %s %s for %s\n", a.Labels["alertname"], a.Status, a.Labels["service_name"])
	}
	if r.keys == nil {
		r.keys = map[string]bool{}
	}
	r.keys[key] = true
	r.messages = append(r.messages, b.String())
}

func scriptReceived(ts *testscript.TestScript, neg bool, args []string) {
	expect(ts, neg, len(args) == 1, "received COUNT")
	var want int
	_, err := fmt.Sscan(args[0], &want)
	ts.Check(err)
	r := ts.Value("receiver").(*scriptReceiver)
	var messages []string
	eventually(ts, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		messages = slices.Clone(r.messages)
		return len(messages) >= want
	}, func() string { return fmt.Sprintf("only %d of %d messages came", len(messages), want) })
	_, err = io.WriteString(ts.Stdout(), strings.Join(messages, ""))
	ts.Check(err)
}
