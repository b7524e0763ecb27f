package config

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/ingest/format"
)

// leastMemory is what freshet runs in at all.
const leastMemory = 64 << 20

var namespacePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

func newStrict(file string, content []byte, lookupEnv func(string) (string, bool)) *strict {
	return &strict{file: file, lines: strings.Split(string(content), "\n"), lookupEnv: lookupEnv,
		positions: map[string]position{}, hidden: map[int][]*yaml.Node{}}
}

// check adds faults found after decoding.
func (s *strict) check(faults []Fault) { s.faults = append(s.faults, s.locate(faults)...) }

// locate gives faults the place of their path or of the nearest key above it. A value that could not be decoded has its
// fault already: what seems missing there is not. A value from the environment may be a secret that stands in the wrong
// place, so it is shown as the file has it.
func (s *strict) locate(faults []Fault) []Fault {
	var out []Fault
	asWritten := strings.NewReplacer(s.filled...)
	for _, f := range faults {
		f.Message = asWritten.Replace(f.Message)
		if slices.ContainsFunc(s.undecoded, func(path string) bool { return strings.HasPrefix(path, f.Path) }) {
			continue
		}
		if p := s.position(f.Path); f.Line == 0 {
			f.Line, f.Column = p.line, p.column
		}
		out = append(out, f)
	}
	return out
}

// given says whether a key stands in the file.
func (s *strict) given(path string) bool {
	_, ok := s.positions[path]
	return ok
}

// position is where a path or the nearest above it stands.
func (s *strict) position(path string) position {
	for path != "" {
		if p, ok := s.positions[path]; ok {
			return p
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return position{}
}

// report returns all faults in the order of their places.
func (s *strict) report() []Fault { return s.inOrder(s.faults) }

// inOrder adds the file and its lines to faults and sorts them by their places.
func (s *strict) inOrder(faults []Fault) []Fault {
	for i := range faults {
		f := &faults[i]
		f.File = s.file
		if f.Line > 0 && f.Line <= len(s.lines) {
			f.Source = s.shown(f.Line)
		}
	}
	slices.SortStableFunc(faults, func(a, b Fault) int { return cmp.Or(a.Line-b.Line, a.Column-b.Column) })
	return faults
}

// faults returns what is wrong with the values.
func (c *Config) faults(s *strict) []Fault {
	var out []Fault
	bad := func(path, message, hint string) { out = append(out, Fault{Path: path, Message: message, Hint: hint}) }

	if s.given("kafka.brokers") && len(c.Kafka.Brokers) == 0 {
		bad("kafka.brokers", "the list is empty", "name the brokers as host:port, or leave the key out to use the embedded broker")
	}
	if !namespacePattern.MatchString(c.Kafka.Namespace) {
		bad("kafka.namespace", fmt.Sprintf("expected letters, digits, dots, dashes and underscores, found %q", c.Kafka.Namespace), "")
	}
	for i, b := range c.Kafka.Brokers {
		if message := addressFault(b, true); message != "" {
			bad(fmt.Sprintf("kafka.brokers[%d]", i), message, "write it as host:port, e.g. kafka-1:9092")
		}
	}
	out = append(out, c.Kafka.securityFaults()...)
	for path, n := range map[string]int32{
		"kafka.topics.partitions": c.Kafka.Topics.Partitions, "kafka.topics.pane_partitions": c.Kafka.Topics.PanePartitions,
	} {
		if n < 1 || n > 1000 {
			bad(path, fmt.Sprintf("expected a number from 1 to 1000, found %d", n), "")
		}
	}
	if c.Kafka.Topics.Replication < 0 {
		bad("kafka.topics.replication", "expected 0 (the brokers' default) or more", "")
	}
	for path, address := range map[string]string{"kafka.listen": c.Kafka.Listen, "http.listen": c.HTTP.Listen} {
		if message := addressFault(address, false); message != "" {
			bad(path, message, "write it as host:port, e.g. 127.0.0.1:8080")
		}
	}
	if c.HTTP.ExternalURL != "" {
		if u, err := url.Parse(c.HTTP.ExternalURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			bad("http.external_url", fmt.Sprintf("expected a URL such as https://freshet.example.org, found %q", c.HTTP.ExternalURL), "")
		}
	}
	if c.HTTP.AdvertiseURL != "" {
		if u, err := url.Parse(c.HTTP.AdvertiseURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			bad("http.advertise_url", fmt.Sprintf("expected a URL such as http://freshet-1.internal:8080, found %q", c.HTTP.AdvertiseURL), "")
		}
	}
	if _, err := c.HTTP.Between(); err != nil {
		bad("http.advertise_tls_config", strings.TrimPrefix(err.Error(), "http.advertise_tls_config: http_config: "), "")
	}
	if !oneOf(c.Log.Level, "debug", "info", "warn", "error") {
		bad("log.level", fmt.Sprintf("expected debug, info, warn or error, found %q", c.Log.Level), "")
	}
	if !oneOf(c.Log.Format, "text", "json") {
		bad("log.format", fmt.Sprintf("expected text or json, found %q", c.Log.Format), "")
	}
	out = append(out, c.Ingest.faults(c.Kafka.Namespace)...)
	out = append(out, c.Health.faults()...)
	if c.Alert.ConfigFile == "" {
		out = append(out, alertFaults("alert.", c.Alert.Validate())...)
	}
	for _, f := range c.Agent.Validate() {
		out = append(out, Fault{Path: "agent." + f.Path, Message: f.Message, Hint: f.Hint})
	}
	if s.given("memory_limit") && c.MemoryLimit < leastMemory {
		bad("memory_limit", "expected at least 64MiB", "leave it out to have the container's limit, or none")
	}
	if c.Detect.FlushInterval <= 0 {
		bad("detect.flush_interval", "expected a duration above 0", "the default is 100ms")
	}
	if c.Detect.StateInterval <= 0 {
		bad("detect.state_interval", "expected a duration above 0", "the default is 1s")
	}
	if c.Alert.ConfigFile != "" {
		for _, key := range []string{"global", "route", "receivers", "inhibit_rules", "time_intervals", "mute_time_intervals", "templates"} {
			if s.given("alert." + key) {
				bad("alert."+key, "the key and config_file are both given", "keep one: the file, or its keys here")
			}
		}
	}
	return out
}

func (k *Kafka) securityFaults() []Fault {
	var out []Fault
	if t := k.TLS; t != nil && (t.CertFile == "") != (t.KeyFile == "") {
		out = append(out, Fault{Path: "kafka.tls", Message: "cert_file and key_file belong together, one is missing"})
	}
	sasl := k.SASL
	if sasl == nil {
		return out
	}
	if !oneOf(sasl.Mechanism, "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512") {
		out = append(out, Fault{Path: "kafka.sasl.mechanism",
			Message: fmt.Sprintf("expected PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, found %q", sasl.Mechanism)})
	}
	if sasl.Username == "" {
		out = append(out, Fault{Path: "kafka.sasl", Message: "username is missing"})
	}
	if (sasl.Password == "") == (sasl.PasswordFile == "") {
		out = append(out, Fault{Path: "kafka.sasl", Message: "expected one of password and password_file",
			Hint: "password_file keeps the secret out of this file"})
	}
	return out
}

func (g *Ingest) faults(namespace string) []Fault {
	var out []Fault
	seen := map[string]bool{}
	for i, t := range g.Topics {
		path := fmt.Sprintf("ingest.topics[%d]", i)
		if t.Name == "" && t.Pattern == "" {
			out = append(out, Fault{Path: path, Message: "name is missing", Hint: "or a pattern, for all topics that match"})
		}
		if _, err := t.Matcher(); err != nil {
			out = append(out, Fault{Path: path + ".pattern", Message: "expected a regular expression, " + err.Error(),
				Hint: `as in 'orders\..+' for orders.eu and orders.us`})
		}
		if seen[t.Name] && t.Name != "" {
			out = append(out, Fault{Path: path + ".name", Message: fmt.Sprintf("topic %q stands twice", t.Name)})
		}
		if strings.HasPrefix(t.Name, namespace+".") && (t.Name != namespace+".measures" || t.Signal != ingest.Metrics) {
			out = append(out, Fault{Path: path + ".name", Message: fmt.Sprintf("topic %q is one of freshet's own", t.Name),
				Hint: "names beginning with " + namespace + ". are reserved; only " + namespace + ".measures may be read, as metrics"})
		}
		if t.Signal == ingest.Findings {
			out = append(out, Fault{Path: path + ".signal", Message: "rules read findings without being told where they are", Hint: "write from: findings in a rule, and remove this"})
		}
		if t.Signal == ingest.SpanEvents {
			out = append(out, Fault{Path: path + ".signal", Message: "span events come with their spans", Hint: "write spans"})
		}
		seen[t.Name] = true
		if f, err := format.Parse(string(t.Format)); err != nil {
			out = append(out, Fault{Path: path + ".format", Message: err.Error()})
		} else if _, err := format.New(t.Carries(), f, format.Limits{}); err != nil && t.Signal != ingest.SpanEvents && t.Signal != ingest.Findings {
			out = append(out, Fault{Path: path, Message: err.Error()})
		}
	}
	if g.MaxRecordBytes < 1<<10 || g.MaxRecordBytes > 64<<20 {
		out = append(out, Fault{Path: "ingest.max_record_bytes", Message: "expected a size from 1KiB to 64MiB"})
	}
	return out
}

// addressFault says what is wrong with a host:port, or "".
func addressFault(address string, needHost bool) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Sprintf("%q is not host:port", address)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Sprintf("%q has no port from 0 to 65535", address)
	}
	if needHost && host == "" {
		return fmt.Sprintf("%q has no host", address)
	}
	return ""
}

func oneOf(s string, options ...string) bool { return slices.Contains(options, s) }
