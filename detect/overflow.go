package detect

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/label"
)

// A rule has no more groups than its max_groups, of which each partition of freshet.panes has its share. Groups are let
// in as their first panes come in the log, and stay until nothing of them is left to look at. Panes of a group that finds
// no room are merged into one more, the overflow group, so that no record is lost and a replay of the log decides alike.
// That there is one is a finding; it ends with the overflow group.

// TooManyGroups is the name of the alert about a rule that has more groups than its max_groups.
const TooManyGroups = "FreshetTooManyGroups"

// OverflowGroup is the value of every `by` label of the group that stands for those beyond a rule's max_groups. There may
// be one for each partition of freshet.panes, which the label pane_partition tells apart.
const OverflowGroup = "__overflow__"

// LabelPartition is the label that names the partition of freshet.panes of an overflow group.
const LabelPartition = "pane_partition"

// overflowMark begins the key of an overflow group, and the partition follows. No record has such a key: it would begin
// with a text that is longer than any.
const overflowMark = "\xff"

func overflowKey(partition int32) string { return overflowMark + strconv.Itoa(int(partition)) }

// overflowPartition returns the partition of an overflow group's key; ok is false for the key of any other group.
func overflowPartition(key string) (partition string, ok bool) {
	partition, ok = strings.CutPrefix(key, overflowMark)
	return partition, ok && partition != "" && partition[0] >= '0' && partition[0] <= '9'
}

// overflow is what is to be known of a rule's overflow group, beside its panes: enough to end the finding about it,
// should the rule be gone.
type overflow struct {
	rule     uint64
	names    [2]string // of the rule and of its group
	interval int64
	share    int
	since    int64 // the step that ends its first pane
	birth    int64
}

// shareOf returns how many groups of a rule a partition of freshet.panes may hold, 0 for any number.
func shareOf(r *rules.Rule, panePartitions int32) int {
	if r.MaxGroups <= 0 || len(r.By) == 0 {
		return 0
	}
	if r.When.ComparesGroups() { // all are in one partition
		panePartitions = 1
	}
	n := int(panePartitions)
	return (r.MaxGroups + n - 1) / n
}

// full says whether the rule holds as many groups as it may, the overflow group not counted.
func (r *ruleState) full() bool {
	held := len(r.list)
	if r.overflow != nil {
		held--
	}
	return r.share > 0 && held >= r.share
}

// overflows begins the overflow group of a rule with a pane.
func (e *Evaluator) overflows(r *ruleState, g *group, index int64) {
	r.overflow = &overflow{
		rule: r.rule.ID, names: [2]string{r.rule.Name, r.rule.Group}, interval: r.plan.interval,
		share: r.share, since: index + 1, birth: g.birth,
	}
	r.dirty = true
	e.result.Findings = append(e.result.Findings, r.overflow.finding(e.opts.Partition, finding.Firing, index+1))
}

// overflowEnds ends it at a step.
func (e *Evaluator) overflowEnds(r *ruleState, step int64) {
	if r.overflow == nil {
		return
	}
	e.result.Findings = append(e.result.Findings, r.overflow.finding(e.opts.Partition, finding.Resolved, step))
	r.overflow, r.dirty = nil, true
}

// finding tells that the overflow group came to be, or that it is gone.
func (o *overflow) finding(partition int32, state finding.State, step int64) *finding.Finding {
	at := func(step int64) time.Time { return time.Unix(0, step*o.interval).UTC() }
	own := label.New(label.AlertName, TooManyGroups, "rule", o.names[0], "rule_group", o.names[1],
		LabelPartition, strconv.Itoa(int(partition)))
	limit := float64(o.share)
	f := &finding.Finding{
		Rule: TooManyGroups, Group: o.names[1], State: state, Settled: true, Birth: o.birth, Episode: 1, Transition: 1,
		Labels: own, Fingerprint: own.Fingerprint(), Threshold: &limit, Condition: "groups > max_groups",
		Annotations: map[string]string{"summary": fmt.Sprintf(
			"Rule %s has more groups than its max_groups allows (%d in this partition): the rest is judged as one group, %s.",
			o.names[0], o.share, OverflowGroup)},
		WindowStart: at(step), WindowEnd: at(step), StartsAt: at(o.since),
	}
	if state == finding.Resolved {
		f.Transition, f.EndsAt = 2, at(step)
	}
	f.ID = findingID(^o.rule, false, overflowKey(partition), f)
	return f
}

func (o *overflow) append(b []byte) []byte {
	b = binary.AppendVarint(b, o.since)
	b = binary.AppendVarint(b, o.birth)
	b = binary.AppendVarint(b, o.interval)
	b = binary.AppendUvarint(b, uint64(o.share))
	b = appendSized(b, []byte(o.names[0]))
	return appendSized(b, []byte(o.names[1]))
}

func (r *stateReader) overflow(rule uint64) *overflow {
	o := &overflow{rule: rule}
	o.since, o.birth, o.interval = r.varint("overflow"), r.varint("overflow"), r.varint("overflow")
	o.share = int(r.int32("overflow"))
	o.names[0], o.names[1] = string(r.bytes("overflow")), string(r.bytes("overflow"))
	if r.err == nil && (o.interval <= 0 || o.since > maxTime/o.interval || o.since < -maxTime/o.interval) {
		r.err = sectionFault("overflow since step %d of %d ns, which is no time", o.since, o.interval)
	}
	return o
}

// restoreOrphanRule takes the record of a rule that is gone: its overflow, where there is one, ends.
func (e *Evaluator) restoreOrphanRule(key, value []byte) error {
	if len(value) == 0 {
		e.orphan(key, nil, nil)
		return nil
	}
	in, err := openState(value, "removed rule")
	if err != nil {
		return err
	}
	p, o := in.rule(binary.BigEndian.Uint64(key[1:]), nil)
	if err := in.fault("removed rule"); err != nil {
		return err
	}
	var f *finding.Finding
	if o != nil {
		step := o.since
		if limit := maxTime / o.interval; p.started && p.step < limit {
			step = max(step, p.step)
		}
		f = o.finding(e.opts.Partition, finding.Resolved, step)
		f.Reason = reasonRemoved
	}
	e.orphan(key, value, f)
	return nil
}

// overflowLabels are the labels of the overflow group of a partition.
func overflowLabels(by []rules.Key, partition string) label.Set {
	m := map[string]string{LabelPartition: partition}
	for i := range by {
		m[by[i].Label] = OverflowGroup
	}
	return label.FromMap(m)
}

// overflowValues is the key of the overflow group as a condition sees it.
func overflowValues(values []ingest.Value) {
	for i := range values {
		values[i] = ingest.StringValue(OverflowGroup)
	}
}

// RuleOverflow is how many pane deltas a rule had for groups beyond its max_groups.
type RuleOverflow struct {
	Rule, Group string
	Panes       uint64
}
