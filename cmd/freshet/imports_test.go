package main_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/freshet-dev/freshet"

// mayImport is the table of the packages: what each may import of ours. A pattern that ends in /* means every package
// below. The first pattern that fits a package decides; a package that none fits fails the test, so that it is given a
// place on purpose.
var mayImport = []struct {
	pkg     string
	imports []string
}{
	{"rules/label", nil},
	{"rules/library", nil},
	{"rules/expr", []string{"rules/label", "ingest"}},
	{"rules/promequal", []string{"rules", "rules/*", "ingest", "detect", "detect/*"}},
	{"rules/ruletest", []string{"rules", "rules/*", "ingest", "detect", "detect/*"}},
	{"rules", []string{"rules/expr", "rules/label", "ingest"}},

	{"ingest/kafka", nil},
	{"ingest/kafka/*", []string{"ingest/kafka", "ingest/kafka/*"}},
	{"ingest/otlp", []string{"ingest", "rules/label"}},
	{"ingest/event", []string{"ingest", "rules/label"}},
	{"ingest/format", []string{"ingest", "ingest/otlp", "ingest/event", "rules/label"}},
	{"ingest/deadletter", []string{"ingest", "ingest/kafka"}},
	{"ingest/agent", []string{"ingest", "ingest/kafka", "ingest/agent/*", "rules/label"}},
	{"ingest/agent/*", []string{"ingest", "ingest/kafka", "ingest/agent", "ingest/agent/*", "rules/label"}},
	{"ingest", []string{"rules/label"}},

	{"detect/pane", nil},
	{"detect/model", nil},
	{"detect/finding", []string{"rules/label"}},
	{"detect/explain", []string{"ingest", "detect/finding"}},
	{"detect/health", []string{"detect/finding", "rules/label"}},
	{"detect/window", []string{"detect/pane"}},
	{"detect", []string{"rules", "rules/*", "ingest", "detect/*"}},

	{"alert", []string{"detect/finding", "rules/label"}},
	{"alert/redact", nil},
	{"alert/slack/slacktest", nil},
	{"alert/*", []string{"alert", "alert/redact", "detect/finding", "rules/label"}},

	{"dashboards", []string{"detect/finding", "rules/label"}},
	{"dashboards/web/browsertest", []string{"dashboards/web", "detect/finding", "rules/label"}},
	{"dashboards/*", []string{"detect/finding", "rules/label"}},

	{"deploy", nil},
	{"deploy/*", nil},

	{"cmd/freshet", []string{"*"}},
	{"cmd/freshet/*", []string{"*"}},
}

// confined says in which packages a module of others may be imported, so that it can be replaced there alone.
var confined = []struct {
	path string
	to   []string
}{
	{"github.com/IBM/sarama", []string{"ingest/kafka", "ingest/kafka/*"}},
	{"github.com/twmb/franz-go", []string{"ingest/kafka/*"}},
	{"go.opentelemetry.io/collector/pdata", []string{"ingest/*", "cmd/freshet/shop"}},
	{"cel.dev/cel-go", []string{"rules/expr"}},
	{"github.com/google/cel-go", []string{"rules/expr"}},
	{"github.com/slack-go/slack", []string{"alert/slack"}},
	{"git.sr.ht/~sbinet/gg", []string{"alert/chart"}},
	{"codeberg.org/go-fonts/liberation", []string{"alert/chart"}},
	{"github.com/chromedp", []string{"dashboards/web/browsertest"}},
	{"github.com/prometheus/prometheus", nil}, // in the tests of rules/promequal
}

// kafkaFree are the packages that stay free of Kafka in their tests too: pure cores are tested as such.
var kafkaFree = []string{"rules", "rules/*", "detect", "detect/*", "alert", "alert/*", "dashboards", "dashboards/*"}

// matches says whether a package, named by its folder, fits a pattern.
func matches(pattern, pkg string) bool {
	below, all := strings.CutSuffix(pattern, "*")
	return pattern == pkg || all && strings.HasPrefix(pkg, below)
}

func anyMatches(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, pkg) })
}

// source is one Go file of the module.
type source struct {
	name, pkg, clause string // file name from the root, folder of the package, name in the package clause
	test, generated   bool
	comment           bool // whether it has the package comment
	lines             int
	imports           []string
}

// sources parses the head of every Go file of the module.
func sources(t *testing.T) []source {
	t.Helper()
	root := filepath.Join("..", "..")
	var files []source
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() {
			if name != root && (strings.HasPrefix(base, ".") || base == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		s := source{
			name:      filepath.ToSlash(rel),
			pkg:       path.Dir(filepath.ToSlash(rel)),
			clause:    file.Name.Name,
			test:      strings.HasSuffix(base, "_test.go"),
			generated: strings.Contains(string(text), "\n// Code generated ") || strings.HasPrefix(string(text), "// Code generated "),
			comment:   file.Doc != nil,
			lines:     strings.Count(string(text), "\n"),
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, imported)
		}
		files = append(files, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("no Go files below %s", root)
	}
	return files
}

func TestImports(t *testing.T) {
	for _, file := range sources(t) {
		if !file.test {
			checkTable(t, file)
			for _, c := range confined {
				for _, imported := range file.imports {
					if (imported == c.path || strings.HasPrefix(imported, c.path+"/")) && !anyMatches(c.to, file.pkg) {
						t.Errorf("%s imports %s, which only %s may", file.name, imported, strings.Join(c.to, ", "))
					}
				}
			}
		}
		for _, imported := range file.imports {
			ours, isOurs := strings.CutPrefix(imported, module+"/")
			if isOurs && matches("cmd/*", ours) && !matches("cmd/*", file.pkg) {
				t.Errorf("%s imports %s, but nobody outside cmd may import cmd", file.name, ours)
			}
			if isOurs && (ours == "ingest/kafka" || matches("ingest/kafka/*", ours)) && anyMatches(kafkaFree, file.pkg) {
				t.Errorf("%s imports %s, but the package and its tests stay free of Kafka", file.name, ours)
			}
		}
	}
}

// checkTable reports the imports of ours that the table does not allow the file.
func checkTable(t *testing.T, file source) {
	t.Helper()
	for _, row := range mayImport {
		if !matches(row.pkg, file.pkg) {
			continue
		}
		for _, imported := range file.imports {
			ours, isOurs := strings.CutPrefix(imported, module+"/")
			if isOurs && !anyMatches(row.imports, ours) {
				t.Errorf("%s: package %s may not import %s; it may import %v of ours", file.name, file.pkg, ours, row.imports)
			}
		}
		return
	}
	t.Errorf("%s: package %s has no row in the table of imports; give it one", file.name, file.pkg)
}

func TestPackageComments(t *testing.T) {
	comments := make(map[string][]string)
	for _, file := range sources(t) {
		key := file.pkg + " " + strings.TrimSuffix(file.clause, "_test")
		if _, seen := comments[key]; !seen {
			comments[key] = nil
		}
		if file.comment {
			comments[key] = append(comments[key], file.name)
		}
	}
	for key, files := range comments {
		if len(files) != 1 {
			t.Errorf("package %s has %d package comments, expected exactly one: %v", key, len(files), files)
		}
	}
}

func TestFileLength(t *testing.T) {
	const limit = 500
	for _, file := range sources(t) {
		if !file.generated && file.lines > limit {
			t.Errorf("%s has %d lines, more than %d: split it by nouns", file.name, file.lines, limit)
		}
	}
}
