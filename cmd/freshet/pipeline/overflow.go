package pipeline

import (
	"log/slog"

	"github.com/freshet-dev/freshet/detect"
	"github.com/freshet-dev/freshet/detect/finding"
)

// countOverflows adds what came for groups beyond max_groups since the last report to the metrics.
func (t *evaluate) countOverflows(overflows []detect.RuleOverflow) {
	panes := map[string]uint64{} // by name: rules of several groups may share one
	for _, o := range overflows {
		panes[o.Rule] += o.Panes
	}
	for rule, n := range panes {
		t.p.metrics.overflows.WithLabelValues(rule).Add(float64(n - t.overflows[rule]))
	}
	t.overflows = panes
}

// sayOverflow tells the log what is found about a rule with too many groups, once when it begins and once when it ends.
func (t *evaluate) sayOverflow(f *finding.Finding) {
	if f.Rule != detect.TooManyGroups {
		return
	}
	where := []any{slog.String("rule", f.Labels.Get("rule")), slog.Int("partition", int(t.partition))}
	if f.State == finding.Resolved {
		t.p.log.Info("the rule's groups fit into its max_groups again", where...)
		return
	}
	t.p.log.Warn("a rule has more groups than its max_groups allows: the rest counts as one", append(where, slog.Float64("share", *f.Threshold))...)
}
