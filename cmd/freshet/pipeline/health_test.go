package pipeline_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/pipeline"
	"github.com/freshet-dev/freshet/detect/health"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

const troubleConfig = `
agent: {topics: {logs: PREFIX-logs, metrics: PREFIX-metrics, spans: PREFIX-spans}}
ingest:
  topics:
    - {name: orders, pattern: 'PREFIX-orders\..+', signal: events, format: json}
    - {name: PREFIX-jobs, signal: events, format: json}
health:
  behind: 10s
  source_stopped: 15s
  undecodable: 10s
  late_records: 10s
  clock_ahead: 10s
  rule_matches_nothing: 20s
`

const troubleRules = `
groups:
  - name: shop
    interval: 1s
    window: 5s
    lateness: 2s
    rules:
      - {alert: Orders, from: events, topic: orders, by: [service.name], when: count() >= 1000}
      - {alert: Typo, from: events, topic: orders, where: servcie.name == "pay", when: count() >= 1}
      - {alert: Jobs, from: events, topic: PREFIX-jobs, when: count() >= 1000}
`

var everything = pipeline.Targets{Detect: true, Alert: true}

// Each trouble becomes an alert of its own and is over when it is over, whichever process judges: they are killed and
// started in between, and nothing is told twice.
func TestTroublesAreTold(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		r := newRig(t, cluster, troubleConfig, troubleRules)
		first := r.start(everything)
		r.follow()
		if _, err := r.client.CreateTopics(t.Context(), []kafka.TopicSpec{{Name: r.prefix + "-orders.eu", Partitions: 2}}); err != nil {
			t.Fatal(err)
		}
		r.every(200*time.Millisecond, func() { r.send("-orders.eu", "pay", 0, 0, 0) })
		trouble := r.every(time.Second, func() {
			r.send("-orders.eu", "slow", -60)
			r.send("-orders.eu", "ahead", 3600)
			if err := r.client.Produce(t.Context(), kafka.Message{Topic: r.prefix + "-logs", Partition: 0, Value: []byte("\xff\xfe")}); err != nil {
				t.Error(err)
			}
		})
		began := time.Now()
		jobs := r.every(time.Second, func() { r.send("-jobs", "", 0) })
		told := func(alert string, labels []string, want ...string) func() bool {
			return func() bool { return slices.Equal(r.all(alert, labels...), want) }
		}
		service, topic := []string{"topic", "service_name"}, []string{"topic"}
		r.within(60*time.Second, "records that cannot be decoded are told", told(health.Undecodable, topic, "firing -logs"))
		r.within(60*time.Second, "late records are told", told(health.LateRecords, service, "firing -orders.eu slow"))
		r.within(60*time.Second, "records of the future are told", told(health.ClockAhead, service, "firing -orders.eu ahead"))
		r.within(90*time.Second, "a rule that matches nothing is told", told(health.RuleMatchesNothing, []string{"rule"}, "firing Typo"))
		// A source is missed when it has been seen to send for some time.
		r.within(60*time.Second, "the jobs have been sent for long", func() bool { return time.Since(began) > 40*time.Second })
		r.start(pipeline.Targets{Alert: true}) // stands by to judge
		first()
		r.start(everything)
		jobs()
		r.within(60*time.Second, "a source that stopped is told", told(health.SourceStopped, topic, "firing -jobs"))
		trouble()
		jobs = r.every(time.Second, func() { r.send("-jobs", "", 0) })
		r.within(60*time.Second, "that it goes on is told", func() bool { return slices.Contains(r.all(health.SourceStopped, topic...), "resolved -jobs") })
		jobs()
		for _, alert := range []string{health.Undecodable, health.LateRecords, health.ClockAhead, health.RuleMatchesNothing} {
			if n := len(r.all(alert)); n != 1 {
				t.Errorf("%s was told %d times: %q", alert, n, r.all(alert, "topic", "service_name", "rule"))
			}
		}
		if n := len(r.all(health.Behind)); n != 0 {
			t.Errorf("behind was told %d times: %q", n, r.all(health.Behind, "topic"))
		}
	})
}

const stallRules = `
groups:
  - name: shop
    interval: 1s
    window: 4s
    lateness: 1s
    rules:
      - {alert: Busy, from: events, topic: PREFIX-jobs, by: [service.name], when: count() >= 3}
      - {alert: Silent, from: events, topic: PREFIX-jobs, by: [service.name], when: absent()}
`

// While the detector is away nothing is resolved and nothing is called absent; that it is away is told, and what it had
// not read is judged as if nothing had happened.
func TestNothingIsConcludedWhileTheDetectorIsAway(t *testing.T) {
	t.Parallel()
	r := newRig(t, kafkatest.Embedded(t, broker.Options{}), troubleConfig, stallRules)
	r.start(pipeline.Targets{Alert: true})
	r.follow()
	stop := r.start(pipeline.Targets{Detect: true})
	sending := r.every(250*time.Millisecond, func() { r.send("-jobs", "pay", 0) })
	r.within(30*time.Second, "the alert fires", func() bool { return slices.Equal(r.all("Busy"), []string{"firing"}) })
	stop()
	r.within(60*time.Second, "that nobody reads is told", func() bool { return slices.Contains(r.all(health.Behind, "topic"), "firing -jobs") })
	if busy, silent := r.all("Busy"), r.all("Silent"); len(busy) != 1 || len(silent) != 0 {
		t.Errorf("concluded while nobody read: %q and absent %q", busy, silent)
	}
	r.start(pipeline.Targets{Detect: true})
	r.within(60*time.Second, "that it is read again is told", func() bool { return slices.Contains(r.all(health.Behind, "topic"), "resolved -jobs") })
	if busy, silent := r.all("Busy"), r.all("Silent"); len(busy) != 1 || len(silent) != 0 {
		t.Errorf("concluded of what was read late: %q and absent %q", busy, silent)
	}
	sending()
	r.within(30*time.Second, "the alert resolves", func() bool { return slices.Equal(r.all("Busy"), []string{"firing", "resolved"}) })
	r.within(30*time.Second, "the group is absent", func() bool { return slices.Equal(r.all("Silent"), []string{"firing"}) })
}

// A producer that hangs with a transaction open hides what it wrote, which may be anything: the partition is not idle,
// and nothing is concluded before the transaction has ended.
func TestNothingIsConcludedBehindAnOpenTransaction(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.Embedded(t, broker.Options{})
	r := newRig(t, cluster, troubleConfig, strings.ReplaceAll(stallRules, "window: 4s", "window: 10s"))
	r.start(everything)
	r.follow()
	r.send("-jobs", "pay", 0, 0, 0)
	value := []byte(`{"service.name":"pay","timestamp":"` + time.Now().Add(8*time.Second).Format(time.RFC3339Nano) + `"}`)
	end := cluster.OpenTransaction(t, r.prefix+"-jobs", 0, nil, value)
	r.within(90*time.Second, "being behind is told", func() bool { return slices.Contains(r.all(health.Behind, "topic"), "firing -jobs") })
	if busy, silent := r.all("Busy"), r.all("Silent"); len(busy)+len(silent) != 0 {
		t.Errorf("concluded behind the open transaction: %q and absent %q", busy, silent)
	}
	end()
	r.within(30*time.Second, "the alert fires, and resolves, and the group is absent", func() bool {
		return slices.Equal(r.all("Busy"), []string{"firing", "resolved"}) && slices.Equal(r.all("Silent"), []string{"firing"})
	})
}
