package health

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
)

// world is a pipeline as the judge sees it: each partition reports every five seconds, and the judge ticks every second.
type world struct {
	t      *testing.T
	limits Limits
	judge  *Judge
	start  time.Time
	now    time.Time

	counts map[string]int32
	owners map[string]*owner // by topic/partition; nil: nobody reports
	// kept is what was written, told the findings that were.
	kept map[string][]byte
	told []*finding.Finding
	step time.Duration // between ticks
	// away: Kafka cannot be reached, so that nothing is reported and nothing judged.
	away bool
}

// owner reports on a partition.
type owner struct {
	delay time.Duration
	next  Report // what comes with the next report
}

var began = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func newWorld(t *testing.T, limits Limits) *world {
	t.Helper()
	w := &world{
		t: t, limits: limits, start: began, now: began, step: time.Second,
		counts: map[string]int32{}, owners: map[string]*owner{}, kept: map[string][]byte{},
	}
	w.restart()
	return w
}

// topic adds a topic whose partitions all report.
func (w *world) topic(name string, partitions int32) {
	w.counts[name] = partitions
	for p := range partitions {
		w.own(name, p)
	}
}

func (w *world) own(topic string, partition int32) *owner {
	o := &owner{}
	w.owners[fmt.Sprintf("%s/%d", topic, partition)] = o
	return o
}

func (w *world) owner(topic string, partition int32) *owner {
	return w.owners[fmt.Sprintf("%s/%d", topic, partition)]
}

// restart makes a new judge of what was written.
func (w *world) restart() {
	w.t.Helper()
	w.judge = New(w.limits)
	for key, value := range w.kept {
		if err := w.judge.Restore([]byte(key), value); err != nil {
			w.t.Fatal(err)
		}
	}
	w.judge.Topics(w.counts, w.now)
}

// run lets time pass, a step at a time; each is called before each round of reports, five seconds apart.
func (w *world) run(d time.Duration, each ...func()) {
	w.t.Helper()
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(w.step)
		if w.now.Sub(w.start)%Interval == 0 {
			for _, f := range each {
				f()
			}
			if !w.away {
				w.report()
			}
		}
		if !w.away {
			w.commit(w.judge.Tick(w.now))
		}
	}
}

func (w *world) report() {
	w.judge.Topics(w.counts, w.now)
	for _, name := range slices.Sorted(maps.Keys(w.owners)) {
		o := w.owners[name]
		topic, partition, _ := strings.Cut(name, "/")
		r := o.next
		r.Stage, r.Topic, r.Delay = cmp.Or(r.Stage, Accumulate), topic, o.delay
		if _, err := fmt.Sscan(partition, &r.Partition); err != nil {
			w.t.Fatal(err)
		}
		b, err := r.Encode()
		if err != nil {
			w.t.Fatal(err)
		}
		decoded, err := DecodeReport(b)
		if err != nil {
			w.t.Fatal(err)
		}
		w.judge.Receive(decoded, w.now)
		o.next = Report{}
	}
}

// commit keeps findings and changes, all or nothing as a transaction does.
func (w *world) commit(findings []*finding.Finding) {
	w.t.Helper()
	changes, err := w.judge.Changes(w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range changes {
		if c.Value == nil {
			delete(w.kept, string(c.Key))
		} else {
			w.kept[string(c.Key)] = c.Value
		}
	}
	w.told = append(w.told, findings...)
}

// sends has a partition report records of services, each "name" or "name late" or "name ahead".
func (w *world) sends(topic string, partition int32, n uint64, services ...string) func() {
	return func() {
		o := w.owner(topic, partition)
		if o.next.Records == nil {
			o.next.Records, o.next.Services = map[string]uint64{}, map[string]Counts{}
		}
		for _, s := range services {
			name, how, _ := strings.Cut(s, " ")
			c := o.next.Services[name]
			c.Records += n
			switch how {
			case "late":
				c.Late += n
			case "ahead":
				c.Ahead += n
			}
			o.next.Services[name] = c
			o.next.Records["logs"] += n
		}
		if len(services) == 0 {
			o.next.Records["logs"] += n
		}
	}
}

// story writes what was told since the last call in short.
func (w *world) story() string {
	var lines []string
	for _, f := range w.told {
		line := strings.TrimPrefix(f.Rule, "Freshet")
		for _, name := range []string{"topic", "service_name", "rule"} {
			if v := f.Labels.Get(name); v != "" {
				line += " " + v
			}
		}
		line += fmt.Sprintf(" %s at %s", f.State, f.WindowEnd.Sub(w.start))
		if f.Reason != "" {
			line += " (" + f.Reason + ")"
		}
		lines = append(lines, line)
	}
	w.told = nil
	return strings.Join(lines, "\n")
}

func (w *world) expect(want ...string) {
	w.t.Helper()
	if got := w.story(); got != strings.Join(want, "\n") {
		w.t.Errorf("told\n%s\nexpected\n%s", got, strings.Join(want, "\n"))
	}
}
