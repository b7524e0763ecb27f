package alert

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

//go:generate env FRESHET_UPDATE_GOLDEN=1 go test -count=1 -run README .

// section is a mapping of the configuration: its title, the type here, and Alertmanager's.
type section struct {
	title        string
	of           any
	alertmanager string
}

func sections() []section {
	return []section{
		{"at the top", Config{}, "Config"}, {"`global`", Global{}, "GlobalConfig"}, {"`route` and `routes`", RouteConfig{}, "Route"},
		{"`receivers`", Receiver{}, "Receiver"}, {"`slack_configs`", SlackConfig{}, "SlackConfig"}, {"`webhook_configs`", WebhookConfig{}, "WebhookConfig"},
		{"`remediation`", RemediationConfig{}, ""}, {"`http_config`", HTTPConfig{}, "HTTPClientConfig"},
		{"`inhibit_rules`", InhibitRuleConfig{}, "InhibitRule"}, {"`time_intervals`", TimeIntervalConfig{}, "TimeInterval"},
		{"`flapping`", FlappingConfig{}, ""}, {"`dead_mans_switch`", DeadmanConfig{}, ""},
	}
}

// goType is a struct in Go files: its keys, and what the comments say of its fields.
type goType struct {
	keys     []string
	comments map[string]string
}

// goTypes reads the structs of folders.
func goTypes(t *testing.T, dirs ...string) map[string]goType {
	t.Helper()
	out := map[string]goType{}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", dir, len(files), err)
		}
		for _, file := range files {
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				spec, ok := n.(*ast.TypeSpec)
				if !ok {
					return true
				}
				if s, ok := spec.Type.(*ast.StructType); ok && !strings.HasSuffix(file, "_test.go") {
					out[spec.Name.Name] = readStruct(s)
				}
				return true
			})
		}
	}
	return out
}

func readStruct(s *ast.StructType) goType {
	out := goType{comments: map[string]string{}}
	for _, field := range s.Fields.List {
		if field.Tag == nil {
			continue
		}
		key, _, _ := strings.Cut(reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("yaml"), ",")
		if key == "" || key == "-" {
			continue
		}
		out.keys = append(out.keys, key)
		out.comments[key] = strings.TrimSpace(field.Doc.Text())
	}
	return out
}

// keysOf returns the keys of a struct, in order, with the names of their fields; unused are those without effect.
func keysOf(of reflect.Type) (keys, unused []string, names map[string]string) {
	names = map[string]string{}
	for f := range of.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case options == "inline":
			inner, more, innerNames := keysOf(f.Type)
			keys, unused = append(keys, inner...), append(unused, more...)
			maps.Copy(names, innerNames)
		case name == "" || name == "-":
		case f.Type == reflect.TypeFor[Unused]():
			unused = append(unused, name)
		default:
			keys = append(keys, name)
			names[f.Name] = name
		}
	}
	return keys, unused, names
}

// ofAlertmanager are the structs of Alertmanager's configuration.
func ofAlertmanager(t *testing.T) map[string]goType {
	t.Helper()
	var dirs []string
	for _, module := range []string{"github.com/prometheus/alertmanager", "github.com/prometheus/common"} {
		dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
		if err != nil {
			t.Fatal(err)
		}
		root := strings.TrimSpace(string(dir))
		dirs = append(dirs, filepath.Join(root, "config"))
		if strings.Contains(module, "alertmanager") {
			dirs = append(dirs, filepath.Join(root, "config", "common"), filepath.Join(root, "notify", "webhook"))
		}
	}
	types := goTypes(t, dirs...)
	for _, inline := range [][2]string{{"HTTPClientConfig", "ProxyConfig"}, {"SlackConfig", "NotifierConfig"}, {"WebhookConfig", "NotifierConfig"}} {
		outer := types[inline[0]]
		outer.keys = append(outer.keys, types[inline[1]].keys...)
		types[inline[0]] = outer
	}
	return types
}

// row is a line of a table: keys that belong together, and what is said of them.
type row struct{ keys, text string }

// goName is a name of this code, which says nothing to users; those of templates' data have a dot before them.
var goName = regexp.MustCompile(`(^|[^.\w])[A-Z][a-z]+[A-Z]\w*|Config\b|Defaults\b`)

var word = regexp.MustCompile(`\b[A-Z]\w+\b`)

// TestKeysOfREADME compares the tables of keys with the code: its comments, and which keys are Alertmanager's.
func TestKeysOfREADME(t *testing.T) {
	here, there := goTypes(t, "."), ofAlertmanager(t)
	var b strings.Builder
	for _, s := range sections() {
		of := reflect.TypeOf(s.of)
		keys, unused, names := keysOf(of)
		comments := here[of.Name()].comments
		var rows []row
		var same []string
		for _, key := range keys {
			text := word.ReplaceAllStringFunc(strings.ReplaceAll(comments[key], "\n", " "), func(w string) string {
				if other := names[w]; other != "" && !strings.Contains(comments[key], w+"'") {
					return "`" + other + "`"
				}
				return w
			})
			own := s.alertmanager == "" || !slices.Contains(there[s.alertmanager].keys, key)
			switch {
			case text == "" && !own:
				same = append(same, key)
				continue
			case own && s.alertmanager != "":
				key += "` (freshet's)"
			default:
				key += "`"
			}
			if last := len(rows) - 1; text == "" && last >= 0 { // what is said of the key before is about this one too
				rows[last].keys += ", `" + key
				continue
			}
			if text == "" || goName.MatchString(text) {
				t.Errorf("%s: the comment of `%s is %q, expected one for users", s.title, key, text)
			}
			rows = append(rows, row{"`" + key, strings.ReplaceAll(text, "|", `\|`)})
		}
		fmt.Fprintf(&b, "\n### Keys %s\n", strings.Replace("of "+s.title, "of at", "at", 1))
		if len(rows) > 0 {
			b.WriteString("\n| key | meaning |\n| --- | --- |\n")
		}
		for _, r := range rows {
			fmt.Fprintf(&b, "| %s | %s |\n", r.keys, r.text)
		}
		if len(same) > 0 {
			fmt.Fprintf(&b, "\nAs in Alertmanager: `%s`.\n", strings.Join(same, "`, `"))
		}
		if len(unused) > 0 && s.title == "`receivers`" {
			fmt.Fprintf(&b, "\nWithout effect is `%s`. Faults that say what to use instead are `%s`.\n", unused[0], strings.Join(unused[1:], "`, `"))
		} else if len(unused) > 0 {
			fmt.Fprintf(&b, "\nWithout effect: `%s`.\n", strings.Join(unused, "`, `"))
		}
	}
	content, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- keys: begin; written by `FRESHET_UPDATE_GOLDEN=1 go test ./alert -run README` -->\n", "<!-- keys: end -->"
	head, rest, _ := strings.Cut(string(content), begin)
	was, tail, found := strings.Cut(rest, end)
	now := b.String() + "\n"
	switch {
	case !found:
		t.Fatal("README.md has no place for the keys")
	case os.Getenv("FRESHET_UPDATE_GOLDEN") != "":
		if err := os.WriteFile("README.md", []byte(head+begin+now+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	case was != now:
		t.Error("the keys have changed: write README.md with FRESHET_UPDATE_GOLDEN=1")
	}
}

// Every key that Alertmanager knows may stand in a configuration, with effect or without.
func TestKeysOfAlertmanager(t *testing.T) {
	there := ofAlertmanager(t)
	for _, s := range sections() {
		if s.alertmanager == "" {
			continue
		}
		keys, unused, _ := keysOf(reflect.TypeOf(s.of))
		if len(there[s.alertmanager].keys) == 0 {
			t.Errorf("Alertmanager has no %s", s.alertmanager)
		}
		for _, key := range there[s.alertmanager].keys {
			if !slices.Contains(keys, key) && !slices.Contains(unused, key) {
				t.Errorf("%s: Alertmanager has %s", s.title, key)
			}
		}
	}
}
