package detect

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/explain"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/detect/pane"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
)

// oracleExplainer explains findings of one rule from all of its records: for each finding a memory is made anew and given,
// step after step, every record of the finding's partition at once. That samples and memories hold the records that they
// should is tested where they are.
type oracleExplainer struct {
	rule    *rules.Rule
	parts   int32
	plan    explain.Plan
	samples map[explainedStep]*[2]explain.Sample
	keys    map[string]string // of groups, by the oracle's
}

type explainedStep struct {
	partition int32
	step      int64
}

func (x *run) explainer(r *rules.Rule) *oracleExplainer {
	o := &oracleExplainer{
		rule: r, parts: x.paneParts, plan: explain.NewPlan(len(x.set.Rules), choosy(r)),
		samples: map[explainedStep]*[2]explain.Sample{}, keys: map[string]string{},
	}
	for i := range x.logs {
		o.read(&x.logs[i])
	}
	return o
}

func (o *oracleExplainer) read(log *sourceLog) {
	width, reached := int64(o.rule.Interval), int64(math.MinInt64)
	hasher := explain.NewHasher(log.source.Topic, log.source.Partition)
	for i, m := range log.messages {
		message := hasher.Message(log.first + int64(i))
		choice := o.plan.Choose(message, len(m.records))
		for j := range m.records {
			rec := &m.records[j]
			at, ok := oracleTime(o.rule, rec, &m)
			if !ok {
				continue
			}
			late := reached != math.MinInt64 && (floorDivision(at, width)+1)*width <= reached-int64(o.rule.Lateness)
			reached = max(reached, at)
			if rec.Signal != o.rule.From || (o.rule.Where != nil && !o.rule.Where(rec)) || late {
				continue
			}
			s, counted := oracleSee(o.rule, rec)
			hash := explain.Hash(message, rec.Index)
			if counted && s.evidence {
				o.add(0, hash, floorDivision(at, width), rec, m.timestamp)
			}
			if choice.Has(rec.Index) {
				o.add(1, hash, floorDivision(at, width), rec, m.timestamp)
			}
		}
	}
}

func (o *oracleExplainer) add(which int, hash uint64, step int64, rec *ingest.Record, timestamp int64) {
	key, ok := appendKey(nil, o.rule.By, rec)
	if !ok {
		return
	}
	var texts []string
	for _, k := range o.rule.By {
		texts = append(texts, k.Value(rec).Text())
	}
	o.keys[strings.Join(texts, "\x00")] = string(key)
	at := explainedStep{o.partition(string(key)), step}
	if o.samples[at] == nil {
		o.samples[at] = &[2]explain.Sample{{Sizes: o.plan.Matching}, {Sizes: o.plan.All}}
	}
	var p explain.Profile
	p.Begin(timestamp)
	shared, own := p.Of(rec)
	if room := o.samples[at][which].Offer(hash, key); room != nil {
		*room = explain.Record{Hash: hash, Group: key, Shared: shared, Own: own}
	}
}

func (o *oracleExplainer) partition(key string) int32 {
	if o.rule.When.ComparesGroups() {
		key = "" // all groups are in one
	}
	return pane.Key{Rule: panesOf(o.rule), Group: key}.Partition(o.parts)
}

// explanation returns that of a finding about a group at a step.
func (o *oracleExplainer) explanation(group string, step int64) *finding.Explanation {
	key, known := o.keys[group]
	if !known {
		return nil // the overflow group
	}
	window := int64(o.rule.Window / o.rule.Interval)
	m := explain.NewMemory(window, o.plan)
	for at, samples := range o.samples {
		if at.partition != o.partition(key) || at.step >= step {
			continue
		}
		if err := m.Take(at.step, samples[1].Append(samples[0].Append(nil))); err != nil {
			panic(err)
		}
	}
	m.Close(step)
	e, since := m.Explain([]byte(key), step, window, func(string) bool { return false })
	if e != nil {
		e.Since = time.Unix(0, since*int64(o.rule.Interval)).UTC()
	}
	return e
}

// TestOracleOfExplanationsExplains is about the test itself: a case in which the oracle has something to say.
func TestOracleOfExplanationsExplains(t *testing.T) {
	r := errorRule()
	log := sourceLog{source: Source{Topic: "in"}}
	for i := range int64(100) {
		rec := errorAt("pay", 0)
		rec.Time, rec.Severity = at0+i*sec, 9
		version := "v1"
		if i >= 90 {
			rec.Severity, version = 17, "v2"
		}
		rec.Attributes = append(rec.Attributes, ingest.Attr{Key: "version", Value: ingest.StringValue(version)})
		log.messages = append(log.messages, message{records: []ingest.Record{rec}, timestamp: rec.Time})
	}
	x := &run{t: t, set: ruleSet(r), logs: []sourceLog{log}, paneParts: 1}
	e := x.explainer(r).explanation("pay", floorDivision(at0+100*sec, int64(r.Interval)))
	if e.String() != "version=v2: 100 % now, 0 % before" || e.Against != finding.AgainstAll {
		t.Errorf("%s against %s", e, e.Against)
	}
}
