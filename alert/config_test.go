package alert

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/freshet-dev/freshet/rules/label"
)

func decode(t testing.TB, text string) *Config {
	t.Helper()
	var c Config
	if err := yaml.UnmarshalWithOptions([]byte(text), &c, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	return &c
}

const goodConfig = `
global:
  slack_api_url: https://hooks.slack.com/services/T0/B0/secretpart
route:
  receiver: ops
  group_by: [alertname, cluster]
  group_wait: 5s
  routes:
    - matchers: ['severity="critical"', 'team=~"a|b"']
      receiver: page
      continue: true
      repeat_interval: 1h
      routes:
        - matchers: [service = checkout]
          group_by: ['...']
          receiver: shop
    - match: {severity: critical}
      receiver: log
    - match_re: {team: "x.*"}
      receiver: ops
      group_wait: 0s
receivers:
  - name: ops
    slack_configs:
      - channel: '#ops'
      - {token_file: token, channel: C012, send_resolved: false}
  - name: page
    webhook_configs:
      - url: https://example.org/hook?key=secretpart
        max_alerts: 10
        http_config:
          basic_auth: {username: freshet, password_file: pw}
  - name: shop
  - name: log
    webhook_configs: [{url_file: hook}, {url: "http://127.0.0.1:9/", send_resolved: false}]
`

func TestConfig(t *testing.T) {
	c := decode(t, goodConfig)
	if fs := c.Validate(); len(fs) > 0 {
		t.Fatalf("faults in a good configuration: %v", fs)
	}
	c.SetDirectory("/etc/freshet")
	var got []string
	for _, i := range c.Integrations(InlineDefaults()) {
		got = append(got, fmt.Sprintf("%s resolved=%v edits=%v", i.Key(), i.SendResolved, i.Edits))
	}
	want := []string{
		"ops/slack[0] resolved=true edits=false", "ops/slack[1] resolved=false edits=true", "page/webhook[0] resolved=true edits=false",
		"log/webhook[0] resolved=true edits=false", "log/webhook[1] resolved=false edits=false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("integrations are\n%s\nexpected\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if c.Integrations(AlertmanagerDefaults())[0].SendResolved {
		t.Error("in an alertmanager.yml the end is not told to Slack by default")
	}
	if p := c.Receivers[1].WebhookConfigs[0].HTTPConfig.BasicAuth.PasswordFile; p != "/etc/freshet/pw" {
		t.Errorf("the password file is %s", p)
	}
	if text := fmt.Sprintf("%v %+v %#v", *c, *c, *c); strings.Contains(text, "secretpart") {
		t.Error("a printed configuration shows a secret")
	}
	if b, err := yaml.Marshal(c); err != nil || strings.Contains(string(b), "secretpart") {
		t.Errorf("an encoded configuration shows a secret, or %v", err)
	}
}

func TestRoutes(t *testing.T) {
	root := decode(t, goodConfig).RouteTree(InlineDefaults())
	for _, tc := range []struct{ labels, want string }{
		{"alertname=A", `ops {}:{alertname="A"} wait 5s repeat 4h0m0s`},
		{"alertname=A cluster=x team=c", `ops {}:{alertname="A", cluster="x"} wait 5s repeat 4h0m0s`},
		{"alertname=A severity=critical", `log {}/{severity="critical"}:{alertname="A"} wait 5s repeat 4h0m0s`},
		{"alertname=A severity=critical team=a", `page {}/{severity="critical",team=~"a|b"}:{alertname="A"} wait 5s repeat 1h0m0s; ` +
			`log {}/{severity="critical"}:{alertname="A"} wait 5s repeat 4h0m0s`},
		{"alertname=A severity=critical team=b service=checkout", `shop {}/{severity="critical",team=~"a|b"}/{service="checkout"}:` +
			`{alertname="A", service="checkout", severity="critical", team="b"} wait 5s repeat 1h0m0s; ` +
			`log {}/{severity="critical"}:{alertname="A"} wait 5s repeat 4h0m0s`},
		{"alertname=A team=xyz", `ops {}/{team=~"x.*"}:{alertname="A"} wait 0s repeat 4h0m0s`},
		{"alertname=A team=axyz", `ops {}:{alertname="A"} wait 5s repeat 4h0m0s`},
	} {
		var pairs []string
		for f := range strings.FieldsSeq(tc.labels) {
			name, value, _ := strings.Cut(f, "=")
			pairs = append(pairs, name, value)
		}
		ls := label.New(pairs...)
		var got []string
		for _, r := range root.Match(ls) {
			got = append(got, fmt.Sprintf("%s %s wait %s repeat %s", r.Receiver, r.groupKey(r.groupLabels(ls)), r.GroupWait, r.RepeatInterval))
			if root.find(r.ID()) != r {
				t.Errorf("route %s is not found by its id", r.ID())
			}
		}
		if text := strings.Join(got, "; "); text != tc.want {
			t.Errorf("%s is routed to\n  %s\nexpected\n  %s", tc.labels, text, tc.want)
		}
	}
	if d := (&Config{Receivers: []Receiver{{Name: "only"}}}).RouteTree(AlertmanagerDefaults()); d.Receiver != "only" ||
		d.GroupWait != 30*time.Second || d.GroupInterval != 5*time.Minute || d.GroupBy != nil {
		t.Errorf("without a route the tree is %+v", d)
	}
}

// TestFaults compares all the faults of each file in testdata with those written beside it.
func TestFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/*.bad.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, f := range decode(t, string(text)).Validate() {
				lines = append(lines, f.Error())
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", strings.Join(lines, "\n")+"\n")
		})
	}
}

// golden compares with a file, or writes it when FRESHET_UPDATE_GOLDEN is set.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if os.Getenv("FRESHET_UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got\n%s\nexpected\n%s", file, got, want)
	}
}

func TestReadSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if _, err := ReadSecret("", file); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), file) {
		t.Errorf("a missing file gives %v", err)
	}
	if err := os.WriteFile(file, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSecret("", file); err == nil {
		t.Error("an empty file is no fault")
	}
	if err := os.WriteFile(file, []byte("abc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := ReadSecret("", file); s != "abc" || err != nil {
		t.Errorf("got %q, %v", s, err)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add(goodConfig)
	files, _ := filepath.Glob("testdata/*.yaml")
	for _, file := range files {
		if b, err := os.ReadFile(file); err == nil {
			f.Add(string(b))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		var c Config
		if yaml.UnmarshalWithOptions([]byte(text), &c, yaml.Strict()) != nil {
			return
		}
		c.Templates = nil // no files of the machine
		faults := c.Validate()
		root := c.RouteTree(InlineDefaults())
		ls := label.New("alertname", "A", "severity", "critical")
		routes := root.Match(ls)
		if len(faults) > 0 {
			return
		}
		if len(routes) == 0 {
			t.Error("a valid tree takes no alert")
		}
		for _, r := range routes {
			known := r.Receiver == "" && len(c.Receivers) == 0
			for _, other := range c.Receivers {
				known = known || other.Name == r.Receiver
			}
			if !known {
				t.Errorf("a valid tree leads to an unknown receiver %q", r.Receiver)
			}
		}
	})
}
