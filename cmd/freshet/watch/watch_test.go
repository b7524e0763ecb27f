package watch

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// seen is what a look saw last.
type seen struct {
	t     *testing.T
	paths []string

	mu      sync.Mutex
	content string
	looks   int
}

// follow watches paths, as relative to a folder, until the test ends. Reports of the system must do: it polls once an hour.
func follow(t *testing.T, dir string, paths ...string) *seen {
	t.Helper()
	s := &seen{t: t}
	for _, p := range paths {
		s.paths = append(s.paths, filepath.Join(dir, p))
	}
	s.run(Options{Paths: func() []string { return s.paths }, Settle: 20 * time.Millisecond, Poll: time.Hour, Log: slog.New(slog.DiscardHandler)})
	s.expect(s.now())
	return s
}

func (s *seen) run(o Options) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		Files(ctx, o, func() {
			now := s.now()
			s.mu.Lock()
			defer s.mu.Unlock()
			s.content = now
			s.looks++
		})
	}()
	s.t.Cleanup(func() { cancel(); <-done })
}

// now reads the files as they are.
func (s *seen) now() string {
	var out []string
	for _, path := range s.paths {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			path = filepath.Join(path, "*.yaml")
		}
		names, err := filepath.Glob(path)
		if err != nil {
			s.t.Error(err)
		}
		for _, name := range names {
			content, err := os.ReadFile(name)
			if err != nil {
				content = []byte("none")
			}
			out = append(out, filepath.Base(name)+"="+string(content))
		}
	}
	return strings.Join(out, " ")
}

// expect waits until a look has seen something.
func (s *seen) expect(want string) {
	s.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		s.mu.Lock()
		content, looks := s.content, s.looks
		s.mu.Unlock()
		if content == want && looks > 0 {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("seen is %q, expected %q", content, want)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path, []byte(content), 0o600))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFileIsWrittenAndReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "a.yaml")
	write(t, path, "1")
	s := follow(t, dir, "a.yaml")
	write(t, path, "2")
	s.expect("a.yaml=2")
	// As editors save: the old file is moved away, the new one takes its name; or one is moved over the other.
	must(t, os.Rename(path, path+"~"))
	write(t, path, "3")
	s.expect("a.yaml=3")
	for _, content := range []string{"4", "5"} {
		write(t, filepath.Join(dir, ".a.swp"), content)
		must(t, os.Rename(filepath.Join(dir, ".a.swp"), path))
		s.expect("a.yaml=" + content)
	}
	must(t, os.Remove(path))
	s.expect("")
	write(t, path, "6")
	s.expect("a.yaml=6")
}

func TestFilesOfAGlobComeAndGo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "rules", "a.yaml"), "1")
	s := follow(t, dir, "rules/*.yaml", "teams/*/rules.yaml", "all")
	write(t, filepath.Join(dir, "rules", "b.yaml"), "1")
	s.expect("a.yaml=1 b.yaml=1")
	must(t, os.Remove(filepath.Join(dir, "rules", "a.yaml")))
	s.expect("b.yaml=1")
	write(t, filepath.Join(dir, "teams", "shop", "rules.yaml"), "2")
	s.expect("b.yaml=1 rules.yaml=2")
	write(t, filepath.Join(dir, "teams", "bank", "rules.yaml"), "3")
	s.expect("b.yaml=1 rules.yaml=3 rules.yaml=2")
	write(t, filepath.Join(dir, "teams", "shop", "rules.yaml"), "4")
	s.expect("b.yaml=1 rules.yaml=3 rules.yaml=4")
	write(t, filepath.Join(dir, "all", "c.yaml"), "5")
	s.expect("b.yaml=1 rules.yaml=3 rules.yaml=4 c.yaml=5")
}

// TestConfigMap is what the kubelet does: the files are links through ..data, which is set to another folder at once.
func TestConfigMap(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"a.yaml", "*.yaml", ""} {
		dir := t.TempDir()
		publish := func(version, content string) {
			write(t, filepath.Join(dir, "..v"+version, "a.yaml"), content)
			must(t, os.Symlink("..v"+version, filepath.Join(dir, "..data_tmp")))
			must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
		}
		publish("1", "1")
		must(t, os.Symlink("..data/a.yaml", filepath.Join(dir, "a.yaml")))
		s := follow(t, dir, path)
		for _, version := range []string{"2", "3"} {
			publish(version, version)
			must(t, os.RemoveAll(filepath.Join(dir, "..v"+string(version[0]-1))))
			s.expect("a.yaml=" + version)
		}
	}
}

// TestLinksOnTheWay are those of releases: a folder far up is a link that is set to another.
func TestLinksOnTheWay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "releases", "1", "rules", "a.yaml"), "1")
	write(t, filepath.Join(dir, "releases", "2", "rules", "a.yaml"), "2")
	write(t, filepath.Join(dir, "elsewhere", "b.yaml"), "1")
	must(t, os.MkdirAll(filepath.Join(dir, "etc", "linked"), 0o700))
	must(t, os.Symlink(filepath.Join(dir, "elsewhere", "b.yaml"), filepath.Join(dir, "etc", "linked", "b.yaml")))
	current := filepath.Join(dir, "etc", "current")
	must(t, os.Symlink("../releases/1", current))
	s := follow(t, dir, "etc/current/rules/*.yaml", "etc/linked")
	must(t, os.Symlink("../releases/2", current+"~"))
	must(t, os.Rename(current+"~", current))
	s.expect("a.yaml=2 b.yaml=1")
	write(t, filepath.Join(dir, "releases", "2", "rules", "a.yaml"), "3")
	s.expect("a.yaml=3 b.yaml=1")
	write(t, filepath.Join(dir, "elsewhere", "b.yaml"), "2") // the link itself stays as it is
	s.expect("a.yaml=3 b.yaml=2")
	// A link that leads nowhere, and one that leads in a circle, are waited for.
	must(t, os.Symlink("current", current+"~"))
	must(t, os.Rename(current+"~", current))
	s.expect("b.yaml=2")
	must(t, os.Symlink("../releases/3", current+"~"))
	must(t, os.Rename(current+"~", current))
	write(t, filepath.Join(dir, "releases", "3", "rules", "a.yaml"), "4")
	s.expect("a.yaml=4 b.yaml=2")
}

func TestFolderIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "rules", "a.yaml"), "1")
	s := follow(t, dir, "rules/*.yaml")
	write(t, filepath.Join(dir, "new", "a.yaml"), "2")
	must(t, os.Rename(filepath.Join(dir, "rules"), filepath.Join(dir, "old")))
	must(t, os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "rules")))
	s.expect("a.yaml=2")
	write(t, filepath.Join(dir, "rules", "a.yaml"), "3")
	s.expect("a.yaml=3")
	must(t, os.RemoveAll(filepath.Join(dir, "rules")))
	s.expect("")
	write(t, filepath.Join(dir, "rules", "b.yaml"), "4")
	s.expect("b.yaml=4")
}

// Several changes in a row are looked at together, and a file that never comes to rest is looked at all the same.
func TestChangesSettle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "a.yaml")
	write(t, path, "0")
	s := &seen{t: t, paths: []string{path}}
	s.run(Options{Paths: func() []string { return s.paths }, Settle: 200 * time.Millisecond, Poll: time.Hour, Log: slog.New(slog.DiscardHandler)})
	s.expect("a.yaml=0")
	writes := 0
	for begin := time.Now(); time.Since(begin) < 3*time.Second; writes++ {
		write(t, path, strings.Repeat("x", writes))
		time.Sleep(5 * time.Millisecond)
	}
	s.mu.Lock()
	looks := s.looks
	s.mu.Unlock()
	if looks < 2 || looks > 4+writes/4 {
		t.Errorf("%d writes in 3 s were looked at %d times", writes, looks)
	}
	write(t, path, "last")
	s.expect("a.yaml=last")
}

// Where the system reports nothing, it is looked now and then.
func TestPolling(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "a.yaml")
	write(t, path, "1")
	s := &seen{t: t, paths: []string{path}}
	s.run(Options{Paths: func() []string { return []string{filepath.Join(dir, "nowhere", "b.yaml")} }, Poll: 20 * time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	s.expect("a.yaml=1")
	write(t, path, "2")
	s.expect("a.yaml=2")
}

// TestFilesThatFilesName are watched once a look has found them, and so is what happened in between.
func TestFilesThatFilesName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "rules", "a.yaml"), "lists/1")
	write(t, filepath.Join(dir, "lists", "1"), "x")
	write(t, filepath.Join(dir, "more", "2"), "y")
	s := &seen{t: t, paths: []string{filepath.Join(dir, "rules", "a.yaml")}}
	named := func() []string {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.paths
	}
	first := true
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		Files(ctx, Options{Paths: named, Settle: 20 * time.Millisecond, Poll: time.Hour, Log: slog.New(slog.DiscardHandler)}, func() {
			content, err := os.ReadFile(filepath.Join(dir, "rules", "a.yaml"))
			if err != nil {
				return // it is being written
			}
			path := filepath.Join(dir, string(content))
			value, _ := os.ReadFile(path)
			if first { // it changes before anybody watches it
				first = false
				write(t, path, "z")
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.paths, s.content, s.looks = []string{s.paths[0], path}, string(value), s.looks+1
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	s.expect("z")
	write(t, filepath.Join(dir, "lists", "1"), "w")
	s.expect("w")
	write(t, filepath.Join(dir, "rules", "a.yaml"), "more/2")
	s.expect("y")
	write(t, filepath.Join(dir, "more", "2"), "v")
	s.expect("v")
}
