package bench

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(peer(role))
	}
	os.Exit(harness.Main(m))
}

// cost is what a program took to read the topic of the reference job.
type cost struct {
	wall   time.Duration // from when it is connected until all is read
	cpu    time.Duration // user and system, of the whole process from its start to its end
	peak   int64         // bytes of resident memory, 0 where the system does not say
	alerts []transition
}

// runPeer runs a peer until it is done.
func runPeer(tb testing.TB, role string, o order) cost {
	tb.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		tb.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.CommandContext(tb.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+role, orderVariable+"="+string(text))
	cmd.Stderr = &log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	var r report
	if err := json.NewDecoder(stdout).Decode(&r); err != nil {
		_ = cmd.Wait() // what it says is in the log
		tb.Fatalf("%s: %v\n%s", role, err, log.String())
	}
	c := cost{wall: r.Took, alerts: r.Alerts, peak: harness.PeakMemory(cmd.Process.Pid)}
	if err := stdin.Close(); err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		tb.Fatalf("%s: %v\n%s", role, err, log.String())
	}
	c.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if r.Messages != o.Messages {
		tb.Fatalf("%s read %d messages of %d", role, r.Messages, o.Messages)
	}
	return c
}
