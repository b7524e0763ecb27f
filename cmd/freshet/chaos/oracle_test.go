package chaos

import (
	"fmt"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
)

// rules are what both runs judge. Those of the oracle come first; the others are compared between the runs. The last
// looks back so long that a detector without a committed offset begins with the first record of the load.
const rules = `
groups:
  - name: oracle
    interval: 1s
    window: 10s
    lateness: %[1]s
    rules:
      - alert: ErrorSpike
        from: logs
        by: [service.name]
        when: count(severity >= ERROR) > 100
      - alert: Errors
        from: logs
        by: [service.name]
        when: count(severity >= ERROR) > 24
      - alert: Slow
        from: logs
        by: [service.name]
        when: avg(app.latency) > 120
        for: 2s
        keep_firing_for: 3s
      - alert: Work
        from: logs
        by: [service.name]
        when: sum(app.latency) > 60000
        keep_firing_for: 2s
  - name: sameness
    interval: 1s
    window: 10s
    lateness: %[1]s
    rules:
      - alert: Tail
        from: logs
        by: [service.name]
        when: p95(app.latency) > 200
      - alert: Users
        from: logs
        by: [service.name]
        when: distinct(user.id) > 320
      - alert: Few
        from: logs
        by: [service.name]
        window: 5s
        when: count() < 20
      - alert: Silent
        from: logs
        by: [service.name]
        window: 5s
        when: absent()
      - alert: Jump
        from: logs
        by: [service.name]
        when: count(severity >= ERROR) > 3 * count(severity >= ERROR).previous()
      - alert: Unusual
        from: logs
        by: [service.name]
        when: count(severity >= ERROR).zscore("1m") > 5
      - alert: Fatal
        from: logs
        by: [service.name]
        window: 3h
        interval: 5s
        when: count(severity >= FATAL) > 0
`

// judged is what the oracle knows of a rule.
type judged struct {
	alert     string
	measure   func([]entry) (value float64, missing bool)
	threshold float64
	pending   int // steps that the condition must hold
	keep      int // steps that it must not
}

const steps = 10 // of the oracle's windows

func countErrors(in []entry) (float64, bool) {
	n := 0
	for _, e := range in {
		if e.level >= plog.SeverityNumberError {
			n++
		}
	}
	return float64(n), false
}

func sumLatency(in []entry) (float64, bool) {
	sum := int64(0)
	for _, e := range in {
		sum += e.latency
	}
	return float64(sum), false
}

func averageLatency(in []entry) (float64, bool) {
	sum, _ := sumLatency(in)
	return sum / float64(len(in)), len(in) == 0
}

// oracle foretells the settled findings of its rules as simply as can be: all records in memory, every window counted
// anew.
func oracle(l load) []string {
	step := func(at time.Time) int64 { return at.Unix() }
	panes := map[string]map[int64][]entry{}
	for tick := range l.ticks() {
		for p := range l.partitions {
			for _, e := range l.entries(tick, p) {
				if panes[e.service] == nil {
					panes[e.service] = map[int64][]entry{}
				}
				panes[e.service][step(e.at)] = append(panes[e.service][step(e.at)], e)
			}
		}
	}
	var out []string
	for service, seconds := range panes {
		for _, r := range []judged{
			{alert: "ErrorSpike", measure: countErrors, threshold: 100},
			{alert: "Errors", measure: countErrors, threshold: 24},
			{alert: "Slow", measure: averageLatency, threshold: 120, pending: 2, keep: 3},
			{alert: "Work", measure: sumLatency, threshold: 60000, keep: 2},
		} {
			out = append(out, r.run(service, seconds, step(l.from), step(l.to().Add(margin)))...)
		}
	}
	return out
}

// run judges every step up to the last.
func (r judged) run(service string, seconds map[int64][]entry, first, last int64) []string {
	var out []string
	state, since, cleared := "", int64(0), int64(0)
	for end := first + 1; end <= last; end++ {
		var window []entry
		for s := end - steps; s < end; s++ {
			window = append(window, seconds[s]...)
		}
		value, missing := r.measure(window)
		if missing {
			continue
		}
		become := func(next, said string) {
			state, since, cleared = next, end, 0
			out = append(out, line(r.alert, service, said, time.Unix(end, 0), value))
		}
		holds := value > r.threshold
		switch {
		case state == "" && holds && r.pending > 0:
			become("pending", "pending")
		case state == "" && holds:
			become("firing", "firing")
		case state == "pending" && !holds:
			become("", "resolved")
		case state == "pending" && end-since >= int64(r.pending):
			become("firing", "firing")
		case state == "firing" && holds:
			cleared = 0
		case state == "firing":
			if cleared == 0 {
				cleared = end
			}
			if end-cleared >= int64(r.keep) {
				become("", "resolved")
			}
		}
	}
	return out
}

func line(alert, service, state string, end time.Time, value float64) string {
	return fmt.Sprintf("%s of %s %s at %s: %v", alert, service, state, end.UTC().Format(time.TimeOnly), value)
}
