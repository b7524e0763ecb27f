package pipeline_test

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/cmd/freshet/config"
	"github.com/freshet-dev/freshet/cmd/freshet/pipeline"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/rules"
)

// metric is what a registry tells of a metric, and the sum of its values: of a histogram, the number of observations.
type metric struct {
	kind, help string
	labels     map[string]map[string]bool // the values seen, by label
	sum        float64
}

// quiet are the metrics that stay at zero while all goes well.
var quiet = map[string]bool{
	"freshet_agent_in_flight_bytes":             true,
	"freshet_agent_refused_requests_total":      true,
	"freshet_agent_repeated_requests_total":     true,
	"freshet_agent_tailed_errors_total":         true,
	"freshet_agent_tailed_lag_bytes":            true,
	"freshet_agent_tailed_rotations_total":      true,
	"freshet_alert_deduplicated_findings_total": true,
	"freshet_alert_commands_total":              true,
	"freshet_alert_queued_notifications":        true,
	"freshet_alert_refused_silences_total":      true,
	"freshet_alert_silences":                    true,
	"freshet_alert_suppressed_alerts":           true,
	"freshet_config_reloads_total":              true,
	"freshet_detect_skipped_panes_total":        true,
	"freshet_detect_waiting_rules":              true,
	"freshet_kafka_consumer_lag":                true,
	"freshet_kafka_errors_total":                true,
	"freshet_kafka_left_out_records_total":      true,
	"freshet_memory_limit_bytes":                true,
	"freshet_memory_paused":                     true,
	"freshet_memory_paused_seconds_total":       true,
	"freshet_memory_shed_times_total":           true,
	"freshet_rules_reloads_total":               true,
}

const metricsConfig = `
kafka: {data_dir: %[1]q, listen: "127.0.0.1:0"}
http: {listen: "127.0.0.1:0"}
agent:
  otlp: {grpc: "127.0.0.1:0", http: "127.0.0.1:0"}
  data_dir: %[1]q
  limits: {max_record_bytes: 2KiB, max_line_bytes: 512B}
  files:
    - {include: [%[2]q], start_at: beginning, service_name: checkout}
    - {include: [%[3]q], start_at: beginning, service_name: checkout, resource_attributes: {large: %[4]q}}
`

const metricsRules = `
groups:
  - name: shop
    interval: 1s
    window: 5s
    lateness: 1s
    rules:
      - {alert: Errors, from: logs, by: [service.name], when: count(severity >= ERROR) >= 3}
      - {alert: Orders, from: events, topic: orders, by: [service.name], max_groups: 1, when: count() >= 1}
`

// TestMetrics runs the whole pipeline on input that makes every metric move, and checks the table that the README shows
// to those who watch it.
func TestMetrics(t *testing.T) {
	p := startPipeline(t)
	metrics := gathered(t, p.Registry())
	t.Run("names", func(t *testing.T) { checkNames(t, metrics) })
	t.Run("sources", func(t *testing.T) { checkSources(t, metrics) })
	t.Run("table", func(t *testing.T) { checkTable(t, metrics) })
	t.Run("uses", func(t *testing.T) { checkUses(t, metrics) })
	t.Run("rules", func(t *testing.T) { checkRules(t, metrics) })
}

// notifier is a receiver that takes everything.
type notifier struct{}

func (notifier) Notify(context.Context, *alert.Notification) (alert.Outcome, error) {
	return alert.Outcome{}, nil
}

// startPipeline starts all roles on the embedded broker and sends what they can find something in: lines of files,
// among them one too long and one that no Kafka record can hold, and events of now, of more groups than their rule may
// have, of an hour ago, in an hour, and in no format at all.
func startPipeline(t *testing.T) *pipeline.Pipeline {
	t.Helper()
	dir := t.TempDir()
	lines, large := filepath.Join(dir, "checkout.log"), filepath.Join(dir, "large.log")
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(lines, strings.Repeat(`{"level":"error","msg":"declined"}`+"\n", 5)+strings.Repeat("long ", 200)+"\n")
	write(large, "its resource alone is larger than a record may be\n")
	text := fmt.Sprintf(metricsConfig, dir, lines, large, strings.Repeat("x", 4096))
	cfg, faults := config.Parse("freshet.yaml", []byte(text), os.LookupEnv)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	set, problems := rules.Parse("rules.yaml", []byte(metricsRules))
	if set == nil {
		t.Fatal(problems)
	}
	p, err := pipeline.New(pipeline.Options{
		Config: cfg, Rules: set, Targets: pipeline.Targets{Agent: true, Detect: true, Alert: true},
		Log: slog.New(slog.DiscardHandler), Version: "test",
		Receiver: &pipeline.Receiver{Name: "team", Notifier: notifier{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-p.Started():
	case <-time.After(30 * time.Second):
		t.Fatal("the pipeline did not start in 30 s")
	}
	now := time.Now()
	events := []string{
		fmt.Sprintf(`{"service.name":"shop","timestamp":%d}`, now.Unix()),
		fmt.Sprintf(`{"service.name":"shop","timestamp":%d}`, now.Add(-time.Hour).Unix()),
		fmt.Sprintf(`{"service.name":"shop","timestamp":%d}`, now.Add(time.Hour).Unix()),
		"\xff\xfe",
	}
	for i := range 8 {
		events = append(events, fmt.Sprintf(`{"service.name":"branch %d","timestamp":%d}`, i, now.Unix()))
	}
	for _, e := range events {
		if err := p.Client().Produce(ctx, kafka.Message{Topic: "orders", Partition: 0, Value: []byte(e)}); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// gathered returns the metrics of a registry, once none of those registered is without a series and all that ought to
// have moved have.
func gathered(t *testing.T, reg *prometheus.Registry) map[string]*metric {
	t.Helper()
	deadline := time.After(time.Minute)
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		metrics := gather(t, reg)
		var wanting []string
		for _, name := range described(t, reg) {
			if metrics[name] == nil {
				wanting = append(wanting, name+" (no series)")
			}
		}
		for name, m := range metrics {
			if m.sum == 0 && !quiet[name] {
				wanting = append(wanting, name+" (0)")
			}
		}
		if metrics["freshet_alert_notifications_total"] == nil {
			wanting = append(wanting, "the alerter's")
		}
		if len(wanting) == 0 {
			tick.Stop()
			return metrics
		}
		select {
		case <-tick.C:
		case <-deadline:
			slices.Sort(wanting)
			t.Fatalf("after a minute these metrics are not set: feed them in startPipeline, or give them their series "+
				"when they are made and call them quiet:\n%s", strings.Join(wanting, "\n"))
		}
	}
}

// described returns the names of all of freshet's metrics that are registered, whether they have series or not.
func described(t *testing.T, reg *prometheus.Registry) []string {
	t.Helper()
	descs := make(chan *prometheus.Desc)
	go func() {
		reg.Describe(descs)
		close(descs)
	}()
	fqName := regexp.MustCompile(`fqName: "(freshet_\w+)"`)
	var names []string
	for d := range descs {
		if m := fqName.FindStringSubmatch(d.String()); m != nil {
			names = append(names, m[1])
		}
	}
	if len(names) == 0 {
		t.Fatal("nothing is registered, or a Desc is written differently now")
	}
	return names
}

func gather(t *testing.T, reg *prometheus.Registry) map[string]*metric {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	metrics := map[string]*metric{}
	for _, family := range families {
		m := &metric{kind: strings.ToLower(family.GetType().String()), help: family.GetHelp(), labels: map[string]map[string]bool{}}
		for _, prefix := range []string{"go_", "process_", "promhttp_"} {
			if strings.HasPrefix(family.GetName(), prefix) {
				m = nil
			}
		}
		if m == nil {
			continue
		}
		for _, series := range family.GetMetric() {
			m.sum += series.GetCounter().GetValue() + series.GetGauge().GetValue() + float64(series.GetHistogram().GetSampleCount())
			for _, label := range series.GetLabel() {
				if m.labels[label.GetName()] == nil {
					m.labels[label.GetName()] = map[string]bool{}
				}
				m.labels[label.GetName()][label.GetValue()] = true
			}
		}
		metrics[family.GetName()] = m
	}
	return metrics
}

// checkSources looks for metrics that only another configuration than the one above would register.
func checkSources(t *testing.T, metrics map[string]*metric) {
	root := filepath.Join("..", "..", "..")
	literal := regexp.MustCompile(`"(freshet_\w+)"`)
	found := map[string]bool{}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != root && strings.HasPrefix(entry.Name(), "."):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(text), `"github.com/prometheus/client_golang/prometheus"`) {
			return err
		}
		for _, m := range literal.FindAllStringSubmatch(string(text), -1) {
			found[m[1]] = true
			if metrics[m[1]] == nil && !strings.HasSuffix(m[1], "_") {
				t.Errorf("%s names %s, which the pipeline of this test did not register", name, m[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 20 {
		t.Errorf("the sources name only %d metrics, the test reads them wrongly: %q", len(found), slices.Sorted(maps.Keys(found)))
	}
}
