package config

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/rules/label"
)

// amtool returns Alertmanager's own tool, "" where it is not there.
func amtool(t *testing.T) string {
	t.Helper()
	tool := os.Getenv("FRESHET_TEST_AMTOOL")
	if tool == "" {
		t.Log("left out: FRESHET_TEST_AMTOOL is not set")
	}
	return tool
}

// examples returns the configurations in Alertmanager's module, by their names there.
func examples(t *testing.T) map[string][]byte {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/prometheus/alertmanager").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := strings.TrimSpace(string(dir))
	out := map[string][]byte{}
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".yml" {
			return err
		}
		content, err := os.ReadFile(path)
		var doc map[string]any
		if err == nil && yaml.Unmarshal(content, &doc) == nil && doc["receivers"] != nil {
			name, _ := filepath.Rel(root, path)
			out[filepath.ToSlash(name)] = content
		}
		return err
	})
	if err != nil || len(out) < 40 {
		t.Fatalf("%d examples, %v", len(out), err)
	}
	return out
}

// withWebhooks returns a configuration with a webhook in the place of receivers that freshet does not have, and the keys
// of those.
func withWebhooks(t *testing.T, content []byte) (changed []byte, others []string) {
	t.Helper()
	var doc map[string]any
	if err := yaml.Unmarshal(content, &doc); err != nil {
		t.Fatal(err)
	}
	receivers, _ := doc["receivers"].([]any)
	for _, r := range receivers {
		receiver, _ := r.(map[string]any)
		for key := range receiver {
			if strings.HasSuffix(key, "_configs") && key != "slack_configs" && key != "webhook_configs" {
				delete(receiver, key)
				receiver["webhook_configs"] = []any{map[string]any{"url": "http://127.0.0.1:9/"}}
				others = append(others, key)
			}
		}
	}
	changed, err := yaml.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return changed, others
}

// load writes a file and loads it.
func load(t *testing.T, content []byte) (*Config, string, []Fault) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "alertmanager.yml")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, faults, err := LoadAlertmanager(path)
	if err != nil {
		t.Fatal(err)
	}
	return cfg, path, faults
}

// stricter are examples that Alertmanager loads and freshet does not, with the fault: the proxy "foo" is none.
func stricter() map[string]string {
	return map[string]string{"config/testdata/conf.http-config.good.yml": "expected an address that begins with http://"}
}

// What Alertmanager takes in a spelling that is seldom seen, freshet takes too, and it means the same.
func TestAlertmanagerSpellings(t *testing.T) {
	t.Parallel()
	content := []byte(`
global: {smtp_smarthost: '', http_config: {follow_redirects: off, enable_http2: No}}
route: {receiver: a, continue: n, routes: [{receiver: b, continue: y, match: {on: yes}}]}
receivers:
  - name: a
    email_configs: []
    pagerduty_configs:
    webhook_configs:
      - {url: 'http://127.0.0.1:9/', send_resolved: no, timeout: 1.5s, http_config: {basic_auth: {password: p}}}
      - {url: 'http://127.0.0.1:9/', send_resolved: yes, timeout: 1m, payload: {flag: on, text: 'on', list: [No]}, http_config: {authorization: {}}}
  - name: b
    slack_configs:
      - {api_url: 'http://127.0.0.1:9/', channel: on, send_resolved: On, short_fields: YES, http_config: {basic_auth: {}}}
`)
	cfg, path, faults := load(t, content)
	if len(faults) > 0 {
		t.Fatalf("faults: %+v", faults)
	}
	if tool := amtool(t); tool != "" {
		if out, err := exec.CommandContext(t.Context(), tool, "check-config", path).CombinedOutput(); err != nil {
			t.Errorf("Alertmanager does not load it: %s", out)
		}
	}
	c := &cfg.Alert.Config
	one, two, slack := c.Receivers[0].WebhookConfigs[0], c.Receivers[0].WebhookConfigs[1], c.Receivers[1].SlackConfigs[0]
	if *c.Global.HTTPConfig.FollowRedirects || *c.Global.HTTPConfig.EnableHTTP2 || !c.Route.Routes[0].Continue || c.Route.Routes[0].Match["on"] != "yes" {
		t.Errorf("global or route is %+v, %+v", c.Global.HTTPConfig, c.Route)
	}
	if *one.SendResolved || !*two.SendResolved || !*slack.SendResolved || one.Timeout != 1500*time.Millisecond || two.Timeout != time.Minute || slack.Channel != "on" {
		t.Errorf("webhooks are %+v and %+v, Slack is %+v", one, two, slack)
	}
	if want := map[string]any{"flag": true, "text": "on", "list": []any{false}}; !reflect.DeepEqual(two.Payload, want) {
		t.Errorf("payload is %#v, expected %#v", two.Payload, want)
	}
	for _, i := range c.Integrations(cfg.Alert.Defaults()) {
		if i.Webhook != nil {
			if _, err := i.Webhook.HTTPConfig.Client("test"); err != nil {
				t.Error(err)
			}
		}
	}
	var odd []string
	for _, f := range c.Lint(nil) {
		odd = append(odd, f.Path)
	}
	want := []string{"receivers[0].webhook_configs[0].http_config.basic_auth", "receivers[0].webhook_configs[1].http_config.authorization", "receivers[1].slack_configs[0].http_config.basic_auth"}
	if !slices.Equal(odd, want) {
		t.Errorf("warnings are about %q, expected %q", odd, want)
	}
}

// withoutFiles leaves out that a file of a secret is not there: it is not, of the examples'.
func withoutFiles(faults []Fault) []Fault {
	return slices.DeleteFunc(faults, func(f Fault) bool { return strings.HasPrefix(f.Message, "cannot be read: ") })
}

// Alertmanager's own examples load and route as amtool says. Receivers of kinds that freshet does not have are faults that
// name the kind, and all else about such a file is right.
func TestAlertmanagerExamples(t *testing.T) {
	t.Parallel()
	tool := amtool(t)
	for name, content := range examples(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, path, faults := load(t, content)
			faults = withoutFiles(faults)
			changed, others := withWebhooks(t, content)
			for _, f := range faults {
				if key := f.Path[strings.LastIndexByte(f.Path, '.')+1:]; f.Line == 0 || f.Source == "" {
					t.Errorf("a fault without a place: %+v", f)
				} else if slices.Contains(others, key) && !strings.Contains(f.Message, "freshet has no receivers of the kind ") {
					t.Errorf("a fault that does not name the kind: %+v", f)
				}
			}
			if tool == "" {
				return
			}
			loads := exec.CommandContext(t.Context(), tool, "config", "routes", "show", "--config.file", path).Run() == nil
			why, isStricter := stricter()[name]
			switch {
			case loads && !isStricter && len(faults) != len(others):
				t.Errorf("Alertmanager loads it, its receivers of other kinds are %s, and the faults are %+v", others, faults)
			case loads && isStricter && (len(faults) != 1 || !strings.HasPrefix(faults[0].Message, why)):
				t.Errorf("expected a fault, %s; found %+v", why, faults)
			case !loads && len(faults) == 0:
				t.Errorf("Alertmanager does not load it, freshet does")
			}
			if !loads || isStricter {
				return
			}
			cfg, _, faults := load(t, changed)
			if faults = withoutFiles(faults); len(faults) > 0 {
				t.Fatalf("with webhooks in the place of other receivers: %+v", faults)
			}
			compareRoutes(t, tool, path, &cfg.Alert.Config, 10, rand.New(rand.NewPCG(1, 2)))
		})
	}
}

// Trees of routes made at random, in every way of writing matchers, route as amtool says.
func TestRoutesAsAmtool(t *testing.T) {
	t.Parallel()
	tool := amtool(t)
	const trees, sets = 100, 8
	for seed := range uint64(trees) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 7))
			content := randomTree(rng)
			cfg, path, faults := load(t, content)
			if len(faults) > 0 {
				t.Fatalf("%+v\n%s", faults, content)
			}
			if tool != "" {
				compareRoutes(t, tool, path, &cfg.Alert.Config, sets, rng)
			}
			if t.Failed() {
				t.Logf("the tree:\n%s", content)
			}
		})
	}
}

// compareRoutes compares with amtool on labels that the routes know, and some that they do not.
func compareRoutes(t *testing.T, tool, path string, cfg *alert.Config, sets int, rng *rand.Rand) {
	t.Helper()
	root := cfg.RouteTree(alert.AlertmanagerDefaults())
	values := map[string][]string{"alertname": {"Down"}}
	collect(root, values)
	names := slices.Sorted(maps.Keys(values))
	for range sets {
		m := map[string]string{}
		for _, name := range names {
			if rng.IntN(3) > 0 {
				m[name] = values[name][rng.IntN(len(values[name]))]
			}
		}
		args := []string{"config", "routes", "test", "--config.file", path}
		for _, name := range slices.Sorted(maps.Keys(m)) {
			args = append(args, fmt.Sprintf("%q=%q", name, m[name]))
		}
		command := exec.CommandContext(t.Context(), tool, args...)
		var stderr bytes.Buffer
		command.Stderr = &stderr
		said, err := command.Output()
		if err != nil {
			t.Fatalf("amtool: %v %s", err, stderr.Bytes())
		}
		routing := alert.Explain(alert.Setting{Route: root}, []label.Set{label.FromMap(m)}, t0())[0]
		if got, want := strings.Join(routing.Receivers(), ","), strings.TrimSpace(string(said)); got != want {
			t.Errorf("%v: routes lead to %s, amtool says %s", m, got, want)
		}
	}
}

// collect gathers values that the matchers of routes are about.
func collect(r *alert.Route, values map[string][]string) {
	for _, m := range r.Matchers {
		for v := range strings.SplitSeq(strings.Trim(m.Value, "^$()"), "|") {
			if v != "" {
				values[m.Name] = append(values[m.Name], v)
			}
		}
		values[m.Name] = append(values[m.Name], "other")
	}
	for _, child := range r.Routes {
		collect(child, values)
	}
}
