package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/notifier"
	"go.opentelemetry.io/otel/log"
	"go.yaml.in/yaml/v3"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
	"github.com/freshet-dev/freshet/rules/label"
)

// promServer is the part of Prometheus that posts alerts: its own notifier, given what fires again and again as its rules
// do. An alert is valid for four times the time between two.
type promServer struct {
	manager *notifier.Manager

	mu    sync.Mutex
	fires map[string]*notifier.Alert // by name
	over  []*notifier.Alert
}

const promResend = time.Second

func newPromServer(t *testing.T, urls ...string) *promServer {
	t.Helper()
	p := &promServer{fires: map[string]*notifier.Alert{}}
	p.manager = notifier.NewManager(&notifier.Options{QueueCapacity: 1000, Registerer: prometheus.NewRegistry(),
		ExternalLabels: labels.FromStrings("cluster", "eu1")}, model.UTF8Validation, nil)
	var c promconfig.Config
	err := yaml.Unmarshal([]byte("global: {external_labels: {cluster: eu1}}\nalerting: {alertmanagers: [{static_configs: [{targets: [unused]}]}]}"), &c)
	if err == nil {
		err = p.manager.ApplyConfig(&c)
	}
	if err != nil {
		t.Fatal(err)
	}
	group := &targetgroup.Group{Source: "0"}
	for _, u := range urls {
		group.Targets = append(group.Targets, model.LabelSet{model.AddressLabel: model.LabelValue(u)})
	}
	targets, ended := make(chan map[string][]*targetgroup.Group, 1), make(chan struct{})
	targets <- map[string][]*targetgroup.Group{"config-0": {group}}
	go func() {
		defer close(ended)
		p.manager.Run(targets)
	}()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(promResend)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				p.send()
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
		p.manager.Stop()
		<-ended
	})
	return p
}

func (p *promServer) send() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	alerts := slices.Clone(p.over)
	for _, a := range p.fires {
		c := *a
		c.EndsAt = now.Add(4 * promResend)
		alerts = append(alerts, &c)
	}
	if len(alerts) > 0 {
		p.manager.Send(alerts...)
	}
}

func (p *promServer) fire(name string, more ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fires[name] = &notifier.Alert{Labels: labels.FromStrings(append(more, "alertname", name)...),
		Annotations: labels.FromStrings("summary", name+" says Prometheus"), StartsAt: time.Now(), GeneratorURL: "http://prometheus.example.org/graph?g0.expr=up"}
}

// resolve has an alert end as its rule says, and goes on to say that for a while.
func (p *promServer) resolve(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.fires[name]
	delete(p.fires, name)
	a.EndsAt = time.Now()
	p.over = append(p.over, a)
}

// forget has an alert be posted no more, as when Prometheus is gone.
func (p *promServer) forget(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.fires, name)
}

// Prometheus posts its alerts as to Alertmanager: they are told once, end, are muted with freshet's own and mute them.
func TestPrometheusPostsAlerts(t *testing.T) {
	t.Parallel()
	onEachKafka(t, func(t *testing.T, k *cluster) {
		team, pager := newReceiver(t), newReceiver(t)
		config := k.alerter(severities(team.URL, pager.URL))
		first := active(t, config)
		second := standby(t, k, config)
		address := func(p *harness.Program) string { return p.Page[len("http://") : len(p.Page)-1] }
		prom := newPromServer(t, address(first), address(second)) // to all, as Prometheus does
		d := harness.NewDetector(t, k.client, k.namespace)

		prom.fire("NodeDown", "severity", "critical", "service", "shop")
		m := pager.once(t, 20*time.Second, "NodeDown", "firing")
		if a := m.Alerts[0]; a.Labels["cluster"] != "eu1" || a.Annotations["summary"] != "NodeDown says Prometheus" {
			t.Errorf("told as %v %v", a.Labels, a.Annotations)
		}
		// Muted by the one of Prometheus: freshet's own, and another of Prometheus.
		d.Fire(label.AlertName, "Errors", label.Severity, "warning", "service", "shop")
		prom.fire("Slow", "severity", "warning", "service", "shop")
		// Not muted, as another service; then silenced.
		prom.fire("Disk", "severity", "warning", "service", "db")
		team.once(t, 20*time.Second, "Disk", "firing")
		harness.Output(t, config, "silence", "add", "alertname=~\"Memory|Own\"", "--comment", "known", "--url", first.Page)
		prom.fire("Memory", "severity", "warning", "service", "db")
		d.Fire(label.AlertName, "Own", label.Severity, "warning", "service", "db")
		for _, name := range []string{"Errors", "Slow", "Memory", "Own"} {
			harness.Eventually(t, 20*time.Second, name+" is suppressed", func() bool { return alertState(t, first, name) == "suppressed" })
		}
		harness.Never(t, 6*time.Second, "a muted alert is told, or one that is posted again is over", func() bool {
			return len(team.told(t, "Errors", "firing"))+len(team.told(t, "Slow", "firing"))+len(team.told(t, "Memory", "firing"))+
				len(team.told(t, "Own", "firing"))+len(team.told(t, "Disk", "resolved"))+len(pager.told(t, "NodeDown", "resolved")) > 0
		})

		prom.forget("Disk")
		team.once(t, 20*time.Second, "Disk", "resolved")
		prom.resolve("NodeDown")
		pager.once(t, 20*time.Second, "NodeDown", "resolved")
		// What it muted is told now.
		team.once(t, 20*time.Second, "Errors", "firing")
		team.once(t, 20*time.Second, "Slow", "firing")
		for name, r := range map[string]*receiver{"Disk": team, "NodeDown": pager} {
			if n, over := len(r.told(t, name, "firing")), len(r.told(t, name, "resolved")); n != 1 || over != 1 {
				t.Errorf("%s was told %d times to fire and %d times to be over, want once each", name, n, over)
			}
		}
	})
}

// Prometheus's client reads freshet's rules and alerts.
func TestPrometheusClient(t *testing.T) {
	t.Parallel()
	onEachKafka(t, func(t *testing.T, k *cluster) {
		hook, grpc := newReceiver(t), harness.FreeAddress(t)
		rules := fmt.Sprintf(spikeRules, "1m", 50) + "      - {record: errors, from: logs, window: 10s, value: count(severity >= ERROR)}\n"
		p := harness.Start(t, k.config(t, rules, hook.URL, grpc), "run").Running()
		newService(t, "checkout", grpc).logs(50, log.SeverityError, "payment declined")
		hook.once(t, 60*time.Second, "ErrorSpike", "firing")
		client, err := api.NewClient(api.Config{Address: p.Page, Client: http.DefaultClient})
		if err != nil {
			t.Fatal(err)
		}
		prom := v1.NewAPI(client)
		alerts, err := prom.Alerts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(alerts.Alerts) != 1 {
			t.Fatalf("alerts %+v", alerts.Alerts)
		}
		a := alerts.Alerts[0]
		if a.State != v1.AlertStateFiring || a.Labels["alertname"] != "ErrorSpike" || a.Labels["service_name"] != "checkout" ||
			a.Annotations["summary"] != "checkout: 50 errors" || a.Value != "5e+01" || time.Since(a.ActiveAt) > 5*time.Minute {
			t.Errorf("alert %+v", a)
		}
		result, err := prom.Rules(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(result.Groups) != 1 || result.Groups[0].Name != "e2e" || result.Groups[0].Interval != 1 || len(result.Groups[0].Rules) != 2 {
			t.Fatalf("groups %+v", result.Groups)
		}
		alerting, ok := result.Groups[0].Rules[0].(v1.AlertingRule)
		if !ok || alerting.Name != "ErrorSpike" || alerting.State != "firing" || len(alerting.Alerts) != 1 || alerting.Health != v1.RuleHealthGood ||
			alerting.Query != "count(severity >= ERROR) >= 50" || alerting.Labels["severity"] != "critical" {
			t.Errorf("rule %+v", result.Groups[0].Rules[0])
		}
		if recording, ok := result.Groups[0].Rules[1].(v1.RecordingRule); !ok || recording.Name != "errors" || recording.Health != v1.RuleHealthGood {
			t.Errorf("rule %+v", result.Groups[0].Rules[1])
		}
		p.Stop()
	})
}
