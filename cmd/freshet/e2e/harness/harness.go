// Package harness runs the built program for tests: as separate processes that are watched, stopped and killed.
package harness

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// binary is where Main builds the program, beside the package under test.
const binary = "FRESHET_TEST_BINARY"

// Main builds freshet, runs the tests of a package two folders below the module's cmd, and returns the status to exit
// with.
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "freshet-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "freshet")
	args := []string{"build", "-o", path}
	if Race {
		args = append(args, "-race")
	}
	cmd := exec.CommandContext(context.Background(), "go", append(args, "github.com/freshet-dev/freshet/cmd/freshet")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building freshet: %v\n%s", err, out)
		return 1
	}
	// A program that finds a race ends at once, so that its test fails.
	if err := errors.Join(os.Setenv(binary, path), os.Setenv("GORACE", "halt_on_error=1")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// FreeAddress returns a loopback address that nobody listens on now. Its port is below those that systems hand out to
// connections, so that nobody takes it by chance before the program under test does.
func FreeAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 15000+rand.IntN(17000))
		if l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal("no free port between 15000 and 32000")
	return ""
}

// Write makes a file that only its owner reads.
func Write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Eventually waits until ok, asking ten times a second, and fails the test when that takes too long.
func Eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
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

// Never watches for a time that something does not happen.
func Never(t testing.TB, during time.Duration, what string, happened func() bool) {
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
