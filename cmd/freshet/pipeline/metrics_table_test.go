package pipeline_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

//go:generate go test -count=1 -run TestMetrics -update .

var update = flag.Bool("update", false, "write the table of metrics in dashboards/README.md anew")

var (
	dashboardsFolder = filepath.Join("..", "..", "..", "dashboards")
	readme           = filepath.Join(dashboardsFolder, "README.md")
	ownRules         = filepath.Join("..", "..", "..", "rules", "library", "freshet.yaml")
)

const (
	tableBegin = "<!-- metrics: begin; written by `go generate ./cmd/freshet/pipeline` -->\n"
	tableEnd   = "<!-- metrics: end -->\n"
)

// component is a part of freshet whose metrics begin alike.
type component struct {
	title, prefix, note string
	labels              map[string]labelDoc
}

// labelDoc says what a label tells. Values are all that it can have, when that is known here.
type labelDoc struct {
	text   string
	values []string
}

// components are the chapters of the table. A metric belongs to the first whose prefix it has.
var components = []component{
	{
		"Agent", "freshet_agent_",
		"What is received from programs and files and written to Kafka. Those of `tailed` are there when `agent.files` is set. In the demo, " +
			"which has an agent for each service, the label `agent` tells them apart.",
		map[string]labelDoc{
			"signal":   {"what was received", []string{"logs", "metrics", "spans"}},
			"receiver": {"where it was received", []string{"otlp_grpc", "otlp_http", "file"}},
			"reason":   {"why a request was not accepted; after `busy` and `kafka` a sender tries again", []string{"malformed", "unsupported", "too_large", "busy", "kafka", "canceled"}},
			"result":   {"whether Kafka acknowledged in time", []string{"acknowledged", "failed"}},
			"kind": {
				"how a file was rotated: renamed and still matched, gone from what the globs match, cut off, copied and cut off",
				[]string{"rename", "away", "truncate", "copy"},
			},
			"operation": {"what failed; `save` is of the positions. All are tried again", []string{"open", "read", "deliver", "save"}},
		},
	},
	{
		"Kafka", "freshet_kafka_", "The client that all roles share.",
		map[string]labelDoc{
			"topic":     {"the topic", nil},
			"partition": {"the partition of the topic", nil},
			"group":     {"the consumer group, one for each stage", nil},
			"outcome": {
				"`recovered` are those whose answer was lost and that turned out to be committed; they count as `committed` too",
				[]string{"committed", "aborted", "recovered"},
			},
			"class": {
				"what an error calls for. Somebody has to act on `authorization` (a permission is missing) and `data` (a setting of the topic refuses " +
					"what is written); `connection` is waited out, `abortable` and `fenced` repeat a transaction, `generation` joins the group anew, " +
					"`task` opens the partition anew",
				[]string{"connection", "abortable", "fenced", "generation", "authorization", "data", "task"},
			},
		},
	},
	{
		"Detector", "freshet_detect_", "From input topics to findings.",
		map[string]labelDoc{
			"topic":   {"the topic that was read", nil},
			"kind":    {"what was wrong", []string{"malformed", "truncated", "too_large", "wrong_signal", "unknown_format"}},
			"reason":  {"why a pane was not evaluated", []string{"late", "unknown_rule"}},
			"service": {"`service.name` of the record, empty where there is none; `(other)` beyond the first hundred of a partition", nil},
			"state":   {"what a finding says about its alert", []string{"pending", "firing", "resolved"}},
			"settled": {
				"whether the window was complete: an early finding (`false`) comes as soon as its condition is sure to hold, a settled one after it or on its own",
				[]string{"true", "false"},
			},
			"partition": {"the partition of `freshet.panes`, among which groups are shared out", nil},
			"rule":      {"the rule's name", nil},
		},
	},
	{
		"Alerter", "freshet_alert_", "From findings to messages. Of several alerters only the one that sends has them.",
		map[string]labelDoc{
			"state":       {"of a finding or an alert; of a silence also `active` and `expired`", []string{"pending", "firing", "resolved", "active", "expired"}},
			"reason":      {"a finding is a `repeat` of what is known, or from before it (`stale`); an alert is `silenced` or `inhibited`", []string{"repeat", "stale", "silenced", "inhibited"}},
			"receiver":    {"the receiver's name", nil},
			"kind":        {"what the receiver is: `slack` or `webhook`, in the demo also `terminal`; of a command, what somebody decided: `acknowledge`, `silence` and so on", nil},
			"decision":    {"what was decided: `sent`, `silenced`, `inhibited` and so on, as `freshet why` shows it", nil},
			"status":      {"`failed` is tried again, `abandoned` was about what has long been over, `dry_run` is sent to nobody", []string{"delivered", "failed", "abandoned", "dry_run"}},
			"integration": {"one entry of a receiver, such as `team/slack[0]`", nil},
		},
	},
	{
		"Memory", "freshet_memory_", "How the process keeps within its memory; see `memory_limit` in the configuration.",
		map[string]labelDoc{
			"what": {"what was let go of; nothing that is counted is", []string{"charts of the page", "caches of the detector"}},
		},
	},
	{
		"Configuration", "freshet_config_", "What the alerter has of `alert:`, its `config_file` and its templates.",
		map[string]labelDoc{
			"result": {"`failure` changed nothing: what was loaded before goes on", []string{"success", "failure"}},
		},
	},
	{
		"Rules", "freshet_rules", "What is loaded, as of `rules.files`.",
		map[string]labelDoc{
			"result": {"`failure` changed nothing: the rules from before go on", []string{"success", "failure"}},
		},
	},
	{
		"Process", "freshet_",
		"Beside these there are Go's (`go_…`), the process's (`process_…`) and those of the endpoint itself (`promhttp_…`).",
		map[string]labelDoc{
			"version": {"freshet's version", nil},
			"targets": {"the roles of the process, with commas between", nil},
		},
	},
}

func componentOf(name string) *component {
	for i := range components {
		if strings.HasPrefix(name, components[i].prefix) {
			return &components[i]
		}
	}
	return nil
}

// unitOf returns the unit of a metric, "" for a name that tells none. A name ends in its unit, before _total of a
// counter: seconds or bytes, or else the noun that is counted.
func unitOf(name string) string {
	switch name {
	case "freshet_kafka_consumer_lag":
		return "offsets"
	case "freshet_kafka_connected", "freshet_memory_paused", "freshet_rules_last_reload_successful", "freshet_config_last_reload_successful":
		return "0 or 1"
	}
	words := strings.Split(strings.TrimSuffix(name, "_total"), "_")
	switch last := words[len(words)-1]; last {
	case "seconds", "bytes",
		"alerts", "commands", "decisions", "errors", "files", "findings", "groups", "lines", "notifications", "panes", "records", "reloads", "requests", "rotations", "rules", "silences", "times", "transactions":
		return last
	case "info":
		return "1"
	}
	return ""
}

// table writes the metrics, by component and name.
func table(metrics map[string]*metric) string {
	var b strings.Builder
	for i := range components {
		c := &components[i]
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n| metric | type | unit | labels | |\n| --- | --- | --- | --- | --- |\n", c.title, c.note)
		used := map[string]bool{}
		for _, name := range slices.Sorted(maps.Keys(metrics)) {
			if componentOf(name) != c {
				continue
			}
			m := metrics[name]
			var labels []string
			for _, label := range slices.Sorted(maps.Keys(m.labels)) {
				labels = append(labels, "`"+label+"`")
				used[label] = true
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", name, m.kind, unitOf(name), strings.Join(labels, ", "), m.help)
		}
		b.WriteString("\n| label | |\n| --- | --- |\n")
		for _, label := range slices.Sorted(maps.Keys(used)) {
			doc := c.labels[label]
			text := doc.text
			if len(doc.values) > 0 {
				text = "`" + strings.Join(doc.values, "`, `") + "`: " + text
			}
			fmt.Fprintf(&b, "| `%s` | %s |\n", label, text)
		}
	}
	return b.String() + "\n"
}

func checkTable(t *testing.T, metrics map[string]*metric) {
	content, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, begun := strings.Cut(string(content), tableBegin)
	written, tail, ended := strings.Cut(rest, tableEnd)
	if !begun || !ended {
		t.Fatalf("%s has no place for the table: %s%s", readme, tableBegin, tableEnd)
	}
	want := table(metrics)
	if *update {
		if err := os.WriteFile(readme, []byte(head+tableBegin+want+tableEnd+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, written); diff != "" {
		t.Errorf("the metrics have changed (-code +README.md); write the table with `go generate ./cmd/freshet/pipeline`:\n%s", diff)
	}
}

// checkNames holds the metrics to Prometheus's conventions, and the table to naming every label and value.
func checkNames(t *testing.T, metrics map[string]*metric) {
	used := map[string]bool{}
	for name, m := range metrics {
		c := componentOf(name)
		if c == nil {
			t.Errorf("%s does not begin with freshet_", name)
			continue
		}
		if counter := m.kind == "counter"; counter != strings.HasSuffix(name, "_total") {
			t.Errorf("%s is a %s: counters, and only they, end in _total", name, m.kind)
		}
		switch unit := unitOf(name); {
		case unit == "":
			t.Errorf("%s does not end in a base unit (seconds, bytes) or in what it counts; if it is a new noun, unitOf has to know it", name)
		case m.kind == "histogram" && unit != "seconds" && unit != "bytes":
			t.Errorf("%s is a histogram of %s", name, unit)
		}
		if m.help == "" || !strings.HasSuffix(m.help, ".") || strings.ContainsAny(m.help, "|\n") {
			t.Errorf("the help of %s is not a sentence for a table: %q", name, m.help)
		}
		for label, values := range m.labels {
			doc, known := c.labels[label]
			if !known {
				t.Errorf("the label %s of %s is not documented", label, name)
			}
			used[c.title+label] = true
			for value := range values {
				if len(doc.values) > 0 && !slices.Contains(doc.values, value) {
					t.Errorf("the label %s of %s has the value %q, documented are %q", label, name, value, doc.values)
				}
			}
		}
	}
	for _, c := range components {
		for label := range c.labels {
			if !used[c.title+label] {
				t.Errorf("%s has no label %s any more", c.title, label)
			}
		}
	}
}

var (
	metricName = regexp.MustCompile(`\bfreshet_\w+`)
	labelNames = regexp.MustCompile(`\bby \(([^)]*)\)|(\w+)(?:=~|!=|!~|=)\\?"`)
)

// checkUses looks for each metric that a dashboard, the README or a rule of the library shows, and for the labels by which
// it does so.
func checkUses(t *testing.T, metrics map[string]*metric) {
	files, err := filepath.Glob(filepath.Join(dashboardsFolder, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d dashboards in %s: %v", len(files), dashboardsFolder, err)
	}
	for _, file := range append(files, readme, ownRules) {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		shown := 0
		for line := range strings.Lines(string(content)) {
			allowed := []string{"le", "job", "instance"}
			for _, name := range metricName.FindAllString(line, -1) {
				if strings.Contains(line, "startsWith(\""+name) {
					continue // what many begin with
				}
				m := metrics[name]
				for _, part := range []string{"_bucket", "_sum", "_count"} {
					if base, cut := strings.CutSuffix(name, part); cut && metrics[base] != nil && metrics[base].kind == "histogram" {
						m = metrics[base]
					}
				}
				if m == nil {
					t.Errorf("%s shows %s, which is none of freshet's metrics", filepath.Base(file), name)
					continue
				}
				shown++
				allowed = slices.AppendSeq(allowed, maps.Keys(m.labels))
			}
			if !strings.Contains(line, "expr") {
				continue
			}
			for _, found := range labelNames.FindAllStringSubmatch(line, -1) {
				for label := range strings.SplitSeq(found[1]+found[2], ", ") {
					if !slices.Contains(allowed, label) {
						t.Errorf("%s uses the label %q, which the metric does not have: %s", filepath.Base(file), label, strings.TrimSpace(line))
					}
				}
			}
		}
		if shown < 15 {
			t.Errorf("%s shows only %d metrics, the test reads it wrongly", filepath.Base(file), shown)
		}
	}
}

// checkRules looks for the labels and their values that the rules on freshet's own metrics name.
func checkRules(t *testing.T, metrics map[string]*metric) {
	content, err := os.ReadFile(ownRules)
	if err != nil {
		t.Fatal(err)
	}
	labels, values := map[string]bool{}, map[string]bool{}
	for _, m := range metrics {
		for label := range m.labels {
			labels[label] = true
		}
	}
	for _, c := range components {
		for label, doc := range c.labels {
			for _, value := range doc.values {
				values[label+" "+value] = true
			}
		}
	}
	uses := regexp.MustCompile(`attributes\["(\w+)"\](?: (?:==|!=|in) (\[[^]]*\]|"\w+"))?`).FindAllStringSubmatch(string(content), -1)
	if len(uses) < 10 {
		t.Errorf("%s uses only %d labels, the test reads it wrongly", ownRules, len(uses))
	}
	for _, use := range uses {
		if !labels[use[1]] {
			t.Errorf("%s uses the label %q, which no metric has", ownRules, use[1])
		}
		for _, value := range regexp.MustCompile(`"(\w+)"`).FindAllStringSubmatch(use[2], -1) {
			if !values[use[1]+" "+value[1]] {
				t.Errorf("%s compares the label %q with %q, which it never is", ownRules, use[1], value[1])
			}
		}
	}
}
