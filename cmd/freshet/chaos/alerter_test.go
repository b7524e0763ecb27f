package chaos

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/alert/slack/slacktest"
	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
	embedded "github.com/freshet-dev/freshet/ingest/kafka/broker"
)

const (
	// shortKills is how often the active alerter is disturbed in CI: in half of all ways, which are drawn.
	shortKills = int(leaderless) * moments / 2
	// takeover is how long a standby may take until it sends, from the kill on, where the machine does nothing else.
	takeover = 10 * time.Second
	// patience is how long a receiver has for an answer.
	patience = 3 * time.Second
	// inFlight is how many requests to one webhook may be under way at a kill: one, but for what waits on a busy machine.
	inFlight = 8
)

// TestAlerterChaos kills or stops the active alerter at every step of a send to a webhook and to Slack, while alerts fire and
// resolve. It is started again at once, or goes on only when the one that stood by has taken over. Receivers fail now and then. What they got is compared with what the alerts did: nothing is lost, and nothing is told
// twice but what was in flight.
func TestAlerterChaos(t *testing.T) {
	t.Parallel()
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
	kills, long := shortKills, false
	if text := os.Getenv("ALERTKILLS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < shortKills {
			t.Fatalf("ALERTKILLS: expected a number of at least %d, found %q", shortKills, text)
		}
		kills, long = n, true
	}
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("CHAOSSEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("CHAOSSEED: expected a number, found %q", text)
		}
		seed = n
	}
	t.Logf("CHAOSSEED=%d draws the same kills", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	c := newAlerters(t, brokers)
	c.kafka = &cluster{t: t, brokers: brokers}
	c.hook.begin(seed, 3)
	c.gate.begin(seed, 4)
	stop, ended := make(chan struct{}), make(chan struct{})
	var all groups
	go func() {
		defer close(ended)
		all = c.load(rand.New(rand.NewPCG(seed, 2)), stop)
	}()
	t.Cleanup(func() { <-ended })
	var longest time.Duration
	stops, withoutBrokers := 0, long && len(brokers) > 2
	for n, w := range waysOf(r, kills, withoutBrokers) {
		// Slack takes two writes a second apart for a digest and its list, longer when one comes too soon after a kill.
		wait(t.Context(), time.Duration(1000+r.IntN(2000))*time.Millisecond)
		took := c.disturb(w)
		switch w.what {
		case restarted, leaderless:
		case replaced:
			longest = max(longest, took)
		case stopped:
			stops++
		}
		t.Logf("%s: %d: %s, after %s", time.Now().Format(time.TimeOnly), n+1, w, took.Round(10*time.Millisecond))
	}
	close(stop)
	<-ended
	t.Logf("the webhook failed: %s", &c.hook.faults)
	t.Logf("Slack failed: %s", &c.gate.faults)
	c.hook.end() // which would only lengthen what is measured now
	c.gate.end()
	longest = max(longest, c.failover(all))
	t.Logf("the standby sent %s after the kill at the latest", longest.Round(10*time.Millisecond))
	// Beside other tests, or with one broker less, nothing is promised but that it goes on.
	if longest > takeover && long && !withoutBrokers {
		t.Errorf("the standby sent %s after the kill, expected at most %s", longest, takeover)
	}
	limit := time.Now().Add(3 * time.Minute)
	for c.toHear(all) > 0 || c.hear(all).missing > 0 {
		if time.Now().After(limit) {
			t.Errorf("of %d ends the webhook lacks %d; Slack lacks something of %d groups", all.alerts(), c.toHear(all), c.hear(all).missing)
			break
		}
		wait(t.Context(), 500*time.Millisecond)
	}
	// What the alerter says it has sent is known a little later.
	for limit := time.Now().Add(20 * time.Second); len(c.hear(all).wrong) > 0 && time.Now().Before(limit); {
		wait(t.Context(), 500*time.Millisecond)
	}
	for i := range c.now {
		if !c.well(i) {
			t.Errorf("process %d is not well in the end", i)
		}
	}
	if c.hook.late > stops*inFlight {
		t.Errorf("processes that were stopped sent %d times what the other one had sent, expected at most %d for each of %d stops", c.hook.late, inFlight, stops)
	}
	t.Logf("processes that were stopped wrote %d times to Slack after %d stops", c.gate.late, stops)
	// Some may have been stopped just before their write.
	if rare := max(1, stops/20); c.gate.late > rare {
		t.Errorf("processes that were stopped wrote %d times to Slack, expected at most %d that were in flight", c.gate.late, rare)
	}
	c.checkHook(all, kills+1)
	c.checkSlack(all, kills+1)
}

// toHear counts the alerts whose end the webhook is still to be told.
func (c *alerters) toHear(all groups) int {
	n := 0
	for group, alerts := range all {
		for i := range alerts {
			name := member(group, i)
			if !c.hook.ended(name) && (c.hook.tellsOf(name) || alerts == 1 || !c.sent.isPassing(name)) {
				n++
			}
		}
	}
	return n
}

// checkHook holds what the webhook was told against the alerts.
func (c *alerters) checkHook(all groups, kills int) {
	hook := c.hook
	hook.mu.Lock()
	defer hook.mu.Unlock()
	lost, doubled, untold := 0, 0, 0
	for group, alerts := range all {
		for i := range alerts {
			name := member(group, i)
			switch heard := strings.Join(hook.heard[name], " "); {
			case heard == "" && alerts > 1 && c.sent.isPassing(name):
				untold++
			case heard == "firing resolved", heard == resolved && hook.belated[name]:
			case strings.Contains(heard, "firing firing"), strings.Contains(heard, "resolved resolved"):
				doubled++
				c.t.Errorf("alert %s was told as %q", name, heard)
			default:
				lost++
				c.t.Errorf("alert %s was told as %q", name, heard)
			}
		}
	}
	c.t.Logf("webhook: %d kills, %d alerts in %d groups, %d requests: %d over too soon to be told, %d lost, %d told twice to a receiver that honours the key, %d repeated under the same key, %d not answered, %d sent late by a process that was stopped",
		kills, all.alerts(), len(all), hook.requests, untold, lost, doubled, hook.repeats, hook.unanswered, hook.late)
	if hook.different > 0 {
		c.t.Errorf("%d repeated requests said something else than the first", hook.different)
	}
	if hook.repeats > kills*inFlight+hook.unanswered {
		c.t.Errorf("%d requests were repeated, expected at most %d for each of %d kills and the %d that were not answered", hook.repeats, inFlight, kills, hook.unanswered)
	}
}

// hear holds what stands in Slack against the alerts.
func (c *alerters) hear(all groups) heard {
	return c.sent.hear(all, tellings(c.t, c.gate.slack, slacktest.Channel), c.gate.text)
}

// checkSlack says how that went.
func (c *alerters) checkSlack(all groups, kills int) {
	h := c.hear(all)
	c.t.Logf("Slack: %d kills, %d groups, %d messages and replies about one, %d digests of which %d have no list, %d writes and %d that came too soon, %d alerts told as over only, %d over too soon to be told: %d groups lack something, %d complaints, %d messages repeated",
		kills, len(all), h.messages, h.digests, h.listless, len(c.gate.slack.Writes(slacktest.Channel)), c.gate.slack.Limits(), h.belated, h.untold, h.missing, len(h.wrong), h.again)
	complain(c.t, "complaints about Slack", h.wrong)
	if h.again > kills {
		c.t.Errorf("%d messages tell what others told, expected at most one for each kill", h.again)
	}
	if h.listless > 0 {
		c.t.Errorf("%d digests have no list", h.listless)
	}
	if wrong := c.gate.slack.Invalid(); len(wrong) > 0 {
		c.t.Errorf("Slack refuses as malformed: %v", wrong)
	}
}

// alerters are two processes that share the work of one alerter.
type alerters struct {
	t         *testing.T
	namespace string
	detector  *harness.Detector
	hook      *hook
	gate      *gate
	sent      *ledger // to Slack
	kafka     *cluster
	leader    int // the broker that was killed

	mu     sync.Mutex
	config [2]string
	now    [2]*harness.Program
}

func newAlerters(t *testing.T, brokers []string) *alerters {
	t.Helper()
	client := newClient(t, brokers)
	c := &alerters{t: t, namespace: "alerter" + strconv.FormatInt(time.Now().UnixNano(), 36), hook: newHook(t), gate: newGate(t)}
	c.detector = harness.NewDetector(t, client, c.namespace)
	c.sent = follow(t, client, c.namespace, "ops/slack[0]")
	for i := range c.config {
		c.config[i] = fmt.Sprintf(`
kafka: {brokers: [%s], namespace: %s, instance: %s-%d}
http: {listen: "127.0.0.1:0"}
health: {enabled: false}
alert:
  route: {receiver: ops, group_by: [group], group_wait: 0s, group_interval: 1s}
  receivers:
    - name: ops
      webhook_configs: [{url: "%s/%d", timeout: %s}]
      slack_configs: [{token: %s, channel: %s, app_url: "%s/%d/api/", timeout: %s}]
`, strings.Join(brokers, ", "), c.namespace, c.namespace, i, c.hook.URL, i, patience,
			slacktest.Token, slacktest.Channel, c.gate.URL, i, patience)
		c.start(i)
		c.now[i].Running()
	}
	return c
}

func (c *alerters) start(i int) {
	c.now[i] = harness.Start(c.t, c.config[i], "run", "--target", "alert")
}

// well says whether a process answers that it is healthy.
func (c *alerters) well(i int) bool {
	if c.now[i].Page == "" {
		c.now[i].Running()
	}
	status, _, err := c.now[i].Ask(c.t.Context(), "/-/healthy")
	return err == nil && status == http.StatusOK
}

// failover kills the process that sends for good, and returns how long it takes until the other one tells of an alert.
func (c *alerters) failover(all groups) time.Duration {
	c.t.Helper()
	c.hook.wake(nobody)
	c.gate.wake(nobody)
	killed := make(chan int, 1)
	c.hook.arm(afterAnswer, func(process int) (lives bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.now[process].Kill()
		killed <- process
		return false
	})
	bait, last := all.add(1), all.add(1)
	c.fire(bait, 0)
	var gone int
	select {
	case gone = <-killed:
	case <-time.After(30 * time.Second):
		c.t.Fatal("nobody has sent anything for 30 s")
	}
	at := time.Now()
	c.fire(last, 0)
	harness.Eventually(c.t, time.Minute, "the standby tells of an alert", func() bool { return c.hook.tellsOf(member(last, 0)) })
	took := time.Since(at)
	c.end(last, 0)
	c.end(bait, 0)
	c.start(gone)
	return took
}
