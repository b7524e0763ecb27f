package pipeline

import (
	"fmt"
	"strconv"
	"time"

	"github.com/freshet-dev/freshet/detect"
	"github.com/freshet-dev/freshet/detect/health"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/rules"
)

// rulesEvery is how often a report tells of rules, in reports.
const rulesEvery = 12

// maxFault bounds the text of a fault in a report.
const maxFault = 200

// schedule says when a report is due. All partitions of a process report together, so that few transactions have one
// more partition to write to.
type schedule struct{ slot int64 }

func (s *schedule) due(now time.Time) bool {
	slot := now.UnixNano() / int64(health.Interval)
	if slot == s.slot {
		return false
	}
	s.slot = slot
	return true
}

// reporter makes the reports on one input partition of what its accumulator has counted.
type reporter struct {
	schedule
	topic   string
	reading map[uint64]ingest.Signal // the rules that read the topic, by ID, and their signal

	told, toldRules detect.AccumulatorStats // counted by the last report, and by the last one that told of rules
	sinceRules      int
	undecodable     map[string]uint64
	fault           string
}

// newReporter returns the reporter of a partition of a topic, whose input rules on events know by a name.
func newReporter(set *rules.Set, topic, input string, signal ingest.Signal) *reporter {
	r := &reporter{topic: topic, reading: map[uint64]ingest.Signal{}}
	for _, rule := range set.Rules {
		spans := rule.From == ingest.SpanEvents && signal == ingest.Spans
		if (rule.From == signal || spans) && (rule.From != ingest.Events || rule.Topic == "" || rule.Topic == input) {
			r.reading[rule.ID] = rule.From
		}
	}
	return r
}

// failed notes a message that cannot be decoded.
func (r *reporter) failed(err error) {
	if r.undecodable == nil {
		r.undecodable = map[string]uint64{}
	}
	r.undecodable[ingest.FaultOf(err).String()]++
	r.fault = err.Error()
	if len(r.fault) > maxFault {
		r.fault = r.fault[:maxFault] + "…"
	}
}

// report returns what to say at a time.
func (r *reporter) report(partition int32, stats *detect.AccumulatorStats, now time.Time) *health.Report {
	out := &health.Report{
		Stage: health.Accumulate, Topic: r.topic, Partition: partition, Delay: -1,
		Records: map[string]uint64{}, Services: map[string]health.Counts{}, Undecodable: r.undecodable, Fault: r.fault,
	}
	if stats.Reached != 0 {
		out.Delay = max(0, now.Sub(time.Unix(0, stats.Reached)))
	}
	for signal, n := range stats.Signals {
		if n -= r.told.Signals[signal]; n > 0 {
			out.Records[signal.String()] = n
		}
	}
	count := func(counts, told map[string]uint64, add func(c *health.Counts, n uint64)) {
		for service, n := range counts {
			if n -= told[service]; n > 0 {
				c := out.Services[service]
				add(&c, n)
				out.Services[service] = c
			}
		}
	}
	count(stats.Services, r.told.Services, func(c *health.Counts, n uint64) { c.Records = n })
	count(stats.Late, r.told.Late, func(c *health.Counts, n uint64) { c.Late = n })
	count(stats.Ahead, r.told.Ahead, func(c *health.Counts, n uint64) { c.Ahead = n })
	r.undecodable, r.fault = nil, ""
	r.reportRules(out, stats)
	r.told = *stats
	return out
}

// reportRules tells of the rules when it is time, and at once when one matches something for the first time.
func (r *reporter) reportRules(out *health.Report, stats *detect.AccumulatorStats) {
	due := r.sinceRules%rulesEvery == 0
	r.sinceRules++
	for i, s := range stats.Rules {
		if len(r.told.Rules) > i && s.Matched > 0 && r.told.Rules[i].Matched == 0 {
			due = true
		}
	}
	if !due {
		return
	}
	out.Rules = make(map[string]health.RuleReport, len(stats.Rules))
	for i, s := range stats.Rules {
		var before detect.RuleStats
		if len(r.toldRules.Rules) > i {
			before = r.toldRules.Rules[i]
		}
		if from, ok := r.reading[s.ID]; ok {
			out.Rules[strconv.FormatUint(s.ID, 16)] = health.RuleReport{
				Name: s.Rule, Group: s.Group, Seen: stats.Signals[from] - r.toldRules.Signals[from],
				Selected: s.Selected - before.Selected, Matched: s.Matched - before.Matched, Unmatched: s.Unmatched - before.Unmatched,
			}
		}
	}
	r.toldRules = *stats
}

// reportMessage makes the record of a report. A later one about the same partition replaces it.
func (p *Pipeline) reportMessage(r *health.Report) (kafka.Message, error) {
	value, err := r.Encode()
	if err != nil {
		return kafka.Message{}, err
	}
	key := fmt.Sprintf("%s%s/%s/%d", reportKey, r.Stage, r.Topic, r.Partition)
	return kafka.Message{Topic: p.names.Health, Partition: 0, Key: []byte(key), Value: value}, nil
}
