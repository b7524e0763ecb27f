package pipeline

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/dashboards/web"
	"github.com/freshet-dev/freshet/detect"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/label"
)

const (
	// shownProblems is how many problems of rule files the page shows.
	shownProblems = 10
	// waitingAfter is how long after each other detectors may go over to other rules without being told of on the page.
	waitingAfter = 2 * time.Minute
)

// behindAfter is the watermark delay beyond which the page says that the detector is behind.
const behindAfter = 30 * time.Second

// observe feeds the measures of a step to the charts.
func (p *Pipeline) observe(l *loaded, measures []detect.Measure) {
	if p.thrift.uncharted.Load() {
		return
	}
	for i := range measures {
		m := &measures[i]
		shape := l.shapes[m.Rule]
		at := web.Point{Time: time.Unix(0, m.Time), Value: m.Subject, Threshold: m.Limit, Firing: m.Firing}
		if !math.IsNaN(m.Expected) {
			at.Band = &web.Band{Lower: m.Lower, Upper: m.Upper}
		}
		p.charts.Observe(web.Measure{
			Rule: m.Rule, Group: m.Labels.String(), Labels: m.Labels, Unit: shape.unit, Above: shape.above, Interval: shape.interval, Point: at,
		})
	}
}

// illustrate gives a finding that people are told of the chart of its measure, if one is held. What was measured up to then
// has been observed.
func (p *Pipeline) illustrate(l *loaded, f *finding.Finding) {
	shape, known := l.shapes[f.Rule]
	if !known || f.State == finding.Pending || p.thrift.uncharted.Load() {
		return
	}
	newest := web.Point{Time: f.WindowEnd, Value: math.NaN(), Threshold: math.NaN()}
	if !shape.distance && f.Value != nil { // an early finding is ahead of what was observed
		newest.Value = *f.Value
		if f.Threshold != nil {
			newest.Threshold = *f.Threshold
		}
	}
	f.Chart = p.charts.Recent(f.Rule, f.Labels.Only(shape.by...).String(), newest)
}

// shape is how a rule's measure is drawn.
type shape struct {
	above    bool
	unit     string
	interval time.Duration
	// by names the labels of a group. distance: the rule's value is how far what is drawn lies from what is expected.
	by       []string
	distance bool
}

func shapeOf(r *rules.Rule) shape {
	when := &r.When.Conditions[0]
	s := shape{above: when.Above, unit: when.Unit, interval: r.Interval, by: []string{detect.LabelPartition}}
	if x := when.Expects; x != nil && x.Subject != nil {
		s.unit, s.distance = x.Unit, true
	}
	for _, k := range r.By {
		s.by = append(s.by, k.Label)
	}
	return s
}

// pageAlerts gives the alerts of this process's alerter; a process that stands by, or runs another role, has none.
func (p *Pipeline) pageAlerts() []web.Alert {
	t := p.alerts.Load()
	if t == nil {
		return nil
	}
	views := t.views()
	out := make([]web.Alert, 0, len(views))
	for _, v := range views {
		out = append(out, pageAlert(v))
	}
	return out
}

// pageAlert gives one of them.
func (p *Pipeline) pageAlert(fp label.Fingerprint) (web.Alert, bool) {
	t := p.alerts.Load()
	if t == nil {
		return web.Alert{}, false
	}
	v, found := t.view(fp)
	return pageAlert(v), found
}

func pageAlert(v alert.View) web.Alert {
	out := web.Alert{
		Fingerprint: v.Fingerprint, Rule: v.Name, State: finding.State(v.State), Labels: v.Labels,
		Severity: v.Labels.Get("severity"), Summary: v.Annotations["summary"], Description: v.Annotations["description"],
		Runbook: v.Annotations["runbook_url"], Value: v.Value, Threshold: v.Threshold, Unit: v.Unit, Condition: v.Condition,
		StartsAt: v.Since, EndsAt: v.Until, Reason: v.Reason, Samples: v.Samples, Offsets: v.Offsets, Explanation: v.Explanation,
		Peak: v.Peak, SilencedBy: v.SilencedBy, InhibitedBy: v.InhibitedBy, MutedBy: v.MutedBy, Noise: v.Noise,
		Flapping: v.Flapping, Calm: v.Calm, Receivers: v.Receivers, Notified: v.Notified, LastError: v.LastError,
	}
	if a := v.Acknowledged; a != nil {
		out.Acknowledged = &web.Acknowledgement{By: a.By, At: a.At, Comment: a.Comment}
	}
	return out
}

// The silences that the page shows after their end.
const (
	expiredFor   = 24 * time.Hour
	shownExpired = 20
)

// pageSilences gives the silences of this process's alerter, as pageAlerts does the alerts.
func (p *Pipeline) pageSilences() []web.Silence {
	t := p.alerts.Load()
	if t == nil {
		return nil
	}
	now, expired := time.Now(), 0
	var out []web.Silence
	for _, s := range t.silences() { // those that end last come first
		if now.Sub(s.EndsAt) >= 0 {
			if expired++; expired > shownExpired || now.Sub(s.EndsAt) > expiredFor {
				continue
			}
		}
		out = append(out, web.Silence{
			ID: s.ID, State: s.State, Matchers: s.Matchers, StartsAt: s.StartsAt, EndsAt: s.EndsAt, By: s.CreatedBy, Comment: s.Comment,
			Schedule: s.Schedule, Location: s.Location, Each: s.Duration, Next: s.Next, Alerts: len(s.Alerts),
		})
	}
	return out
}

func (p *Pipeline) pageStatus() web.Status {
	s := web.Status{State: web.Healthy, Rules: len(p.loaded.Load().rules.Rules), Version: p.version, WatermarkDelay: -1}
	s.RecordsPerSecond, s.BytesPerSecond = p.rate.perSecond(time.Now())
	s.WatermarkDelay, s.Groups = p.progress.summary(time.Now())
	if trouble, since := p.reloads.rules.last(); trouble != nil {
		s.RulesProblem, s.RulesProblemSince = trouble.Details(shownProblems), since
	}
	if trouble, since := p.reloads.alerting.last(); trouble != nil {
		s.ConfigProblem, s.ConfigProblemSince = trouble.Details(shownProblems), since
	}
	if p.alerts.Load() == nil {
		s.AlertsFrom = p.elsewhere()
		switch {
		case s.AlertsFrom != "":
		case p.targets.Detect || p.targets.Alert:
			s.AlertsUnknown = p.noAlerter()
		default:
			s.AlertsUnknown = "This process is an agent and knows no alerts: look at the page of the detector or the alerter."
		}
	}
	switch err := p.ready(); {
	case errors.Is(err, errStarting):
		s.State, s.Message = web.Starting, err.Error()
	case err != nil:
		s.State, s.Message = web.Unavailable, err.Error()
	case !p.memory.State().Paused.IsZero():
		s.State = web.Behind
		s.Message = "Memory is short: the input waits in Kafka until it suffices, and nothing is resolved meanwhile."
	case s.WatermarkDelay > behindAfter:
		s.State = web.Behind
		s.Message = "The detector has not caught up with its input: nothing is resolved until it has."
	default:
		if n := p.progress.waiting(time.Now(), waitingAfter); n > 0 {
			s.Message = fmt.Sprintf("Rules that are not judged: %d. Another detector reads some of their input under other rules: "+
				"have it reload its rule files, and give all detectors the same.", n)
		}
	}
	return s
}
