package main

import (
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/freshet-dev/freshet/cmd/freshet/shop"
	"github.com/freshet-dev/freshet/detect"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/ingest/format"
	"github.com/freshet-dev/freshet/rules"
)

// detector is the pure detector of the demo's rules over one partition each of logs and spans.
type detector struct {
	t        *testing.T
	eval     *detect.Evaluator
	inputs   map[ingest.Signal]*input
	offset   int64
	findings []*finding.Finding
}

type input struct {
	acc     *detect.Accumulator
	decoder ingest.Decoder
	batch   ingest.Batch
	offset  int64
}

func newDetector(t *testing.T, set *rules.Set) *detector {
	t.Helper()
	d := &detector{t: t, inputs: map[ingest.Signal]*input{}}
	topics := detect.Topics{ingest.Logs: {"otlp_logs"}, ingest.Spans: {"otlp_spans"}, ingest.Metrics: {"otlp_metrics"}}
	var err error
	if d.eval, err = detect.NewEvaluator(detect.EvaluatorOptions{Rules: set, Topics: topics}); err != nil {
		t.Fatal(err)
	}
	for _, signal := range []ingest.Signal{ingest.Logs, ingest.Spans} {
		in := new(input)
		in.acc, err = detect.NewAccumulator(detect.AccumulatorOptions{
			Rules: set, Source: detect.Source{Topic: topics[signal][0]}, Partitions: 1, ClockTolerance: int64(time.Minute),
		})
		if err != nil {
			t.Fatal(err)
		}
		if in.decoder, err = format.New(signal, "auto", format.Limits{}); err != nil {
			t.Fatal(err)
		}
		d.inputs[signal] = in
	}
	return d
}

func (d *detector) message(signal ingest.Signal, value []byte, err error, at time.Time) {
	d.t.Helper()
	in := d.inputs[signal]
	if err == nil {
		err = in.decoder.Decode(value, &in.batch)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	in.acc.Add(&in.batch, ingest.Origin{Topic: "otlp_" + signal.String(), Offset: in.offset, Timestamp: at.UnixNano()})
	in.offset++
}

func (d *detector) flush() {
	d.t.Helper()
	for _, signal := range []ingest.Signal{ingest.Logs, ingest.Spans} {
		for _, s := range d.inputs[signal].acc.Take() {
			res, err := d.eval.Apply(d.offset, s.Value)
			if err != nil {
				d.t.Fatal(err)
			}
			d.findings = append(d.findings, res.Findings...)
			d.offset++
		}
	}
}

// TestDemoNamesTheBadVersion takes the demo's shop through its incident: the alerts about payment say which version it is.
func TestDemoNamesTheBadVersion(t *testing.T) {
	for seed := range uint64(10) {
		set, _, err := demoOptions{}.loadRules(t.Output())
		if err != nil {
			t.Fatal(err)
		}
		d := newDetector(t, set)
		s := shop.New(shop.Options{Seed: seed})
		begin := time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC)
		const step = 100 * time.Millisecond
		for at := begin; at.Before(begin.Add(demoCalm + demoIncident)); at = at.Add(step) {
			if at.Equal(begin.Add(demoCalm)) {
				s.Deploy(badVersion)
			}
			sent := s.Step(at, at.Add(step))
			for _, name := range shop.Services() {
				if ld, ok := sent.Logs[name]; ok {
					value, err := new(plog.ProtoMarshaler).MarshalLogs(ld)
					d.message(ingest.Logs, value, err, at.Add(step))
				}
				if td, ok := sent.Traces[name]; ok {
					value, err := new(ptrace.ProtoMarshaler).MarshalTraces(td)
					d.message(ingest.Spans, value, err, at.Add(step))
				}
			}
			d.flush()
		}
		told := map[string]bool{}
		for _, f := range d.findings {
			if f.State != finding.Firing || f.Labels.Get("service_name") != shop.Payment {
				continue
			}
			told[f.Rule] = true
			if f.Explanation == nil {
				t.Errorf("seed %d: %s, settled %v, is not explained", seed, f.Rule, f.Settled)
				continue
			}
			// What errors are like may come first.
			shown := f.Explanation.Traits[:min(2, len(f.Explanation.Traits))]
			if !slices.ContainsFunc(shown, func(tr finding.Trait) bool {
				return tr.Name() == "service.version="+badVersion && tr.Now >= 0.8 && tr.Before <= 0.2
			}) {
				t.Errorf("seed %d: %s is explained by %s", seed, f.Rule, f.Explanation)
			}
		}
		if !told["ErrorSpike"] || !told["PaymentErrorRatio"] {
			t.Errorf("seed %d: only %v fired for payment", seed, told)
		}
	}
}
