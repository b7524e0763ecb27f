// Package deploy_test checks the files that put freshet into service: that they parse, name each other rightly, pin what
// they fetch and open nothing to the network.
package deploy_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// compose is compose.yaml, in the keys that it uses.
type compose struct {
	Name     string             `yaml:"name"`
	Services map[string]service `yaml:"services"`
	Volumes  map[string]any     `yaml:"volumes"`
}

type service struct {
	Image string `yaml:"image"`
	Build *struct {
		Context    string `yaml:"context"`
		Dockerfile string `yaml:"dockerfile"`
	} `yaml:"build"`
	Restart     string            `yaml:"restart"`
	Command     []string          `yaml:"command"`
	Environment map[string]string `yaml:"environment"`
	Ports       []string          `yaml:"ports"`
	Volumes     []string          `yaml:"volumes"`
	ReadOnly    bool              `yaml:"read_only"`
	CapDrop     []string          `yaml:"cap_drop"`
	SecurityOpt []string          `yaml:"security_opt"`
	DependsOn   map[string]struct {
		Condition string `yaml:"condition"`
	} `yaml:"depends_on"`
	Healthcheck *struct {
		Test        []string `yaml:"test"`
		Interval    string   `yaml:"interval"`
		Timeout     string   `yaml:"timeout"`
		Retries     int      `yaml:"retries"`
		StartPeriod string   `yaml:"start_period"`
	} `yaml:"healthcheck"`
}

// read returns a file of this folder.
func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// decode reads YAML; with strict, a key that the value lacks is an error.
func decode(t *testing.T, name string, value any, options ...yaml.DecodeOption) {
	t.Helper()
	if err := yaml.UnmarshalWithOptions([]byte(read(t, name)), value, options...); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func readCompose(t *testing.T) compose {
	t.Helper()
	var c compose
	decode(t, "compose.yaml", &c, yaml.Strict())
	if len(c.Services) == 0 {
		t.Fatal("compose.yaml has no services")
	}
	return c
}

// pinned is an image with a version: not without a tag, not "latest".
var pinned = regexp.MustCompile(`^[a-z0-9./-]+:v?\d+(\.\d+)+([-.][a-z0-9]+)*$`)

func TestComposePinsImagesAndOpensNothing(t *testing.T) {
	for name, s := range readCompose(t).Services {
		if s.Build == nil && !pinned.MatchString(s.Image) {
			t.Errorf("%s: image %q has no version", name, s.Image)
		}
		if len(s.Ports) == 0 {
			t.Errorf("%s publishes no port, so nobody can look at it", name)
		}
		for _, port := range s.Ports {
			if !regexp.MustCompile(`^127\.0\.0\.1:\d+:\d+$`).MatchString(port) {
				t.Errorf("%s: port %q is not published on 127.0.0.1 only", name, port)
			}
		}
	}
}

func TestComposeNamesWhatIsThere(t *testing.T) {
	c := readCompose(t)
	for name, s := range c.Services {
		for other, condition := range s.DependsOn {
			target, known := c.Services[other]
			if !known {
				t.Errorf("%s depends on %s, which is no service", name, other)
			}
			if condition.Condition == "service_healthy" && target.Healthcheck == nil {
				t.Errorf("%s waits for the health of %s, which has no healthcheck", name, other)
			}
		}
		for _, volume := range s.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if !strings.HasPrefix(source, ".") {
				if _, known := c.Volumes[source]; !known {
					t.Errorf("%s: volume %s is not declared", name, source)
				}
				continue
			}
			if _, err := os.Stat(source); err != nil {
				t.Errorf("%s mounts what is not there: %v", name, err)
			}
			if !strings.HasSuffix(volume, ":ro") {
				t.Errorf("%s may write to %s", name, source)
			}
		}
		if s.Build != nil {
			if _, err := os.Stat(filepath.Join(s.Build.Context, s.Build.Dockerfile)); err != nil {
				t.Errorf("%s is built from what is not there: %v", name, err)
			}
		}
	}
}

// ports returns the container ports that a service publishes.
func ports(s service) []string {
	var out []string
	for _, p := range s.Ports {
		out = append(out, p[strings.LastIndex(p, ":"):])
	}
	slices.Sort(out)
	return out
}

// The addresses in the files that compose mounts are those of its services.
func TestComposeAddressesAgree(t *testing.T) {
	c := readCompose(t)
	var config struct {
		Kafka struct{ Brokers []string }
		HTTP  struct{ Listen string }
		Rules struct{ Files []string }
		Agent struct {
			OTLP    struct{ GRPC, HTTP string } `yaml:"otlp"`
			DataDir string                      `yaml:"data_dir"`
		}
	}
	decode(t, "freshet.compose.yaml", &config)
	freshet := c.Services["freshet"]

	advertised := c.Services["kafka"].Environment["KAFKA_ADVERTISED_LISTENERS"]
	for _, broker := range config.Kafka.Brokers {
		if !strings.Contains(advertised, "INTERNAL://"+broker) {
			t.Errorf("freshet looks for Kafka at %s, which advertises %s", broker, advertised)
		}
	}
	if !strings.Contains(advertised, "HOST://127.0.0.1:9092") || !slices.Contains(ports(c.Services["kafka"]), ":9092") {
		t.Errorf("programs of the host do not reach Kafka: it advertises %s", advertised)
	}
	listens := []string{config.Agent.OTLP.GRPC, config.Agent.OTLP.HTTP, config.HTTP.Listen}
	if slices.Sort(listens); !slices.Equal(listens, ports(freshet)) {
		t.Errorf("freshet listens at %v, published are %v", listens, ports(freshet))
	}
	for what, path := range map[string]string{"rules": filepath.Dir(config.Rules.Files[0]), "data": filepath.Dir(config.Agent.DataDir)} {
		mounted := func(volume string) bool { return strings.Contains(volume+":", ":"+path+":") }
		if !slices.ContainsFunc(freshet.Volumes, mounted) {
			t.Errorf("freshet looks for its %s in %s, where nothing is mounted", what, path)
		}
	}

	var prometheus struct {
		ScrapeConfigs []struct {
			JobName       string                       `yaml:"job_name"`
			StaticConfigs []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	decode(t, "prometheus.yml", &prometheus)
	if got := prometheus.ScrapeConfigs[0].StaticConfigs[0].Targets; !slices.Equal(got, []string{"freshet" + config.HTTP.Listen}) {
		t.Errorf("Prometheus scrapes %v, expected freshet%s", got, config.HTTP.Listen)
	}

	var sources struct{ Datasources []struct{ Type, URL string } }
	decode(t, "grafana/datasources.yaml", &sources)
	if got := sources.Datasources[0]; got.Type != "prometheus" || got.URL != "http://prometheus"+ports(c.Services["prometheus"])[0] {
		t.Errorf("Grafana's data source is %+v", got)
	}
	var providers struct {
		Providers []struct{ Options struct{ Path string } }
	}
	decode(t, "grafana/dashboards.yaml", &providers)
	grafana := c.Services["grafana"]
	home := grafana.Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
	mounted := func(volume string) bool { return strings.HasSuffix(volume, ":"+home+":ro") }
	if filepath.Dir(home) != providers.Providers[0].Options.Path || !slices.ContainsFunc(grafana.Volumes, mounted) {
		t.Errorf("Grafana's first page %s is not among the dashboards that are mounted and provisioned", home)
	}
}

// Kafka in containers is the one that tests run against.
func TestKafkaIsOfOneVersion(t *testing.T) {
	_, version, _ := strings.Cut(readCompose(t).Services["kafka"].Image, ":")
	if script := read(t, "kafka/kafka.sh"); !strings.Contains(script, "FRESHET_KAFKA_VERSION:-"+version+"}") {
		t.Errorf("compose.yaml runs Kafka %s, kafka/kafka.sh another", version)
	}
}

func TestDockerfile(t *testing.T) {
	text := read(t, "Dockerfile")
	for _, m := range regexp.MustCompile(`(?m)^FROM (\S+)`).FindAllStringSubmatch(text, -1) {
		if _, tag, tagged := strings.Cut(m[1], ":"); !tagged || tag == "latest" {
			t.Errorf("image %s has no version", m[1])
		}
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "../go.mod"))
	if version == nil || !strings.Contains(text, "FROM golang:"+version[1]+"-") {
		t.Errorf("the image is not built by the Go of go.mod, %v", version)
	}
	_, last, _ := strings.Cut(text, "FROM gcr.io/distroless/static")
	for _, needed := range []string{"\nUSER 65532:65532\n", "\nHEALTHCHECK ", `ENTRYPOINT ["/usr/bin/freshet"]`} {
		if !strings.Contains(last, needed) {
			t.Errorf("the final image lacks %q", strings.TrimSpace(needed))
		}
	}
}

func TestExampleNamesEverySection(t *testing.T) {
	var example map[string]any
	decode(t, "freshet.example.yaml", &example)
	got := slices.Sorted(maps.Keys(example))
	if want := []string{"agent", "alert", "detect", "health", "http", "ingest", "kafka", "log", "rules"}; !slices.Equal(got, want) {
		t.Errorf("sections are %v, expected %v", got, want)
	}
}

// The unit gives the service no more than it needs.
func TestSystemdUnitIsHardened(t *testing.T) {
	keys := make(map[string]string)
	section := ""
	for i, line := range strings.Split(read(t, "freshet.service"), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]")
			continue
		}
		key, value, found := strings.Cut(line, "=")
		if !found || section == "" {
			t.Errorf("line %d is neither a section nor key=value: %s", i+1, line)
		}
		keys[section+"."+key] = value
	}
	for key, want := range map[string]string{
		"Service.ExecStart": "/usr/bin/freshet run --config /etc/freshet/freshet.yaml", "Service.DynamicUser": "yes",
		"Service.NoNewPrivileges": "yes", "Service.ProtectSystem": "strict", "Service.ProtectHome": "yes",
		"Service.CapabilityBoundingSet": "", "Service.PrivateTmp": "yes", "Service.StateDirectory": "freshet",
		"Service.MemoryDenyWriteExecute": "yes", "Install.WantedBy": "multi-user.target",
		"Service.ExecReload": "/bin/kill -HUP $MAINPID",
	} {
		if got, found := keys[key]; !found || got != want {
			t.Errorf("%s is %q, expected %q", key, got, want)
		}
	}
}
