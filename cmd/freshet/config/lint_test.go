package config

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/rules/label"
)

var routeIndex = regexp.MustCompile(`routes\[(\d+)\]`)

// at returns the route of a path such as route.routes[1].routes[0].
func at(root *alert.Route, path string) *alert.Route {
	for _, m := range routeIndex.FindAllStringSubmatch(path, -1) {
		i, _ := strconv.Atoi(m[1]) // digits, by the pattern
		root = root.Routes[i]
	}
	return root
}

func below(r, other *alert.Route) bool {
	return r == other || slices.ContainsFunc(r.Routes, func(child *alert.Route) bool { return below(child, other) })
}

// Of a route that no alert is said to reach, none of many does.
func TestUnreachableRoutes(t *testing.T) {
	t.Parallel()
	claims := 0
	for seed := range uint64(120) {
		rng := rand.New(rand.NewPCG(seed, 11))
		content := randomTree(rng)
		cfg, _, faults := load(t, content)
		if len(faults) > 0 {
			t.Fatalf("%+v\n%s", faults, content)
		}
		root := cfg.Alert.RouteTree(alert.AlertmanagerDefaults())
		values := map[string][]string{}
		collect(root, values)
		for _, f := range cfg.Alert.Lint(nil) {
			if !strings.HasPrefix(f.Message, "no alert reaches this route") {
				continue
			}
			claims++
			claimed := at(root, f.Path)
			for range 300 {
				m := map[string]string{}
				for name, some := range values {
					if rng.IntN(4) > 0 {
						m[name] = some[rng.IntN(len(some))]
					}
				}
				for _, taken := range root.Match(label.FromMap(m)) {
					if below(claimed, taken) {
						t.Fatalf("%s: %s, but %v does\n%s", f.Path, f.Message, m, content)
					}
				}
			}
		}
	}
	if claims < 40 {
		t.Errorf("only %d routes were said to be out of reach", claims)
	}
}

// Whatever stands in a file, all that is wrong has a place and says something, and what is right can be used.
func FuzzAlertmanager(f *testing.F) {
	f.Add([]byte(`{route: {receiver: a, routes: [&x {matchers: ['a="b"'], continue: true}, {<<: *x, receiver: a}]}, receivers: [{name: a}]}`))
	f.Add([]byte("route: {receiver: a, routes: [{mute_time_intervals: [n], labels: {a: '{{ .x }}'}}]}\nreceivers: [{name: a, slack_configs: [null]}]\n" +
		"time_intervals: [{name: n, time_intervals: [{times: [{start_time: '22:00', end_time: '24:00'}], location: UTC, days_of_month: ['-3:-1']}]}]"))
	f.Add([]byte("inhibit_rules: [{source_match_re: {a: b}, target_matchers: [c!=d], equal: [e]}]\nglobal: {smtp_from: ${X}}\ntracing: {a: {b: c}}"))
	f.Add([]byte("a: &a {<<: *a}\nb: {<<: [{c: d}, *a]}"))
	for _, seed := range []uint64{1, 2, 3} {
		f.Add(randomTree(rand.New(rand.NewPCG(seed, 3))))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		text := string(content)
		if strings.Contains(text, "file") || strings.Contains(text, "templates") {
			return // no files of the machine
		}
		cfg := Default()
		cfg.Alert.ConfigFile, cfg.Alert.main = "alertmanager.yml", newStrict("", nil, noEnv)
		faults := cfg.Alert.parseFile(content, noEnv)
		for _, fault := range slices.Concat(faults, cfg.Alert.Places(cfg.Alert.Notes())) {
			if fault.Message == "" || fault.Line < 0 || fault.Column < 0 {
				t.Errorf("%+v", fault)
			}
		}
		if len(faults) > 0 {
			return
		}
		c := &cfg.Alert.Config
		cfg.Alert.Places(c.Lint([]alert.Yield{{Labels: map[string][]string{"alertname": {"A"}, "host": nil}}}))
		setting := alert.Setting{Route: c.RouteTree(cfg.Alert.Defaults()), Inhibitions: c.Inhibitions(), Intervals: c.Intervals()}
		alerts := []label.Set{label.New("alertname", "A", "a", "b"), label.New("alertname", "B", "c", "d"), nil}
		for _, r := range alert.Explain(setting, alerts, t0()) {
			if len(r.Taken) == 0 {
				t.Errorf("no route takes %s", r.Labels)
			}
		}
	})
}
