package chaos

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/alert/slack/slacktest"
	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
	"github.com/freshet-dev/freshet/detect/finding"
	embedded "github.com/freshet-dev/freshet/ingest/kafka/broker"
	"github.com/freshet-dev/freshet/rules/label"
)

const (
	// shortStorm is how many findings a storm has in CI, perAlert how many of them are about one alert, and stormLasts how
	// long they take.
	shortStorm = 5_000
	perAlert   = 10
	stormLasts = 10 * time.Second
	// stormMemory is the most that the alerter may take.
	stormMemory = 512 << 20
)

// TestStorm has thousands of alerts, each a group of its own, fire, change and end within seconds. Everybody is told of
// every beginning and end, Slack by no more than a message a second.
func TestStorm(t *testing.T) {
	t.Parallel()
	findings := shortStorm
	if text := os.Getenv("STORM"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < shortStorm {
			t.Fatalf("STORM: expected a number of findings of at least %d, found %q", shortStorm, text)
		}
		findings = n
	}
	alerts := findings / perAlert
	b, err := embedded.Start(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	hook, slack := newHook(t), slacktest.New(t)
	slack.RateLimit(time.Second)
	p := harness.Start(t, fmt.Sprintf(`
kafka: {brokers: [%q], namespace: storm, instance: storm}
http: {listen: "127.0.0.1:0"}
alert:
  route: {receiver: ops, group_by: ["..."], group_wait: 0s, group_interval: 1s}
  receivers:
    - name: ops
      webhook_configs: [{url: "%s/0"}]
      slack_configs: [{token: %s, channel: %s, app_url: %q}]
`, b.Addr(), hook.URL, slacktest.Token, slacktest.Channel, slack.API()), "run", "--target", "alert").Running()
	d := harness.NewDetector(t, newClient(t, []string{b.Addr()}), "storm")

	start := time.Now()
	lag := storm(t, d, alerts)
	written := time.Since(start)
	var told stormTold
	harness.Eventually(t, 4*time.Minute, "everybody knows of every alert", func() bool {
		if hook.ends() < alerts {
			return false
		}
		told = toldInStorm(slack)
		return len(told.begins) >= alerts && len(told.ends) >= alerts
	})
	took, memory, m := time.Since(start), harness.PeakMemory(p.PID()), p.Metrics(t.Context())
	p.Stop()
	writes := slack.Writes(slacktest.Channel)
	t.Logf("%d findings of %d alerts in %s (at most %s late), all told after %s: %d requests to the webhook, %d writes to Slack, %d digests, %d failed attempts, %d MiB, %.1f s of CPU",
		findings, alerts, written.Round(time.Millisecond), lag.Round(time.Millisecond), took.Round(100*time.Millisecond), hook.requests,
		len(writes), told.digests, int(m[`freshet_alert_notifications_total{kind="slack",receiver="ops",status="failed"}`]), memory>>20, p.CPU().Seconds())
	fmt.Printf("figure: storm_%d_told %.1f s\n", findings, took.Seconds())
	fmt.Printf("figure: storm_%d_memory %d MiB\n", findings, memory>>20)
	if told.sample != "" {
		t.Logf("a digest:\n%s", told.sample)
	}
	if memory > stormMemory {
		t.Errorf("the alerter took %d MiB, expected at most %d", memory>>20, stormMemory>>20)
	}
	if n := slack.Limits(); n > 0 {
		t.Errorf("%d writes to Slack came too soon after another", n)
	}
	if told.again > 0 || hook.repeats > 0 {
		t.Errorf("%d groups are in two lists of Slack, %d requests to the webhook were repeated", told.again, hook.repeats)
	}
	if wrong := slack.Invalid(); len(wrong) > 0 {
		t.Errorf("Slack refuses as malformed: %v", wrong)
	}
	for i := range alerts {
		name := fmt.Sprintf("storm-%d", i)
		if heard := strings.Join(hook.heard[name], " "); heard != "firing resolved" && (heard != "resolved" || !hook.belated[name]) {
			t.Errorf("alert %s was told as %q", name, heard)
		}
		delete(hook.heard, name)
	}
	for name, heard := range hook.heard {
		t.Logf("told too: %q %v", name, heard)
	}
}

// storm writes the findings about each alert, round by round: that it fires, that this is settled, values, that it is over.
// It returns how late it was at most.
func storm(t *testing.T, d *harness.Detector, alerts int) (lag time.Duration) {
	const batch = 100
	start := time.Now()
	pause := stormLasts / time.Duration(perAlert*(alerts/batch))
	last := make([]*finding.Finding, alerts)
	for n := range perAlert * alerts / batch {
		due := start.Add(time.Duration(n) * pause)
		wait(t.Context(), time.Until(due))
		lag = max(lag, time.Since(due))
		var out []*finding.Finding
		for i := n * batch; i < (n+1)*batch; i++ {
			round, i := i/alerts, i%alerts
			labels := []string{label.AlertName, "Storm" + strconv.Itoa(i%7), "name", fmt.Sprintf("storm-%d", i),
				"severity", [...]string{"critical", "warning", "info"}[i%3]}
			var f *finding.Finding
			switch round {
			case 0:
				f = stormy(d.Fires(labels...))
				f.Settled, last[i] = false, f
			case 1:
				c := *last[i]
				c.Settled, f = true, &c
			case perAlert - 1:
				f = d.Ends(labels...)
			default:
				c := *last[i]
				value := 100 + float64(round)
				c.Update, c.Value, f = true, &value, &c
			}
			out = append(out, f)
		}
		d.Write(out...)
	}
	return lag
}

// stormy gives a finding what findings of a detector have.
func stormy(f *finding.Finding) *finding.Finding {
	f.Annotations = map[string]string{"summary": f.Labels.Get("name") + " has too many errors", "runbook_url": "https://runbooks.example.org/errors"}
	for n := range 3 {
		f.Samples = append(f.Samples, finding.Sample{Topic: "otlp_logs", Partition: 1, Offset: int64(n), Time: f.WindowEnd,
			Text: strings.Repeat("payment declined: upstream timeout after 30 s ", 5)})
	}
	f.Chart = &finding.Chart{Start: f.WindowStart, Step: 1, Above: true}
	for n := range 60 {
		value := float64(n)
		f.Chart.Values, f.Chart.Thresholds = append(f.Chart.Values, &value), append(f.Chart.Thresholds, f.Threshold)
	}
	return f
}

// stormTold is what people in Slack learned of a storm.
type stormTold struct {
	begins, ends map[string]bool
	digests      int
	again        int // groups that two lists name alike
	largest      int
	sample       string // the digest of the most groups
}

var (
	inStorm  = regexp.MustCompile(`storm-\d+`)
	ofGroups = regexp.MustCompile(`(\d+) groups of alerts`)
)

// toldInStorm reads the messages, replies and lists.
func toldInStorm(s *slacktest.Server) stormTold {
	told := stormTold{begins: map[string]bool{}, ends: map[string]bool{}}
	listed := map[string]bool{}
	line := func(text string, list bool) {
		name := inStorm.FindString(text)
		if name == "" {
			return
		}
		over := strings.Contains(text, "RESOLVED")
		if key := fmt.Sprint(name, over); list && listed[key] {
			told.again++
		} else if list {
			listed[key] = true
		}
		if over {
			told.ends[name] = true
		} else {
			told.begins[name] = true
		}
	}
	for _, m := range s.Messages(slacktest.Channel) {
		digest := strings.Contains(string(m.Metadata), "freshet_digest")
		if digest {
			told.digests++
			n := 0
			if found := ofGroups.FindStringSubmatch(m.Text); found != nil {
				n, _ = strconv.Atoi(found[1]) // digits
			}
			if n > told.largest {
				told.largest, told.sample = n, m.Text+"\n"+string(m.Blocks)+"\n"+string(m.Attachments)
			}
		} else {
			line(m.Text, false)
			if name := inStorm.FindString(m.Text); m.Edits > 0 {
				told.begins[name] = true
			}
		}
		for _, r := range s.Thread(slacktest.Channel, m.TS) {
			if strings.Contains(string(r.Metadata), "freshet_digest") {
				told.digests++
				continue
			}
			if !digest {
				line(r.Text, false)
				continue
			}
			for _, f := range r.Files {
				for text := range strings.Lines(string(f.Content)) {
					line(text, true)
				}
			}
			if len(r.Files) == 0 {
				for text := range strings.SplitSeq(string(r.Blocks), `\n`) {
					line(text, true)
				}
			}
		}
	}
	return told
}
