package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/config"
	"github.com/freshet-dev/freshet/cmd/freshet/pipeline"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
	"github.com/freshet-dev/freshet/rules"
)

// rig is a Kafka with topics of its own, processes of freshet on it, and what they find.
type rig struct {
	t       *testing.T
	cluster kafkatest.Cluster
	client  *kafka.Client
	prefix  string // of all topics
	http    string // more keys of the configuration's http
	config  string
	dir     string // of the configuration files
	started []*pipeline.Pipeline

	mu    sync.Mutex
	files []rules.File // as they are now
	found []*finding.Finding
}

// newRig reads configuration and rules, in which PREFIX stands for what begins the names of topics.
func newRig(t *testing.T, cluster kafkatest.Cluster, configuration, ruleFile string) *rig {
	t.Helper()
	r := &rig{t: t, cluster: cluster, client: cluster.Client(t), prefix: kafkatest.Name("rig"), dir: t.TempDir()}
	r.config = strings.ReplaceAll(configuration, "PREFIX", r.prefix)
	r.write(ruleFile)
	return r
}

// write changes the rule file. Nobody watches it.
func (r *rig) write(ruleFile string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files = []rules.File{{Name: "rules.yaml", Content: []byte(strings.ReplaceAll(ruleFile, "PREFIX", r.prefix))}}
}

func (r *rig) read() ([]rules.File, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.files, nil
}

// reload has a process, counted from 0, load a rule file.
func (r *rig) reload(process int, ruleFile string) {
	r.t.Helper()
	r.write(ruleFile)
	if err := r.started[process].Reload(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// follow collects the findings. It is called once freshet has made their topic.
func (r *rig) follow() {
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := r.client.Tail(ctx, r.prefix+".findings", kafka.Oldest(), func(m *kafka.Message) error {
			f, err := finding.Decode(m.Value)
			if err != nil || f.Update {
				return err
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.found = append(r.found, f)
			return nil
		})
		if err != nil {
			r.t.Error(err)
		}
	}()
	r.t.Cleanup(func() { cancel(); <-done })
}

// configure writes the configuration file of a process, counted from 0, and returns its path.
func (r *rig) configure(process int, configuration string) string {
	r.t.Helper()
	brokers, err := json.Marshal(r.cluster.Brokers)
	if err != nil {
		r.t.Fatal(err)
	}
	text := fmt.Sprintf("kafka: {brokers: %s, namespace: %s, instance: process-%d}\nhttp: {listen: \"127.0.0.1:0\"%s}\n%s\n",
		brokers, r.prefix, process+1, r.http, configuration)
	path := filepath.Join(r.dir, fmt.Sprintf("freshet-%d.yaml", process))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// start runs roles as a process would and returns what ends them.
func (r *rig) start(targets pipeline.Targets) (stop func()) {
	r.t.Helper()
	path := r.configure(len(r.started), r.config)
	load := func() (*config.Config, []config.Fault, error) { return config.Load(path) }
	cfg, faults, err := load()
	if err != nil || len(faults) > 0 {
		r.t.Fatal(err, faults)
	}
	files, _ := r.read()
	set, problems := rules.ParseFiles(files)
	if set == nil {
		r.t.Fatal(problems)
	}
	p, err := pipeline.New(pipeline.Options{
		Config: cfg, ConfigPath: path, Reconfigure: load, Rules: set, Files: files, Read: r.read, Targets: targets, Log: kafkatest.Logger(r.t), Version: "test",
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.started = append(r.started, p)
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Error(err)
		}
	})
	r.t.Cleanup(stop)
	select {
	case <-p.Started():
	case <-time.After(30 * time.Second):
		r.t.Fatal("freshet did not start in 30 s")
	}
	return stop
}

// send writes events to a topic: times are seconds from now.
func (r *rig) send(topic, service string, at ...float64) {
	r.t.Helper()
	var ms []kafka.Message
	for _, seconds := range at {
		t := time.Now().Add(time.Duration(seconds * float64(time.Second)))
		value := fmt.Sprintf(`{"service.name":%q,"timestamp":%q}`, service, t.Format(time.RFC3339Nano))
		ms = append(ms, kafka.Message{Topic: r.prefix + topic, Value: []byte(value)})
	}
	if err := r.client.Produce(r.t.Context(), ms...); err != nil && r.t.Context().Err() == nil { // the test has not ended
		r.t.Error(err)
	}
}

// every calls f a few times a second until it is stopped.
func (r *rig) every(pause time.Duration, f func()) (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			f()
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	r.t.Cleanup(stop)
	return stop
}

// all returns the settled findings of an alert in short: state and the given labels, and "reason".
func (r *rig) all(alert string, labels ...string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := []string{}
	for _, f := range r.found {
		if f.Rule != alert || !f.Settled {
			continue
		}
		line := string(f.State)
		for _, name := range labels {
			if name == "reason" && f.Reason != "" {
				line += " (" + f.Reason + ")"
			}
			if v := strings.TrimPrefix(f.Labels.Get(name), r.prefix); v != "" {
				line += " " + v
			}
		}
		out = append(out, line)
	}
	return out
}

// within waits until a condition holds.
func (r *rig) within(limit time.Duration, what string, ok func() bool) {
	r.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	late := time.After(limit)
	for !ok() {
		select {
		case <-late:
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, f := range r.found {
				r.t.Logf("found: %s %s %s %s", f.State, f.Labels, f.Reason, f.Annotations["description"])
			}
			r.t.Fatalf("not within %s: %s", limit, what)
		case <-tick.C:
		}
	}
}
