package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// << merges mappings as YAML says: what stands there itself wins, then the first mapping that has the key.
func TestMergeKeys(t *testing.T) {
	t.Parallel()
	cfg, _, faults := load(t, []byte(`
route:
  receiver: a
  routes:
    - &slow {receiver: a, group_wait: 1m, group_interval: 10m, continue: true}
    - &quick
      receiver: b
      group_wait: 1s
      matchers: [x="1"]
    - <<: *slow
      group_wait: 2h30m
    - <<: [*quick, *slow]
    - <<: {<<: *quick, receiver: a}
receivers: [{name: a}, {name: b}]
`))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	var got []string
	for _, r := range cfg.Alert.RouteTree(cfg.Alert.Defaults()).Routes {
		got = append(got, fmt.Sprint(r.Receiver, " ", r.GroupWait, " ", r.GroupInterval, " ", r.Continue, " ", len(r.Matchers)))
	}
	want := []string{"a 1m0s 10m0s true 0", "b 1s 5m0s false 1", "a 2h30m0s 10m0s true 0", "b 1s 10m0s true 1", "a 1s 5m0s false 1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	_, _, faults = load(t, []byte("route:\n  receiver: a\n  <<: [b]\nreceivers: [&r {name: a, labls: {}}, {<<: *r, name: c}]\n"))
	var messages []string
	for _, f := range faults {
		messages = append(messages, fmt.Sprintf("%d:%d %s", f.Line, f.Column, f.Message))
	}
	want = []string{`3:8 << merges a mapping, found "b"`, `4:26 unknown key "labls"`, `4:26 unknown key "labls", merged in by <<`}
	if diff := cmp.Diff(want, messages); diff != "" {
		t.Error(diff)
	}
}

// In a file of Alertmanager's no dollar changes but those of ${…}, which Alertmanager has no meaning for.
func TestDollarsOfAlertmanager(t *testing.T) {
	t.Setenv("FRESHET_TEST_WORD", "hello")
	cfg, _, faults := load(t, []byte(`
route: {receiver: a, routes: [{matchers: ['a=~"x$$|$y"'], labels: {one: '{{ $x := 1 }}$$', two: '${FRESHET_TEST_WORD}', three: '$${x}'}}]}
receivers: [{name: a}]
`))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	r := cfg.Alert.Route.Routes[0]
	if diff := cmp.Diff(map[string]string{"one": "{{ $x := 1 }}$$", "two": "hello", "three": "${x}"}, r.Labels); diff != "" {
		t.Error(diff)
	}
	if r.Matchers[0] != `a=~"x$$|$y"` {
		t.Error(r.Matchers[0])
	}
}

// Time intervals are decoded as strictly as all else, and by Alertmanager's own types.
func TestTimeIntervals(t *testing.T) {
	t.Parallel()
	cfg, _, faults := load(t, []byte(`
route: {receiver: a, routes: [{mute_time_intervals: [holidays]}]}
receivers: [{name: a}]
time_intervals:
  - name: holidays
    time_intervals:
      - {days_of_month: ['24:26', -1], months: [december], years: ['2026:2030'], location: Australia/Sydney}
      - times: [{start_time: 12:00, end_time: 13:30}]
`))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	route := cfg.Alert.RouteTree(cfg.Alert.Defaults()).Routes[0]
	for at, want := range map[string]bool{
		"2026-12-23T13:30:00Z": true, // the 24th in Sydney
		"2026-12-26T13:30:00Z": false,
		"2026-12-30T13:30:00Z": true,
		"2031-12-24T13:30:00Z": false,
		"2031-12-24T13:29:00Z": true,
	} {
		instant, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(route.MutedBy(cfg.Alert.Intervals(), instant)) > 0; got != want {
			t.Errorf("%s: muted %t", at, got)
		}
	}
}

// No fault shows a secret that stands in the file, whatever is wrong beside it, in however many ways it is written.
func TestFaultsShowNoSecret(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`global: {slack_api_url: hunter2, slack_app_tokn: hunter2, smtp_auth_password: "hunter2", nothing: 1}`,
		`receivers: [{name: a, webhook_configs: [{url: 'https://example.org/hunter2', timeoutt: 1s, http_config: {bearer_token: hunter2, nothing: 1}}]}]`,
		`receivers: [{name: a, webhook_configs: [{url: "https://example.org/\x68unter2", nothing: 1}]}]`,
		`receivers: [{name: a, pagerduty_configs: [{routing_key: hunter2, details: {a: [hunter2]}}]}]`,
		"global:\n  slack_api_url: hunter2\n  smtp_auth_password: hunter2 [\n  smtp_auth_secret: a: hunter2\n",
		`global: {slack_api_url: "http://x", slack_api_url: hunter2}`,
		"tracing: {headers: {a: hunter2}, tls_config: {key: hunter2}}\nglobal: {http_config: {basic_auth: {password: hunter2, usrname: x}}}",
	} {
		cfg, path, faults := load(t, []byte(text))
		faults = append(faults, cfg.Alert.Places(cfg.Alert.Notes())...)
		if len(faults) == 0 {
			t.Errorf("no fault in %s", text)
		}
		for _, f := range faults {
			f.File = strings.TrimPrefix(f.File, path)
			if shown := fmt.Sprintf("%+v", f); strings.Contains(shown, "hunter2") || strings.Contains(shown, "unter2") {
				t.Errorf("%s\nshows %s", text, shown)
			}
		}
	}
}
