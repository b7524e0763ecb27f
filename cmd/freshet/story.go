package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/cmd/freshet/pipeline"
	"github.com/freshet-dev/freshet/cmd/freshet/shop"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/label"
)

// story tells on the terminal what happens in the demo, and keeps count for its verdict.
type story struct {
	out       io.Writer
	color     bool
	receivers []string // none: messages are printed
	shop      *shop.Shop

	mu       sync.Mutex
	start    time.Time
	seen     map[string]bool // findings told, by id
	firing   map[string]bool // alerts that somebody was notified of, by fingerprint; false when told that they are over
	fastest  time.Duration   // from the first error record to the first notification, 0 before it
	progress chan struct{}   // gets a token when somebody was notified
}

func newStory(out io.Writer, receivers []string) *story {
	return &story{
		out: out, color: isTerminal(out), receivers: receivers, start: time.Now(),
		seen: map[string]bool{}, firing: map[string]bool{}, progress: make(chan struct{}, 1),
	}
}

// begin introduces the actors.
func (s *story) begin(p *pipeline.Pipeline, set *rules.Set, rulesName string, shopping *shop.Shop) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start, s.shop = time.Now(), shopping
	names := make([]string, len(set.Rules))
	for i, r := range set.Rules {
		names[i] = r.Name
	}
	receivers := "none given, so messages are printed here (--slack-webhook, --slack-token, --webhook)"
	if len(s.receivers) > 0 {
		receivers = strings.Join(s.receivers, ", ")
	}
	fmt.Fprintf(s.out, `freshet demo: a small shop, its telemetry through Kafka, and a bad deploy

  page       %s
  kafka      %s (embedded, its data in a temporary folder)
  shop       %s; each sends OTLP to an agent of its own
  rules      %s (%s)
  receivers  %s

`, s.paint(bold, p.URL()), strings.Join(p.Brokers(), ","), strings.Join(shop.Services(), ", "),
		strings.Join(names, ", "), rulesName, receivers)
}

// course takes the shop through its incident. With once it ends when the incident is over or the limit has passed.
func (s *story) course(ctx context.Context, once bool) error {
	s.say("", "all is well", fmt.Sprintf("in %.0f s a bad deploy comes", demoCalm.Seconds()))
	if !pause(ctx, demoCalm) {
		return nil
	}
	s.shop.Deploy(badVersion)
	s.say(red, "incident", "payment "+badVersion+" is deployed, and it is bad")
	if !pause(ctx, demoIncident) {
		return nil
	}
	s.shop.Rollback()
	s.say("", "rollback", "payment is back at the version before")
	limit := time.NewTimer(demoLimit)
	defer limit.Stop()
	told := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-limit.C:
			if once {
				return nil
			}
		case <-s.progress:
		}
		if !told && s.over() {
			told = true
			if once {
				return nil
			}
			s.say(green, "over", "the incident is over; the shop goes on until Ctrl-C, and the page shows it")
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// found tells a finding the first time that its id comes.
func (s *story) found(f *finding.Finding) {
	s.mu.Lock()
	known := s.seen[f.ID]
	s.seen[f.ID] = true
	s.mu.Unlock()
	if known || f.State == finding.Pending {
		return
	}
	value, threshold := alert.FormatMeasure(f.Value, f.Threshold, f.Unit)
	text := fmt.Sprintf("%s is %s for %s", f.Rule, f.State, groupOf(f.Labels.Map()))
	if value != "" && threshold != "" {
		text += fmt.Sprintf(": %s (threshold %s)", value, threshold)
	}
	color := yellow
	if f.State == finding.Resolved {
		color = green
	}
	s.say(color, "finding", text)
}

func groupOf(labels map[string]string) string {
	if service := labels["service_name"]; service != "" {
		if route := labels["http_route"]; route != "" {
			return service + " " + route
		}
		return service
	}
	return label.FromMap(labels).Without(label.AlertName, "severity").String()
}

// notified tells what came of an attempt to notify.
func (s *story) notified(n *alert.Notification, err error) {
	to := n.Integration.Kind
	if err != nil {
		s.say(red, "not sent", fmt.Sprintf("to %s: %v; it is tried again", to, err))
		return
	}
	s.mu.Lock()
	for _, a := range n.Data.Alerts {
		s.firing[a.Fingerprint] = a.Status == string(finding.Firing)
	}
	since := ""
	if first := s.shop.FirstError(); s.fastest == 0 && n.Data.Status == string(finding.Firing) && !first.IsZero() {
		s.fastest = time.Since(first)
		since = fmt.Sprintf(", %d ms after the first error", s.fastest.Milliseconds())
	}
	s.mu.Unlock()
	color := red
	if n.Data.Status == string(finding.Resolved) {
		color = green
	}
	told := *n
	told.Data = n.Data.Only(news(n.Data.Alerts))
	var about []string
	for _, a := range told.Data.Alerts {
		about = append(about, fmt.Sprintf("%s %s for %s", a.Name(), a.Status, groupOf(a.Labels)))
	}
	s.say(color, "notified", to+": "+strings.Join(about, ", ")+since)
	if len(s.receivers) == 0 {
		s.quote(told.Text())
	}
	select {
	case s.progress <- struct{}{}:
	default:
	}
}

// news leaves out the alerts of a message that were told before and have not changed.
func news(alerts alert.Alerts) alert.Alerts {
	out := slices.DeleteFunc(slices.Clone(alerts), func(a alert.Alert) bool { return !a.New })
	if len(out) == 0 {
		return alerts // a reminder
	}
	return out
}

// over says whether somebody was notified and every alert told of has been told to be over.
func (s *story) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, firing := range s.firing {
		if firing {
			return false
		}
	}
	return s.fastest > 0
}

// verdict is the end of `demo --once`.
func (s *story) verdict() error {
	over := s.over()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.fastest == 0:
		return fmt.Errorf("the incident was not detected within %s of its end", demoLimit)
	case !over:
		return fmt.Errorf("the incident was detected, but is not resolved %s after its end", demoLimit)
	}
	fmt.Fprintf(s.out, "\n%s detected, notified and resolved; the first notification came %d ms after the first error record\n",
		plural(len(s.firing), "alert"), s.fastest.Milliseconds())
	return nil
}

// The colours of a terminal.
const (
	bold   = "\x1b[1m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	faint  = "\x1b[2m"
	reset  = "\x1b[0m"
)

func (s *story) paint(color, text string) string {
	if !s.color || color == "" {
		return text
	}
	return color + text + reset
}

// say writes a line with the seconds since the begin, a word and what happened.
func (s *story) say(color, word, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, "%s  %s  %s\n", s.paint(faint, fmt.Sprintf("%6.1f s", time.Since(s.start).Seconds())),
		s.paint(color, fmt.Sprintf("%-11s", word)), alert.Printable(text))
}

// quote writes a message, indented.
func (s *story) quote(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for line := range strings.Lines(text) {
		fmt.Fprintf(s.out, "%s%s\n", strings.Repeat(" ", 23)+s.paint(faint, "│ "), strings.TrimRight(line, "\n"))
	}
}
