package agent

import (
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-dev/freshet/ingest/agent/tail"
)

func TestConfigOfYAML(t *testing.T) {
	cfg := DefaultConfig()
	err := yaml.UnmarshalWithOptions([]byte(`
otlp: {grpc: 127.0.0.1:4317, http: 127.0.0.1:0}
files:
  - {include: ["/var/log/app/*.log"], exclude: ["/var/log/app/debug.log"], start_at: beginning, service_name: app}
  - {include: ["/var/log/**/*.json"]}
topics: {logs: my_logs}
resource_attributes: {team: shop}
data_dir: /var/lib/freshet
limits: {max_request_bytes: 4MiB, produce_timeout: 5s}
`), &cfg, yaml.Strict())
	if err != nil {
		t.Fatal(err)
	}
	if faults := cfg.Validate(); faults != nil {
		t.Fatal(faults)
	}
	if cfg.OTLP.HTTP != "127.0.0.1:0" || cfg.Files[0].StartAt != tail.Beginning || cfg.Files[1].StartAt != tail.End || cfg.Topics.Logs != "my_logs" ||
		cfg.Topics.Spans != "otlp_spans" || cfg.Limits.MaxRequestBytes != 4<<20 || cfg.Limits.ProduceTimeout != 5*time.Second {
		t.Errorf("the configuration is %+v", cfg)
	}
	if faults := DefaultConfig().Validate(); faults != nil {
		t.Error(faults)
	}
}

func TestAllFaultsAreFound(t *testing.T) {
	cfg := DefaultConfig()
	cfg.OTLP = OTLPConfig{GRPC: "4317", HTTP: "localhost:99999"}
	cfg.Files = []FileConfig{{}, {Include: []string{"app.log", "/a/**b"}, Exclude: []string{"/["}}}
	cfg.DataDir = ""
	cfg.Topics = Topics{Logs: "a b", Metrics: "", Spans: "ok"}
	cfg.Limits.MaxInFlightBytes = 1
	cfg.Limits.MaxLineBytes = 1 << 30
	cfg.Limits.ProduceTimeout = 0
	var got []string
	for _, f := range cfg.Validate() {
		got = append(got, f.Path)
		if f.Message == "" || !strings.HasPrefix(f.Error(), f.Path+": ") {
			t.Errorf("fault %+v", f)
		}
	}
	want := []string{"otlp.grpc", "otlp.http", "files[0].include", "files[1].include[0]", "files[1].include[1]", "files[1].exclude[0]", "data_dir",
		"topics.logs", "topics.metrics", "limits.max_in_flight_bytes", "limits.max_line_bytes", "limits.produce_timeout"}
	if !slices.Equal(got, want) {
		t.Errorf("faults at %q, want %q", got, want)
	}
	if _, err := New(cfg, &fakeKafka{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry()); err == nil || !strings.Contains(err.Error(), "topics.logs") {
		t.Errorf("New: %v", err)
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "512": 512, "1KiB": 1024, "16MiB": 16 << 20, "2 GB": 2 << 30, "7B": 7} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%q: %d, %v", text, s, err)
		}
		var again Size
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Errorf("%q written as %q is read as %d, %v", text, s, again, err)
		}
	}
	for _, text := range []string{"", "x", "-1", "1.5MiB", "1TB", "99999999999GiB"} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %d", text, s)
		}
	}
}

func TestAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	cfg := DefaultConfig()
	cfg.OTLP = OTLPConfig{GRPC: "127.0.0.1:0", HTTP: l.Addr().String()}
	if _, err := New(cfg, &fakeKafka{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry()); err == nil || !strings.Contains(err.Error(), "otlp.http") {
		t.Errorf("the error is %v", err)
	}
}
