package dashboards

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the dashboards anew")

func TestFilesAreUpToDate(t *testing.T) {
	for name, dashboard := range All() {
		want, err := dashboard.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(name, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatalf("%v; write it with go generate ./dashboards", err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the code builds; write it with go generate ./dashboards", name)
		}
	}
	files, err := filepath.Glob("*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(All()) {
		t.Errorf("there are %d JSON files for %d dashboards: %v", len(files), len(All()), files)
	}
}

// metricSources returns the text of every file of the module that registers metrics.
func metricSources(t *testing.T) []string {
	t.Helper()
	var sources []string
	err := filepath.WalkDir("..", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && entry.Name() != ".." {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err == nil && bytes.Contains(text, []byte("prometheus/client_golang/prometheus")) {
			sources = append(sources, string(text))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sources
}

// registered says whether a source names a metric, whole or as a prefix that ends in _ and a rest.
func registered(source, metric string) bool {
	quoted := func(s string) bool { return strings.Contains(source, `"`+s+`"`) }
	if quoted(metric) {
		return true
	}
	for i, r := range metric {
		if r == '_' && quoted(metric[:i+1]) && quoted(metric[i+1:]) {
			return true
		}
	}
	return false
}

// A panel over a metric that nobody registers stays empty for ever, and nobody notices.
func TestEveryMetricIsRegistered(t *testing.T) {
	sources := metricSources(t)
	text, err := Freshet().JSON()
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool)
	for _, name := range regexp.MustCompile(`\bfreshet_\w+`).FindAllString(string(text), -1) {
		found[strings.TrimSuffix(name, "_bucket")] = true
	}
	if len(found) < 15 {
		t.Fatalf("only %d metrics are named, the test reads the dashboard wrongly", len(found))
	}
	for metric := range found {
		known := false
		for _, source := range sources {
			known = known || registered(source, metric)
		}
		if !known {
			t.Errorf("no package registers %s", metric)
		}
	}
}

func TestPanelsHaveTheirPlace(t *testing.T) {
	var cells [200][24]string
	ids := make(map[int]bool)
	for _, p := range Freshet().Panels {
		if ids[p.ID] {
			t.Errorf("%q has the id %d of another panel", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.Type != "row" && (p.Description == "" || len(p.Targets) == 0) {
			t.Errorf("%q lacks a description or a query", p.Title)
		}
		for _, target := range p.Targets {
			if strings.Contains(target.Expr, "$of") || !strings.Contains(target.Expr, `instance=~"$instance"`) {
				t.Errorf("%q does not keep to the instances chosen: %s", p.Title, target.Expr)
			}
			if strings.Count(target.Expr, "(") != strings.Count(target.Expr, ")") {
				t.Errorf("%q has an open parenthesis: %s", p.Title, target.Expr)
			}
		}
		for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				if cells[y][x] != "" {
					t.Fatalf("%q lies over %q", p.Title, cells[y][x])
				}
				cells[y][x] = p.Title
			}
		}
	}
}
