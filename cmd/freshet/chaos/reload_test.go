package chaos

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

const (
	// reloading is how long rules change for, each time of two detectors one after the other: so far apart that windows of
	// rules that change are due in between.
	reloading = 34 * time.Second
	between   = 8 * time.Second
	apart     = 6 * time.Second
)

// changing are the rules that change, in versions; those of the oracle and the others stay as they are. Always fires
// while it is there, in two versions of four. Quiet changes its limit with every second version, and fires while a
// service is silent, or if the records of one detector are missing. Of Texts only the texts change.
func changing(version int) string {
	added := ""
	if version%4 < 2 {
		added = "\n      - {alert: Always, from: logs, by: [service.name], window: 5s, when: count() > 0}"
	}
	return fmt.Sprintf(`
  - name: changing
    interval: 1s
    window: 10s
    lateness: 4s
    rules:
      - {alert: Quiet, from: logs, by: [service.name], window: 2s, when: count() < %d}
      - alert: Texts
        from: logs
        by: [service.name]
        when: count(severity >= ERROR) > 40
        labels: {severity: critical}
        annotations: {summary: "version %d"}%s
`, 100+version/2, version, added)
}

// reloader changes the rules of two detectors that have a file each: the first watches it, the second is told.
type reloader struct {
	t       *testing.T
	crew    *crew
	paths   []string
	rules   string
	refused int
}

// write puts a file in place of another, as deployments do.
func (r *reloader) write(i int, text string) {
	r.t.Helper()
	harness.Write(r.t, r.paths[i]+"~", text)
	if err := os.Rename(r.paths[i]+"~", r.paths[i]); err != nil {
		r.t.Fatal(err)
	}
}

// metric waits until a detector shows a value.
func (r *reloader) metric(i int, series string, ok func(float64) bool) {
	r.t.Helper()
	last := 0.0
	harness.Eventually(r.t, 20*time.Second, fmt.Sprintf("detector %d shows another %s than %v", i, series, last), func() bool {
		last = r.crew.detectors[i].now.Metrics(r.t.Context())[series]
		return ok(last)
	})
}

// over has a detector go over to a version: the first by itself, the second by a signal or a request.
func (r *reloader) over(i, version int) {
	r.t.Helper()
	const successes = `freshet_rules_reloads_total{result="success"}`
	program := r.crew.detectors[i].now
	before := program.Metrics(r.t.Context())[successes]
	r.write(i, r.rules+changing(version))
	switch {
	case i == 0:
	case version%2 == 0:
		program.Signal(syscall.SIGHUP)
	default:
		if status, body := program.Post("/-/reload"); status != http.StatusOK {
			r.t.Errorf("/-/reload answers %d: %s", status, body)
		}
	}
	r.metric(i, successes, func(n float64) bool { return n > before })
}

// refuse gives a detector rules that cannot be; nothing may change.
func (r *reloader) refuse(i int) {
	r.t.Helper()
	program := r.crew.detectors[i].now
	r.write(i, strings.Replace(r.rules, "when: avg(app.latency)", "when: avrage(app.latency)", 1))
	if i > 0 {
		if status, body := program.Post("/-/reload"); status != http.StatusInternalServerError || !strings.Contains(body, "avrage") {
			r.t.Errorf("/-/reload answers %d to rules with a fault: %s", status, body)
		}
	}
	r.metric(i, "freshet_rules_last_reload_successful", func(v float64) bool { return v == 0 })
	if _, body := program.Get("/api/freshet/status"); !strings.Contains(body, "rules_problem") || !strings.Contains(body, "avrage") {
		r.t.Errorf("the page does not show the problem: %s", body)
	}
	r.refused++
}

// Rules change under load, on two detectors at different times: rules that stay find what they find without that, those
// that come and go find nothing false.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		name := "reload" + cluster.Name + strconv.FormatInt(time.Now().Unix(), 36)
		topic, client := name+"_logs", cluster.Client(t)
		lateness := 5 * time.Second
		r := &reloader{t: t, rules: fmt.Sprintf(rules, lateness)}
		r.crew = newCrew(t, name, topic, 2, cluster.Brokers, "")
		for i, d := range r.crew.detectors {
			r.paths = append(r.paths, filepath.Join(t.TempDir(), "rules.yaml"))
			harness.Write(t, r.paths[i], r.rules+changing(0))
			head, _, _ := strings.Cut(d.config, "rules: ")
			_, tail, _ := strings.Cut(d.config, "agent: ")
			d.config = head + fmt.Sprintf("rules: {files: [%q], watch: %t}\nagent: ", r.paths[i], i == 0) + tail
			d.start()
			d.now.Running()
		}
		l := load{
			seed: uint64(time.Now().UnixNano()), from: time.Now().Add(2 * time.Second).Truncate(time.Second), length: reloading + calm,
			tick: 200 * time.Millisecond, partitions: 4, perMessage: 40,
		}
		written := l.write(t.Context(), t, client, topic)
		version := 0
		for at := between; at < reloading; at += between {
			if !wait(t.Context(), time.Until(l.from.Add(at))) {
				return
			}
			version++
			if version%2 == 0 {
				r.refuse(version / 2 % 2)
			}
			r.over(version%2, version)
			wait(t.Context(), apart)
			r.over(1-version%2, version)
		}
		<-written.done
		until := l.to().Add(margin)
		r.crew.reached(t, until, lateness+time.Minute)
		calmly := newCrew(t, name+"calm", topic, 1, cluster.Brokers, r.rules)
		calmly.detectors[0].start()
		calmly.detectors[0].now.Running()
		calmly.reached(t, until, 2*time.Minute)
		if n := r.crew.late(t.Context()) + calmly.late(t.Context()); n > 0 {
			t.Errorf("%v records were late (up to %s): the comparison is void", n, written.longestDelay())
		}
		found := findings(t, client, name)
		r.compare(found, findings(t, client, calmly.namespace), l, until)
		r.checkChanging(found, l, version)
		if r.refused == 0 || version < 4 {
			t.Errorf("rules changed to %d versions and were refused %d times", version, r.refused)
		}
	})
}

// compare holds the rules that stayed to a run without reloads, and to the oracle.
func (r *reloader) compare(found, calmly []*finding.Finding, l load, until time.Time) {
	r.t.Helper()
	stayed := slices.DeleteFunc(slices.Clone(found), func(f *finding.Finding) bool { return f.Group == "changing" })
	d := compare(stayed, calmly, until)
	complain(r.t, "missing with reloads", d.missing)
	complain(r.t, "found twice with reloads", d.twice)
	complain(r.t, "different with reloads", d.different)
	got := lines(stayed, until)
	var unseen []string
	for _, w := range oracle(l) {
		if !got[w] {
			unseen = append(unseen, w)
		}
		delete(got, w)
	}
	complain(r.t, "foretold by the oracle and not found", unseen)
	complain(r.t, "found and not foretold by the oracle", slices.Sorted(maps.Keys(got)))
	if d.same < 100 {
		r.t.Errorf("%d findings are the same: the load tests too little", d.same)
	}
}

// checkChanging checks what the rules that changed found: each number is that of all records, alerts of a rule that is
// gone resolve for that reason, and texts are those of the file.
func (r *reloader) checkChanging(found []*finding.Finding, l load, last int) {
	r.t.Helper()
	counts := map[string]map[int64]int{} // by service and second
	for tick := range l.ticks() {
		for p := range l.partitions {
			for _, e := range l.entries(tick, p) {
				if counts[e.service] == nil {
					counts[e.service] = map[int64]int{}
				}
				counts[e.service][e.at.Unix()]++
			}
		}
	}
	removed, judged, texts := 0, 0, map[string]bool{}
	for _, f := range found {
		switch {
		case f.Group != "changing" || !f.Settled:
		case f.Reason == "rule removed":
			removed++
		case f.Rule == "Texts":
			texts[f.Annotations["summary"]] = true
		case f.Rule == "Quiet":
			judged++
			n := 0
			for s := f.WindowStart.Unix(); s < f.WindowEnd.Unix(); s++ {
				n += counts[f.Labels.Get("service_name")][s]
			}
			if int(*f.Value) != n {
				r.t.Errorf("%s of %s is %s at %s with %v of %d records", f.Rule, f.Labels, f.State, f.WindowEnd, *f.Value, n)
			}
		}
	}
	if removed < services || judged == 0 || len(texts) < 2 {
		r.t.Errorf("%d alerts ended with their rule, %d findings of a rule that changed, texts %v: too little was tested", removed, judged, texts)
	}
	fmt.Fprintf(r.t.Output(), "%d versions, %d alerts ended with their rule, %d findings of a rule that changed, texts %v\n", last+1, removed, judged, texts)
}
