// Package chaos tests that the built program finds the same whatever happens to it: detectors that are killed, stopped
// and moved, brokers that crash, connections that break. That runs on real Kafka with three nodes behind proxies, which
// make chaos starts, in a short form as part of make test. So do kills of the alerter at each step of a send, and a storm
// of alerts, after which everybody must have been told. make soak runs the detector for long and watches its memory.
package chaos

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

const (
	// margin is how long after a load's end findings are compared.
	margin = 5 * time.Second
	// shortChaos is how long the disturbances last in CI; gap is between two of a long run.
	shortChaos = 32 * time.Second
	gap        = 10 * time.Second
)

// setting returns the value of a variable that makes a run longer, or what it is for CI.
func setting(t testing.TB, name string, short time.Duration) (value time.Duration, long bool) {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return short, false
	}
	value, err := time.ParseDuration(text)
	if err != nil || value < short {
		t.Fatalf("%s: expected a duration of at least %s, e.g. 30m, found %q", name, short, text)
	}
	return value, true
}

// chaos is a run under disturbances.
type chaos struct {
	t       *testing.T
	kafka   *cluster
	crew    *crew
	visitor *detector
	topics  []string // whose leaders are moved

	mu   sync.Mutex
	done map[string]int // disturbances by kind
	at   map[string]int // under way
}

// The findings of a stream under disturbances are those of the same stream without, and those that an oracle foretells.
func TestChaos(t *testing.T) {
	kafka, ok := newCluster(t)
	if !ok {
		t.Log("left out: FRESHET_TEST_PROXIES is not set")
		return
	}
	length, long := setting(t, "CHAOSTIME", shortChaos)
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("CHAOSSEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("CHAOSSEED: %v", err)
		}
	}
	t.Logf("to see it again: CHAOSSEED=%d", seed)
	// No record may be written later than this after its event time, however long a broker is away on a busy machine.
	plan, lateness := short(seed, length), 25*time.Second
	if long {
		plan, lateness = schedule(seed, length, gap), 3*time.Minute
	}

	name := "chaos" + strconv.FormatInt(time.Now().Unix(), 36)
	topic := name + "_logs"
	rules := fmt.Sprintf(rules, lateness)
	all := newCrew(t, name, topic, 3, kafka.through, rules)
	c := &chaos{
		t: t, kafka: kafka, visitor: all.detectors[2], done: map[string]int{}, at: map[string]int{},
		topics: []string{"__consumer_offsets", "__transaction_state", topic, name + ".panes", name + ".state", name + ".findings"},
	}
	all.detectors, c.crew = all.detectors[:2], all
	for _, d := range c.crew.detectors {
		d.start()
		d.now.Running()
	}
	l := load{
		seed: seed, from: time.Now().Add(2 * time.Second).Truncate(time.Second), length: length + calm,
		tick: 200 * time.Millisecond, partitions: 4, perMessage: 40,
	}
	written := l.write(t.Context(), t, kafka.client, topic)
	c.disturb(plan, l, written)
	<-written.done
	if delay := written.longestDelay(); delay > lateness {
		t.Errorf("the load was written up to %s late, which rules with a lateness of %s need not forgive: the brokers were away for too long", delay, lateness)
	}
	calmly := newCrew(t, name+"calm", topic, 1, kafka.brokers, rules)
	calmly.detectors[0].start()
	for _, d := range slices.Concat(c.crew.detectors, calmly.detectors) {
		d.now.Running()
	}
	until := l.to().Add(margin)
	c.crew.reached(t, until, lateness+3*time.Minute)
	caughtUp := time.Since(until.Add(lateness))
	calmly.reached(t, until, 3*time.Minute+length/2)
	if n := calmly.late(t.Context()); n > 0 {
		t.Errorf("%v records were late: the comparison is void", n)
	}
	undisturbed := findings(t, kafka.client, calmly.namespace)
	disturbed := findings(t, kafka.client, name)
	d := compare(disturbed, undisturbed, until)
	c.report(d, written, caughtUp)
	complain(t, "missing under disturbances", d.missing)
	complain(t, "found twice under disturbances", d.twice)
	complain(t, "different under disturbances", d.different)
	got, want := lines(disturbed, until), oracle(l)
	var unseen, unforetold []string
	for _, w := range want {
		if !got[w] {
			unseen = append(unseen, w)
		}
		delete(got, w)
	}
	unforetold = slices.Sorted(maps.Keys(got))
	fmt.Fprintf(t.Output(), "figure: chaos_oracle_findings %d\n", len(want))
	complain(t, "foretold by the oracle and not found", unseen)
	complain(t, "found and not foretold by the oracle", unforetold)
	if len(want) == 0 || d.same == 0 {
		t.Error("nothing was found, so nothing was tested")
	}
	for _, kind := range []string{kill, pause, rebalance, broker, cut, halt, move} {
		if c.done[kind] == 0 {
			t.Errorf("no disturbance of the kind %s", kind)
		}
	}
}

// disturb makes the disturbances of a plan, and says now and then how far it is.
func (c *chaos) disturb(plan []disturbance, l load, written *feed) {
	var wg sync.WaitGroup
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for tick := time.NewTicker(5 * time.Second); ; {
			select {
			case <-stop:
				return
			case <-tick.C:
				fmt.Fprintf(c.t.Output(), "chaos: %s of %s, %d of %d disturbances (%s), now %s, %d records written\n",
					max(time.Since(l.from), 0).Round(time.Second), l.length, c.count(), len(plan), c.kinds(), c.underWay(), written.records.Load())
			}
		}
	}()
	for _, d := range plan {
		if !wait(c.t.Context(), time.Until(l.from.Add(d.at))) {
			break
		}
		wg.Go(func() {
			c.begin(d.kind)
			made, err := c.make(d)
			if err != nil {
				c.t.Errorf("disturbance %+v: %v", d, err)
			}
			c.end(d.kind, made)
		})
	}
	wg.Wait()
}

// make makes one disturbance and mends it. It says whether it was one: leaders can only move where others are in sync.
func (c *chaos) make(d disturbance) (made bool, err error) {
	ctx := c.t.Context()
	detector := c.crew.detectors[d.who%len(c.crew.detectors)]
	proxy := c.kafka.proxies[d.who%len(c.kafka.proxies)]
	switch d.kind {
	case kill:
		detector.kill(d.hold)
	case pause:
		detector.pause(d.hold)
	case rebalance:
		c.visitor.visit(d.hold, d.harsh)
	case broker:
		c.kafka.failing.Lock()
		defer c.kafka.failing.Unlock()
		node := d.who % len(c.kafka.brokers)
		if err := c.kafka.node("kill", node); err != nil {
			return false, err
		}
		wait(ctx, d.hold)
		return true, c.kafka.restart(node)
	case cut:
		proxy.cut()
		if d.harsh {
			for _, p := range c.kafka.proxies {
				p.cut()
			}
		}
	case halt:
		proxy.halt()
		wait(ctx, d.hold)
		if d.harsh {
			proxy.cut()
		}
		proxy.resume()
	case move:
		c.kafka.failing.Lock()
		defer c.kafka.failing.Unlock()
		moved, err := c.kafka.moveLeaders(c.topics[d.who%len(c.topics)])
		return moved > 0, err
	}
	return true, nil
}

func (c *chaos) begin(kind string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at[kind]++
}

func (c *chaos) end(kind string, made bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at[kind]--
	if made {
		c.done[kind]++
	}
}

func (c *chaos) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, k := range c.done {
		n += k
	}
	return n
}

func (c *chaos) kinds() string { return c.list(c.done) }

func (c *chaos) underWay() string { return c.list(c.at) }

func (c *chaos) list(counts map[string]int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		if counts[kind] > 0 {
			parts = append(parts, kind+" "+strconv.Itoa(counts[kind]))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func (c *chaos) report(d difference, written *feed, caughtUp time.Duration) {
	out := c.t.Output()
	for _, kind := range slices.Sorted(maps.Keys(c.done)) {
		fmt.Fprintf(out, "figure: chaos_%s %d\n", kind, c.done[kind])
	}
	fmt.Fprintf(out, "figure: chaos_disturbances %d\n", c.count())
	fmt.Fprintf(out, "figure: chaos_records %d\n", written.records.Load())
	fmt.Fprintf(out, "figure: chaos_write_delay_max %.1f s\n", written.longestDelay().Seconds())
	fmt.Fprintf(out, "figure: chaos_caught_up_after %.1f s\n", caughtUp.Seconds())
	fmt.Fprintf(out, "figure: chaos_same %d\n", d.same)
	fmt.Fprintf(out, "figure: chaos_missing %d\n", len(d.missing))
	fmt.Fprintf(out, "figure: chaos_twice %d\n", len(d.twice))
	fmt.Fprintf(out, "figure: chaos_different %d\n", len(d.different))
}

// complain fails the test with the first few of what is wrong.
func complain(t *testing.T, what string, wrong []string) {
	t.Helper()
	if len(wrong) == 0 {
		return
	}
	slices.Sort(wrong)
	t.Errorf("%d %s, among them:\n  %s", len(wrong), what, strings.Join(wrong[:min(len(wrong), 20)], "\n  "))
}
