package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest/kafka"
	embedded "github.com/freshet-dev/freshet/ingest/kafka/broker"
	"github.com/freshet-dev/freshet/rules/label"
)

const (
	// shortKills is how often the active alerter is killed in CI.
	shortKills = 12
	// firesFor is how long each alert of the load fires, every how often another begins.
	firesFor, every = 3 * time.Second, 25 * time.Millisecond
	// takeover is how long a standby may take until it sends, from the kill on.
	takeover = 10 * time.Second
)

// TestAlerterChaos kills the active alerter at every step of a send, while alerts fire and resolve, and compares what
// receivers got with what the alerts did: nothing is lost, and nothing is told twice but what was in flight.
func TestAlerterChaos(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		b, err := embedded.Start(embedded.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close() })
		alerterChaos(t, []string{b.Addr()})
	})
	if brokers := os.Getenv("FRESHET_TEST_BROKERS"); brokers != "" {
		t.Run("real", func(t *testing.T) {
			t.Parallel()
			alerterChaos(t, strings.Split(brokers, ","))
		})
	}
}

func alerterChaos(t *testing.T, brokers []string) {
	kills := shortKills
	if text := os.Getenv("ALERTKILLS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < shortKills {
			t.Fatalf("ALERTKILLS: expected a number of at least %d, found %q", shortKills, text)
		}
		kills = n
	}
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	c := newAlerters(t, brokers)
	hook := c.hook
	stop, alerts := make(chan struct{}), make(chan int, 1)
	go func() { alerts <- c.load(stop) }()
	for n := range kills {
		wait(t.Context(), time.Duration(500+r.IntN(1500))*time.Millisecond)
		at := step(r.IntN(4))
		c.kill(at)
		t.Logf("kill %d at %s", n+1, at)
	}
	close(stop)
	total := <-alerts
	took := c.failover()
	t.Logf("the standby sent %s after the kill", took.Round(10*time.Millisecond))
	if took > takeover {
		t.Errorf("the standby sent %s after the kill, expected at most %s", took, takeover)
	}
	harness.Eventually(t, time.Minute, "everybody knows the end of every alert", func() bool {
		return hook.ends() >= total+1
	})
	hook.mu.Lock()
	defer hook.mu.Unlock()
	lost, doubled := 0, 0
	for i := range total {
		name := strconv.Itoa(i)
		switch heard := strings.Join(hook.heard[name], " "); {
		case heard == "firing resolved", heard == "resolved" && hook.belated[name]:
		case strings.Contains(heard, "firing firing"), strings.Contains(heard, "resolved resolved"):
			doubled++
			t.Errorf("alert %s was told as %q", name, heard)
		default:
			lost++
			t.Errorf("alert %s was told as %q", name, heard)
		}
	}
	t.Logf("%d kills, %d alerts, %d requests: %d lost, %d told twice to a receiver that honours the key, %d repeated under the same key",
		kills+1, total, hook.requests, lost, doubled, hook.repeats)
	if hook.different > 0 {
		t.Errorf("%d repeated requests said something else than the first", hook.different)
	}
}

// alerters are two processes that share the work of one alerter.
type alerters struct {
	t         *testing.T
	namespace string
	client    *kafka.Client
	hook      *hook

	mu     sync.Mutex
	config [2]string
	now    [2]*harness.Program
}

func newAlerters(t *testing.T, brokers []string) *alerters {
	t.Helper()
	c := &alerters{t: t, namespace: "alerter" + strconv.FormatInt(time.Now().UnixNano(), 36), client: newClient(t, brokers), hook: newHook(t)}
	for i := range c.config {
		c.config[i] = fmt.Sprintf(`
kafka: {brokers: [%s], namespace: %s, instance: %s-%d}
http: {listen: "127.0.0.1:0"}
alert:
  route: {receiver: hook, group_by: ["..."], group_wait: 0s, group_interval: 1s}
  receivers:
    - {name: hook, webhook_configs: [{url: "%s/%d"}]}
`, strings.Join(brokers, ", "), c.namespace, c.namespace, i, c.hook.URL, i)
		c.start(i)
		c.now[i].Running()
	}
	return c
}

func (c *alerters) start(i int) {
	c.now[i] = harness.Start(c.t, c.config[i], "run", "--target", "alert")
}

// kill kills the process that sends, at a step of a send, and starts it again.
func (c *alerters) kill(at step) {
	c.t.Helper()
	killed := make(chan struct{})
	c.hook.arm(at, func(process int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.now[process].Kill()
		c.start(process)
		close(killed)
	})
	select {
	case <-killed:
	case <-time.After(30 * time.Second):
		c.t.Fatal("nobody has sent anything for 30 s")
	}
}

// load has an alert after the other fire and resolve until stop is closed, and returns how many there were.
func (c *alerters) load(stop <-chan struct{}) int {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var ends sync.WaitGroup
	for n := 0; ; n++ {
		select {
		case <-stop:
			ends.Wait()
			return n
		case <-tick.C:
		}
		f := c.finding(strconv.Itoa(n), finding.Firing)
		c.produce(f)
		ends.Go(func() {
			wait(c.t.Context(), firesFor)
			c.produce(c.finding(f.Labels.Get("name"), finding.Resolved))
		})
	}
}

func (c *alerters) finding(name string, state finding.State) *finding.Finding {
	labels := label.New(label.AlertName, "Load", "name", name)
	f := &finding.Finding{ID: name + "/" + string(state), Fingerprint: labels.Fingerprint(), Rule: "Load", Group: "load", State: state,
		Settled: true, Birth: 1, Episode: 1, Transition: 1, Labels: labels, StartsAt: time.Now(), WindowEnd: time.Now()}
	if state == finding.Resolved {
		f.Transition, f.EndsAt = 2, time.Now()
	}
	return f
}

func (c *alerters) produce(f *finding.Finding) {
	value, err := finding.Encode(f)
	if err != nil {
		c.t.Error(err)
		return
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	if err := c.client.Produce(ctx, kafka.Message{Topic: c.namespace + ".findings", Partition: 0, Key: f.Key(), Value: value}); err != nil {
		c.t.Errorf("the load cannot be written: %v", err)
	}
}

// failover kills the process that sends for good, and returns how long it takes until the other one tells of an alert.
func (c *alerters) failover() time.Duration {
	c.t.Helper()
	killed := make(chan int, 1)
	c.hook.arm(afterAnswer, func(process int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.now[process].Kill()
		killed <- process
	})
	c.produce(c.finding("bait", finding.Firing))
	var gone int
	select {
	case gone = <-killed:
	case <-time.After(30 * time.Second):
		c.t.Fatal("nobody has sent anything for 30 s")
	}
	at := time.Now()
	c.produce(c.finding("last", finding.Firing))
	harness.Eventually(c.t, time.Minute, "the standby tells of an alert", func() bool { return c.hook.told("last") })
	took := time.Since(at)
	c.produce(c.finding("last", finding.Resolved))
	c.start(gone)
	return took
}
