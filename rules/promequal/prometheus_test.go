//go:build !race

package promequal

import (
	"context"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	promrules "github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/teststorage"
)

// prometheus is Prometheus's storage and engine.
type prometheus struct {
	parser parser.Parser
	query  promrules.QueryFunc
}

// newPrometheus returns one that has the series.
func newPrometheus(t *testing.T, world []series) *prometheus {
	t.Helper()
	db := teststorage.New(t)
	for i := range world {
		app := db.Appender(t.Context())
		if err := store(app, &world[i]); err != nil {
			t.Fatalf("storing %s %v: %v", world[i].name, world[i].labels, err)
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	p := parser.NewParser(parser.Options{EnableExperimentalFunctions: true})
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 10_000_000, Timeout: time.Minute, LookbackDelta: lookback, EnableAtModifier: true, EnableNegativeOffset: true, Parser: p,
	})
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return &prometheus{parser: p, query: promrules.EngineQueryFunc(engine, db)}
}

// store appends a series, a classic histogram as the several that it is.
func store(app storage.Appender, s *series) error {
	own := labels.NewBuilder(labels.EmptyLabels())
	for k, v := range s.labels {
		own.Set(labelName(k), v)
	}
	named := func(suffix string) labels.Labels { return own.Set(model.MetricNameLabel, s.promName()+suffix).Labels() }
	add := func(l labels.Labels, at *sample, x float64) error {
		if at.stale {
			x = math.Float64frombits(value.StaleNaN)
		}
		_, err := app.Append(0, l, at.at, x)
		return err
	}
	for i := range s.samples {
		at := &s.samples[i]
		switch s.kind {
		case gauge, counter:
			if err := add(named(""), at, at.value); err != nil {
				return err
			}
		case native:
			if _, err := app.AppendHistogram(0, named(""), at.at, nil, nativeOf(at)); err != nil {
				return err
			}
		case classic:
			sum := uint64(0)
			for j, n := range at.buckets {
				sum += n
				le := "+Inf"
				if j < len(bounds) {
					le = strconv.FormatFloat(bounds[j], 'g', -1, 64)
				}
				own.Set("le", le)
				if err := add(named("_bucket"), at, float64(sum)); err != nil {
					return err
				}
			}
			own.Del("le")
			if err := add(named("_count"), at, float64(sum)); err != nil {
				return err
			}
			if err := add(named("_sum"), at, at.value); err != nil {
				return err
			}
		}
	}
	return nil
}

func nativeOf(at *sample) *histogram.FloatHistogram {
	h := &histogram.FloatHistogram{Schema: scale, ZeroThreshold: 1e-6, Count: float64(total(at.buckets)), Sum: at.value}
	h.PositiveSpans = []histogram.Span{{Offset: firstIndex + 1, Length: uint32(len(at.buckets))}}
	for _, n := range at.buckets {
		h.PositiveBuckets = append(h.PositiveBuckets, float64(n))
	}
	return h
}

// run evaluates the rule of a pair at each of its steps after begin up to end, and returns what its alerts did.
func (p *prometheus) run(t *testing.T, in *pair, begin, end time.Time) timelines {
	t.Helper()
	expr, err := p.parser.ParseExpr(in.promql)
	if err != nil {
		t.Fatalf("%s: %v", in.name, err)
	}
	none := labels.EmptyLabels()
	rule := promrules.NewAlertingRule(in.name, expr, in.hold, in.keep, none, none, none, "", true, promslog.NewNopLogger())
	lines := timelines{}
	step := 1
	for at := begin.Add(in.interval()); !at.After(end); at = at.Add(in.interval()) {
		if _, err := rule.Eval(context.WithoutCancel(t.Context()), 0, at, p.query, nil, 0); err != nil {
			t.Fatalf("%s at %s: %v", in.name, at, err)
		}
		for _, a := range rule.ActiveAlerts() {
			mark := byte('p')
			if a.State == promrules.StateFiring {
				mark = 'F'
			}
			lines.set(labelsOf(a.Labels.Map()), step, mark)
		}
		step++
	}
	lines.extend(step)
	return lines
}
