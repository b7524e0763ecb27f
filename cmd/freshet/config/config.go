// Package config is freshet.yaml: its keys, their defaults, and what is wrong with a file.
package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/ingest/agent"
	"github.com/freshet-dev/freshet/ingest/format"

	"github.com/freshet-dev/freshet/alert"
)

// Config is the whole file. Default gives every key its value.
type Config struct {
	Kafka  Kafka        `yaml:"kafka"`
	HTTP   HTTP         `yaml:"http"`
	Log    Log          `yaml:"log"`
	Ingest Ingest       `yaml:"ingest"`
	Detect Detect       `yaml:"detect"`
	Health Health       `yaml:"health"`
	Rules  Rules        `yaml:"rules"`
	Alert  Alert        `yaml:"alert"`
	Agent  agent.Config `yaml:"agent"`
	// MemoryLimit is how much memory the process may use: as it comes near, it lets go of what is not counted, then lets
	// the input wait. By default it is GOMEMLIMIT, or nine tenths of the container's limit, or none.
	MemoryLimit Bytes `yaml:"memory_limit"`
}

// Kafka says which brokers to use. Without any, freshet embeds one and keeps its data in DataDir.
type Kafka struct {
	// Brokers are host:port addresses to begin with.
	Brokers []string `yaml:"brokers"`
	// DataDir is where the embedded broker keeps its data, Listen where it listens for other programs.
	DataDir string `yaml:"data_dir"`
	Listen  string `yaml:"listen"`
	// Namespace begins the names of freshet's own topics and consumer groups: installations that share a Kafka have
	// different ones.
	Namespace string `yaml:"namespace"`
	// Instance names this process among all of freshet's: stable across restarts, different between processes. By
	// default it is the host's name and the port of http.listen.
	Instance string `yaml:"instance"`
	TLS      *TLS   `yaml:"tls"`
	SASL     *SASL  `yaml:"sasl"`
	// Topics are the settings of topics that freshet creates.
	Topics TopicSettings `yaml:"topics"`
}

// TLS secures the connections to the brokers.
type TLS struct {
	CAFile             string `yaml:"ca_file"`
	CertFile           string `yaml:"cert_file"`
	KeyFile            string `yaml:"key_file"`
	ServerName         string `yaml:"server_name"`
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify"`
}

// SASL authenticates to the brokers.
type SASL struct {
	Mechanism    string `yaml:"mechanism"`
	Username     string `yaml:"username"`
	Password     Secret `yaml:"password"`
	PasswordFile string `yaml:"password_file"`
}

// TopicSettings are for topics that freshet creates.
type TopicSettings struct {
	// Create lets `freshet run` create missing topics at its start.
	Create bool `yaml:"create"`
	// Partitions of each input topic, PanePartitions of freshet.panes and freshet.state. The latter must not change
	// while state exists.
	Partitions     int32 `yaml:"partitions"`
	PanePartitions int32 `yaml:"pane_partitions"`
	// Replication is the number of replicas, 0 for the brokers' default.
	Replication int16 `yaml:"replication"`
	// Retention is how long input records are kept.
	Retention time.Duration `yaml:"retention"`
}

// HTTP is the listener for the web page, /metrics, health and the APIs.
type HTTP struct {
	Listen string `yaml:"listen"`
	// WebConfigFile is a Prometheus exporter-toolkit file: TLS and basic authentication.
	WebConfigFile string `yaml:"web_config_file"`
	// ExternalURL is how people reach the page: links in messages begin with it.
	ExternalURL string `yaml:"external_url"`
	// AdvertiseURL is how other freshet processes reach this one, by default its address: instances that stand by ask the
	// active alerter when they are asked.
	AdvertiseURL string `yaml:"advertise_url"`
	// AdvertiseTLSConfig is how this process asks others whose listener has a certificate of its own.
	AdvertiseTLSConfig *alert.TLSConfig `yaml:"advertise_tls_config"`
	// EnableLifecycle says whether POST /-/reload is answered. By default it is where Listen is on the loopback interface.
	EnableLifecycle *bool `yaml:"enable_lifecycle"`
}

// Log configures freshet's own log, which goes to standard error.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn or error
	Format string `yaml:"format"` // text or json
}

// Ingest says what is read.
type Ingest struct {
	// Topics are beside otlp_logs, otlp_metrics, otlp_spans and the topics that rules name.
	Topics []Topic `yaml:"topics"`
	// MaxRecordBytes is the largest Kafka record that is decoded; larger ones go to the dead-letter topic.
	MaxRecordBytes Bytes `yaml:"max_record_bytes"`
}

// Topic is one input topic, or with Pattern as many as match.
type Topic struct {
	Name string `yaml:"name"`
	// Pattern is a regular expression for whole names of topics; rules on events then name the input by Name, or without
	// one by the pattern itself.
	Pattern string        `yaml:"pattern"`
	Signal  ingest.Signal `yaml:"signal"`
	Format  format.Format `yaml:"format"`
}

// Matcher returns the expression of a pattern.
func (t Topic) Matcher() (*regexp.Regexp, error) {
	if _, err := regexp.Compile(t.Pattern); err != nil {
		return nil, err //nolint:wrapcheck // the fault that is made of it says where
	}
	return regexp.Compile("^(?:" + t.Pattern + ")$") //nolint:wrapcheck // as above
}

// Carries is the topic's signal; a topic that says none carries events.
func (t Topic) Carries() ingest.Signal {
	if t.Signal == ingest.Unknown {
		return ingest.Events
	}
	return t.Signal
}

// Detect tunes the detector.
type Detect struct {
	// FlushInterval is the time between transactions of stage 1: shorter is faster to detect and costs more.
	FlushInterval time.Duration `yaml:"flush_interval"`
	// StateInterval is the time between commits of stage 2's state: after a crash at most this much is replayed.
	StateInterval time.Duration `yaml:"state_interval"`
	// ClockTolerance is how far ahead of its Kafka timestamp a record's event time may be.
	ClockTolerance time.Duration `yaml:"clock_tolerance"`
}

// Rules names the rule files.
type Rules struct {
	// Files are paths and globs, relative to the configuration file.
	Files []string `yaml:"files"`
	// Watch has them loaded anew when they change.
	Watch bool `yaml:"watch"`
}

// Default returns the configuration of an empty file.
func Default() *Config {
	return &Config{
		Kafka: Kafka{
			DataDir: "./data", Namespace: "freshet",
			Listen: "127.0.0.1:9092",
			Topics: TopicSettings{
				Create: true, Partitions: 4, PanePartitions: 4, Retention: 24 * time.Hour,
			},
		},
		HTTP:   HTTP{Listen: "127.0.0.1:8080"},
		Log:    Log{Level: "info", Format: "text"},
		Ingest: Ingest{MaxRecordBytes: 4 << 20},
		Detect: Detect{
			FlushInterval:  100 * time.Millisecond,
			StateInterval:  time.Second,
			ClockTolerance: time.Minute,
		},
		Health: DefaultHealth(),
		Rules:  Rules{Watch: true},
		Alert:  Alert{Watch: true},
		Agent:  agent.DefaultConfig(),
	}
}

// Load reads a file, and the file that alert.config_file names. The faults are all that is wrong with them; the error is
// for a file that cannot be read. Relative paths in a file are made relative to its folder.
func Load(path string) (*Config, []Fault, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the configuration: %w", err)
	}
	cfg, faults := Parse(path, content, os.LookupEnv)
	if cfg.Alert.ConfigFile == "" || len(faults) > 0 {
		return cfg, faults, nil
	}
	if content, err = os.ReadFile(cfg.Alert.ConfigFile); err != nil {
		return cfg, nil, fmt.Errorf("reading alert.config_file: %w", err)
	}
	return cfg, cfg.Alert.parseFile(content, os.LookupEnv), nil
}

// Sources are the files and globs from which the alerter's part comes: the file at a path, the one that it names, and templates.
func (c *Config) Sources(path string) []string {
	var out []string
	for _, one := range append([]string{path, c.Alert.ConfigFile}, c.Alert.Templates...) {
		if one != "" {
			out = append(out, one)
		}
	}
	return out
}

// LoadAlertmanager reads a file of Alertmanager's as if alert.config_file of an otherwise empty file named it.
func LoadAlertmanager(path string) (*Config, []Fault, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the configuration: %w", err)
	}
	cfg := Default()
	cfg.Alert.ConfigFile, cfg.Alert.main = path, newStrict("", nil, os.LookupEnv)
	return cfg, cfg.Alert.parseFile(content, os.LookupEnv), nil
}

// Parse decodes and checks the content of a file.
func Parse(path string, content []byte, lookupEnv func(string) (string, bool)) (*Config, []Fault) {
	cfg := Default()
	s := newStrict(path, content, lookupEnv)
	cfg.Alert.main = s
	s.decode(content, cfg)
	cfg.relativeTo(filepath.Dir(path)) // before the templates are read
	s.check(cfg.faults(s))
	if len(s.faults) == 0 {
		s.check(cfg.readSecrets())
	}
	return cfg, s.report()
}

// relativeTo makes the paths in the file relative to its folder.
func (c *Config) relativeTo(dir string) {
	fix := func(p *string) {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	paths := []*string{&c.Kafka.DataDir, &c.HTTP.WebConfigFile, &c.Alert.ConfigFile, &c.Agent.DataDir}
	if c.Kafka.TLS != nil {
		paths = append(paths, &c.Kafka.TLS.CAFile, &c.Kafka.TLS.CertFile, &c.Kafka.TLS.KeyFile)
	}
	if c.Kafka.SASL != nil {
		paths = append(paths, &c.Kafka.SASL.PasswordFile)
	}
	for i := range c.Rules.Files {
		paths = append(paths, &c.Rules.Files[i])
	}
	for _, p := range paths {
		fix(p)
	}
	c.Alert.SetDirectory(dir)
}

// readSecrets fills in what *_file keys name.
func (c *Config) readSecrets() []Fault {
	if c.Kafka.SASL == nil || c.Kafka.SASL.PasswordFile == "" {
		return nil
	}
	b, err := os.ReadFile(c.Kafka.SASL.PasswordFile)
	if err != nil {
		if pathErr, ok := errors.AsType[*os.PathError](err); ok {
			err = pathErr.Err
		}
		return []Fault{{Path: "kafka.sasl.password_file", Message: "cannot be read: " + err.Error()}}
	}
	c.Kafka.SASL.Password = Secret(strings.TrimRight(string(b), "\r\n"))
	return nil
}
