package alert

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules/label"
)

// Text returns the notification as plain text for a terminal or a log: no control characters of a label or a record get
// through.
func (n *Notification) Text() string {
	const most = 20
	var b strings.Builder
	for i, a := range n.Data.Alerts {
		if i == most {
			fmt.Fprintf(&b, "\n… and %d more alerts\n", len(n.Data.Alerts)-most)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		writeText(&b, a)
	}
	return Printable(b.String())
}

func writeText(b *strings.Builder, a Alert) {
	title := strings.ToUpper(a.Status)
	if s := a.Severity(); s != "" {
		title += " " + s
	}
	fmt.Fprintf(b, "%s: %s", title, a.Name())
	if s := a.Summary(); s != "" {
		fmt.Fprintf(b, ": %s", s)
	}
	b.WriteByte('\n')
	var facts []string
	if v := a.ShownValue(); v != "" {
		if t := a.ShownThreshold(); t != "" {
			v += " (threshold " + t + ")"
		}
		facts = append(facts, v)
	}
	facts = append(facts, Span(a))
	if a.Moved != "" {
		facts = append(facts, a.Moved)
	}
	fmt.Fprintf(b, "  %s\n", strings.Join(facts, ", "))
	if a.Condition != "" {
		fmt.Fprintf(b, "  when %s\n", strings.Join(strings.Fields(a.Condition), " "))
	}
	if labels := KV(a.Labels).Remove([]string{label.AlertName, "severity"}); len(labels) > 0 {
		fmt.Fprintf(b, "  %s\n", labels)
	}
	for _, t := range a.Traits(3) {
		fmt.Fprintf(b, "  stands out: %s%s\n", t, also(t))
	}
	if a.Status == statusFiring {
		for _, s := range a.Samples {
			fmt.Fprintf(b, "  > %s  %s\n", s.Time.UTC().Format("15:04:05.000"), oneLine(s.Text))
		}
	}
	if a.GeneratorURL != "" {
		fmt.Fprintf(b, "  %s\n", a.GeneratorURL)
	}
}

// Span says since when the alert fires, or from when to when it did and why it ended.
func Span(a Alert) string {
	const layout = "2006-01-02 15:04:05 MST"
	if a.Status == statusFiring {
		return "since " + a.StartsAt.UTC().Format(layout)
	}
	span := fmt.Sprintf("from %s to %s (%s)", a.StartsAt.UTC().Format(layout), a.EndsAt.UTC().Format("15:04:05 MST"),
		FormatDuration(a.EndsAt.Sub(a.StartsAt).Round(time.Second)))
	if a.Reason != "" {
		span += ": " + a.Reason
	}
	return span
}

// also names what says the same as a trait.
func also(t finding.Trait) string {
	const most = 2
	if len(t.Also) == 0 {
		return ""
	}
	var names []string
	for _, a := range t.Also[:min(most, len(t.Also))] {
		names = append(names, a.String())
	}
	if more := len(t.Also) - most; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return " (also " + strings.Join(names, ", ") + ")"
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Printable replaces control characters other than line feeds, so that a record cannot command a terminal.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		return '·'
	}, s)
}

// Printer is a Notifier that writes each notification as text.
type Printer struct {
	w  io.Writer
	mu sync.Mutex
}

// NewPrinter returns a Printer that writes to w.
func NewPrinter(w io.Writer) *Printer { return &Printer{w: w} }

// Notify implements Notifier.
func (p *Printer) Notify(_ context.Context, n *Notification) (Outcome, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := io.WriteString(p.w, n.Text()); err != nil {
		return Outcome{}, fmt.Errorf("printing the notification: %w", err)
	}
	return Outcome{}, nil
}
