package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet-dev/freshet/ingest"
)

var update = flag.Bool("update", false, "write golden files anew")

func noEnv(string) (string, bool) { return "", false }

// All faults of a file are told at once, each at its place.
func TestFaults(t *testing.T) {
	t.Parallel()
	path := filepath.Join("testdata", "bad.yaml")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, faults := Parse(path, content, noEnv)
	var b strings.Builder
	for _, f := range faults {
		fmt.Fprintf(&b, "%d:%d %s: %s", f.Line, f.Column, f.Path, f.Message)
		if f.Hint != "" {
			fmt.Fprintf(&b, " (%s)", f.Hint)
		}
		b.WriteByte('\n')
	}
	golden := filepath.Join("testdata", "bad.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"BROKER": "kafka-1:9092", "HOOK": "https://hooks.example.org/a?b={c}: d"}
	cfg, faults := Parse(filepath.Join(dir, "freshet.yaml"), []byte(`
kafka:
  brokers: &brokers ["${BROKER}", "${OTHER:-kafka-2:9092}"]
  sasl: {mechanism: SCRAM-SHA-512, username: "a$$b", password_file: password}
  topics: {retention: 1d12h, replication: 3}
ingest:
  topics: [{name: orders}]
  max_record_bytes: 8MiB
rules: {files: ["rules/*.yaml", /etc/freshet/rules.yaml]}
alert:
  receivers: [{name: team, webhook_configs: [{url: "${HOOK}"}]}]
`), func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if diff := cmp.Diff([]string{"kafka-1:9092", "kafka-2:9092"}, cfg.Kafka.Brokers); diff != "" {
		t.Error(diff)
	}
	if cfg.Kafka.SASL.Username != "a$b" || cfg.Kafka.SASL.Password != "hunter2" {
		t.Errorf("username %q, password of %d bytes", cfg.Kafka.SASL.Username, len(cfg.Kafka.SASL.Password))
	}
	if got := cfg.Kafka.Topics.Retention; got != 36*time.Hour {
		t.Errorf("retention %v", got)
	}
	if cfg.Kafka.Topics.Partitions != 4 || cfg.Kafka.Topics.Replication != 3 {
		t.Errorf("partitions %d, replication %d: want the default and what is written", cfg.Kafka.Topics.Partitions, cfg.Kafka.Topics.Replication)
	}
	if cfg.Ingest.MaxRecordBytes != 8<<20 || cfg.Ingest.Topics[0].Carries() != ingest.Events {
		t.Errorf("ingest %+v", cfg.Ingest)
	}
	if diff := cmp.Diff([]string{filepath.Join(dir, "rules/*.yaml"), "/etc/freshet/rules.yaml"}, cfg.Rules.Files); diff != "" {
		t.Error(diff)
	}
	if got := string(cfg.Alert.Receivers[0].WebhookConfigs[0].URL); got != env["HOOK"] {
		t.Errorf("the variable became %q: it must not be read as YAML", got)
	}
}

// A secret appears in no fault and in no printed configuration.
func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	env := func(string) (string, bool) { return "s3cret-value", true }
	cfg, faults := Parse("freshet.yaml", []byte(`
kafka:
  brokers: ["${SECRET}"]
  sasl: {mechanism: PLAIN, username: u, password: "${SECRET}"}
  topics: {partitions: "${SECRET}", retention: "${SECRET}"}
ingest: {max_record_bytes: "${SECRET}"}
alert:
  receivers: [{name: team, slack_configs: [{token: "${SECRET}", channel: c}], webhook_configs: [{url: "${SECRET}"}]}]
`), env)
	if len(faults) < 3 {
		t.Errorf("%d faults, want one for each key that needs something else than text", len(faults))
	}
	for _, f := range faults {
		if f.Path != "kafka.brokers[0]" && strings.Contains(fmt.Sprintf("%+v", f), "s3cret") {
			t.Errorf("shown: %+v", f)
		}
	}
	for _, format := range []string{"%v", "%+v", "%#v"} {
		if text := fmt.Sprintf(format, *cfg.Kafka.SASL) + fmt.Sprintf(format, cfg.Alert.Receivers); strings.Contains(text, "s3cret") {
			t.Errorf("%s shows the secret: %s", format, text)
		}
	}
}

func TestBytes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Bytes{"512": 512, "64KB": 64 << 10, "64KiB": 64 << 10, "16MiB": 16 << 20, "1GiB": 1 << 30, "2 MiB": 2 << 20} {
		var got Bytes
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "1.5GiB", "-1", "1XB", "9999999TiB", "1KMiB"} {
		var got Bytes
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %d, want an error", text, got)
		}
	}
}

// The example with every key is valid, and it shows the defaults.
func TestExample(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "..", "deploy", "freshet.example.yaml")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := newStrict(path, content, func(string) (string, bool) { return "value", true })
	s.decode(content, Default())
	if faults := s.report(); len(faults) > 0 {
		t.Errorf("%+v", faults)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"bad.yaml"} {
		content, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Add([]byte("kafka: &a {brokers: [*a]}"))
	f.Add([]byte("a: !b\n? c\n: - d"))
	f.Fuzz(func(t *testing.T, content []byte) {
		cfg, faults := Parse("freshet.yaml", content, noEnv)
		if cfg == nil {
			t.Fatal("no configuration")
		}
		for _, fault := range faults {
			if fault.Message == "" {
				t.Errorf("a fault that says nothing: %+v", fault)
			}
		}
	})
}

// An alias that holds itself, or stands for too much, ends in a fault.
func TestAliases(t *testing.T) {
	t.Parallel()
	for _, content := range []string{
		"alert: {route: &a {receiver: r, routes: [*a]}}",
		"alert: {route: {routes: [&a {routes: [&b {routes: [*a, *b]}, *b]}, *a]}}",
	} {
		_, faults := Parse("freshet.yaml", []byte(content), noEnv)
		found := 0
		for _, f := range faults {
			if f.Message == "too many values" {
				found++
			}
		}
		if found == 0 || found > 2 {
			t.Errorf("%s: %d faults about it in %v", content, found, faults)
		}
	}
}
