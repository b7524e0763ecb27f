package harness

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Output runs a command of freshet to its end and returns what it prints; a status other than 0 fails the test.
func Output(t testing.TB, config string, args ...string) string {
	t.Helper()
	out, err := Try(t, config, args...)
	if err != nil {
		t.Fatalf("freshet %v: %v\n%s", args, err, out)
	}
	return out
}

// Try is Output for a command that may fail: then the error is its status, and what it complains of is returned too.
func Try(t testing.TB, config string, args ...string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "freshet.yaml")
	Write(t, path, config)
	cmd := exec.CommandContext(t.Context(), os.Getenv(binary), append(args, "--config", path)...)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String() + stderr.String(), err //nolint:wrapcheck // for the test to judge
	}
	return stdout.String(), nil
}
