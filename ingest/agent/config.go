package agent

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/ingest/agent/tail"
)

// Config says what an agent receives and where it puts it. DefaultConfig gives every key its value.
type Config struct {
	OTLP  OTLPConfig   `yaml:"otlp"`
	Files []FileConfig `yaml:"files"`
	// Topics are the Kafka topics to produce to.
	Topics Topics `yaml:"topics"`
	// ResourceAttributes are added to every resource that does not have them already.
	ResourceAttributes map[string]string `yaml:"resource_attributes"`
	// DataDir is the folder of the file that keeps how far each tailed file was read.
	DataDir string `yaml:"data_dir"`
	Limits  Limits `yaml:"limits"`
}

// OTLPConfig says where OTLP is received. An empty address switches a receiver off; port 0 takes any free port.
type OTLPConfig struct {
	GRPC string `yaml:"grpc"`
	HTTP string `yaml:"http"`
}

// FileConfig is one set of tailed files.
type FileConfig struct {
	// Include and Exclude are globs of absolute paths; ** stands for any number of folders.
	Include []string `yaml:"include"`
	Exclude []string `yaml:"exclude"`
	// StartAt says where a file starts that was there before the first start: beginning or end (the default). Files
	// that appear later are read from their beginning.
	StartAt tail.StartAt `yaml:"start_at"`
	// ServiceName is the resource's service.name; ResourceAttributes are its further attributes. host.name is this
	// host's unless it is set here.
	ServiceName        string            `yaml:"service_name"`
	ResourceAttributes map[string]string `yaml:"resource_attributes"`
}

// Topics names the topics of the three signals.
type Topics struct {
	Logs    string `yaml:"logs"`
	Metrics string `yaml:"metrics"`
	Spans   string `yaml:"spans"`
}

// Limits bound what an agent holds and for how long.
type Limits struct {
	// MaxRequestBytes is the largest OTLP request, after decompression.
	MaxRequestBytes Size `yaml:"max_request_bytes"`
	// MaxRecordBytes is the largest Kafka record that is written; a larger batch is split. It must be below the topic's
	// max.message.bytes.
	MaxRecordBytes Size `yaml:"max_record_bytes"`
	// MaxInFlightBytes bounds the requests that wait for Kafka; more are refused and the sender told to retry.
	MaxInFlightBytes Size `yaml:"max_in_flight_bytes"`
	// MaxLineBytes bounds one line of a tailed file; the rest of a longer line is dropped and counted.
	MaxLineBytes Size `yaml:"max_line_bytes"`
	// ProduceTimeout is how long a request waits for Kafka before its sender is told to retry.
	ProduceTimeout time.Duration `yaml:"produce_timeout"`
	// PollInterval is the time between two looks for new, grown and rotated files. Where the system reports changes
	// they are read at once.
	PollInterval time.Duration `yaml:"poll_interval"`
}

// DefaultConfig returns the configuration of an empty section: OTLP on the usual ports of the loopback interface.
func DefaultConfig() Config {
	return Config{
		OTLP:    OTLPConfig{GRPC: "127.0.0.1:4317", HTTP: "127.0.0.1:4318"},
		Topics:  Topics{Logs: "otlp_logs", Metrics: "otlp_metrics", Spans: "otlp_spans"},
		DataDir: "./data/agent",
		Limits: Limits{
			MaxRequestBytes:  16 << 20,
			MaxRecordBytes:   900 << 10,
			MaxInFlightBytes: 128 << 20,
			MaxLineBytes:     128 << 10,
			ProduceTimeout:   8 * time.Second,
			PollInterval:     time.Second,
		},
	}
}

// Fault is one thing that is wrong with a Config.
type Fault struct {
	// Path is the key, e.g. otlp.grpc or files[0].include.
	Path string
	// Message says what was expected and found; Hint, when not empty, what to write.
	Message, Hint string
}

// Error returns the fault as one line.
func (f Fault) Error() string {
	if f.Hint == "" {
		return f.Path + ": " + f.Message
	}
	return f.Path + ": " + f.Message + " (" + f.Hint + ")"
}

// Validate returns all that is wrong, nil when nothing is.
func (c Config) Validate() []Fault {
	var faults []Fault
	bad := func(path, hint, format string, args ...any) {
		faults = append(faults, Fault{Path: path, Message: fmt.Sprintf(format, args...), Hint: hint})
	}
	for _, l := range []struct{ path, address string }{{"otlp.grpc", c.OTLP.GRPC}, {"otlp.http", c.OTLP.HTTP}} {
		if l.address == "" {
			continue
		}
		if _, port, err := net.SplitHostPort(l.address); err != nil {
			bad(l.path, "write it as host:port, e.g. 127.0.0.1:4317", "%q is not an address", l.address)
		} else if n, err := strconv.ParseUint(port, 10, 16); err != nil {
			bad(l.path, "", "expected a port from 0 to 65535, found %q", port)
		} else if n != 0 && l.path == "otlp.http" && l.address == c.OTLP.GRPC {
			bad(l.path, "give each receiver a port of its own", "%q is the address of otlp.grpc too", l.address)
		}
	}
	for i, f := range c.Files {
		faults = append(faults, f.faults(fmt.Sprintf("files[%d]", i))...)
	}
	if len(c.Files) > 0 && c.DataDir == "" {
		bad("data_dir", "name a folder that stays over restarts", "tailing files needs a folder for the positions")
	}
	for _, t := range []struct{ path, name string }{
		{"topics.logs", c.Topics.Logs}, {"topics.metrics", c.Topics.Metrics}, {"topics.spans", c.Topics.Spans},
	} {
		if !validTopic(t.name) {
			bad(t.path, "use letters, digits, dot, underscore and dash, at most 249", "%q is not a name that Kafka accepts", t.name)
		}
	}
	for key := range c.ResourceAttributes {
		if key == "" {
			bad("resource_attributes", "", "an attribute has no name")
		}
	}
	return append(faults, c.Limits.faults()...)
}

func (f FileConfig) faults(path string) []Fault {
	var faults []Fault
	if len(f.Include) == 0 {
		faults = append(faults, Fault{path + ".include", "the list is empty", `name files, e.g. ["/var/log/app/*.log"]`})
	}
	for _, list := range []struct {
		name     string
		patterns []string
	}{{"include", f.Include}, {"exclude", f.Exclude}} {
		for i, pattern := range list.patterns {
			at := fmt.Sprintf("%s.%s[%d]", path, list.name, i)
			if !filepath.IsAbs(pattern) {
				faults = append(faults, Fault{at, fmt.Sprintf("%q is not an absolute path", pattern), "begin it with the root folder"})
			} else if err := tail.CheckPattern(pattern); err != nil {
				faults = append(faults, Fault{at, fmt.Sprintf("%q is not a glob: %v", pattern, err), ""})
			}
		}
	}
	return faults
}

func (l Limits) faults() []Fault {
	var faults []Fault
	between := func(path string, v, low, high Size) {
		if v < low || v > high {
			faults = append(faults, Fault{"limits." + path, fmt.Sprintf("expected %s to %s, found %s", low, high, v), ""})
		}
	}
	between("max_request_bytes", l.MaxRequestBytes, 1<<10, 1<<30)
	between("max_record_bytes", l.MaxRecordBytes, 1<<10, 512<<20)
	between("max_in_flight_bytes", l.MaxInFlightBytes, max(1<<10, l.MaxRequestBytes), 1<<40)
	// A JSON line is kept as attributes as well as a body, so a line takes more than its own length in a record.
	between("max_line_bytes", l.MaxLineBytes, 64, max(64, l.MaxRecordBytes/4))
	duration := func(path string, d, low, high time.Duration) {
		if d < low || d > high {
			faults = append(faults, Fault{"limits." + path, fmt.Sprintf("expected %s to %s, found %s", low, high, d), ""})
		}
	}
	duration("produce_timeout", l.ProduceTimeout, 100*time.Millisecond, 10*time.Minute)
	duration("poll_interval", l.PollInterval, 10*time.Millisecond, time.Hour)
	return faults
}

func validTopic(name string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	return name != "" && name != "." && name != ".." && len(name) <= 249 && strings.Trim(name, allowed) == ""
}

// Size is a number of bytes, written as a number with an optional unit: 512KiB, 16MiB, 1GB. As Prometheus does, KB and
// KiB both mean 1024 bytes.
type Size int64

type sizeUnit struct {
	suffix string
	bytes  Size
}

var sizeUnits = []sizeUnit{ //nolint:gochecknoglobals // constant table, longest suffix first
	{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}, {"B", 1},
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(text []byte) error {
	number, unit := string(text), Size(1)
	if i := slices.IndexFunc(sizeUnits, func(u sizeUnit) bool { return strings.HasSuffix(number, u.suffix) }); i >= 0 {
		number, unit = strings.TrimSuffix(number, sizeUnits[i].suffix), sizeUnits[i].bytes
	}
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil || n < 0 || n > (1<<62)/int64(unit) {
		return fmt.Errorf("%q is not a size: write a whole number and a unit, e.g. 16MiB", text)
	}
	*s = Size(n) * unit
	return nil
}

// MarshalText implements encoding.TextMarshaler with the text of String.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String returns the size with the largest unit that leaves a whole number, e.g. 900KiB.
func (s Size) String() string {
	for _, u := range sizeUnits[:3] {
		if s >= u.bytes && s%u.bytes == 0 {
			return strconv.FormatInt(int64(s/u.bytes), 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}
