package slack

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"github.com/freshet-dev/freshet/alert"
)

const (
	// maxTop is how many names a digest shows, maxWorst how many groups of a state, maxListed up to how many groups its thread
	// lists as text.
	maxTop    = 10
	maxWorst  = 8
	maxListed = 25
)

// tally counts alerts of one name.
type tally struct {
	name             string
	firing, resolved int
	color            string
}

// digestMessage tells how many groups fire and are over, by name and severity. Where all are in a thread it shows the worst of
// them, else a list is to follow.
func digestMessage(groups []*alert.Notification, threads bool) message {
	firingGroups, overGroups := byState(groups)
	var all []alert.Alert
	for _, n := range groups {
		all = append(all, n.Data.Alerts...)
	}
	fires := alert.Alerts(all).Firing()
	color, sign := green, "🟢"
	if len(fires) > 0 {
		color, _ = worst(fires)
		sign, _ = marked(color, "")
	}
	headline := fmt.Sprintf("%s %d groups of alerts: %s", sign, len(groups), counted(len(firingGroups), len(overGroups)))
	names := byName(all)
	m := message{preview: trim(escape(headline)+" – "+escape(topNames(names)), maxPreview), blocks: []slack.Block{header(headline)}}
	blocks := []slack.Block{section(nameLines(names))}
	if s := bySeverity(fires); s != "" {
		blocks = append([]slack.Block{section("*Firing by severity* " + s)}, blocks...)
	}
	if threads {
		if len(firingGroups) > 0 {
			blocks = append(blocks, section("*Worst*\n"+groupLines(worstFirst(firingGroups))))
		}
		if len(overGroups) > 0 {
			blocks = append(blocks, section("*Over*\n"+groupLines(overGroups)))
		}
		blocks = append(blocks, footnote(strings.TrimSpace("All groups are in the thread.  "+seeAll(groups))))
	}
	m.attachment = slack.Attachment{Color: color, Fallback: m.preview, Blocks: slack.Blocks{BlockSet: blocks}}
	return m
}

func byState(groups []*alert.Notification) (firingGroups, overGroups []*alert.Notification) {
	for _, n := range groups {
		if n.Data.Status == firing {
			firingGroups = append(firingGroups, n)
		} else {
			overGroups = append(overGroups, n)
		}
	}
	return firingGroups, overGroups
}

func seeAll(groups []*alert.Notification) string {
	return hyperlink(groups[0].Data.ExternalURL, "See all in freshet")
}

func counted(firing, over int) string {
	switch {
	case over == 0:
		return "all firing"
	case firing == 0:
		return "all resolved"
	default:
		return fmt.Sprintf("%d firing, %d resolved", firing, over)
	}
}

// byName counts alerts by name: those of which most fire first.
func byName(alerts []alert.Alert) []tally {
	at := map[string]*tally{}
	for _, a := range alerts {
		name := a.Name()
		t := at[name]
		if t == nil {
			t = &tally{name: name, color: green}
			at[name] = t
		}
		if a.Status != firing {
			t.resolved++
			continue
		}
		if c := severityColor(a.Severity()); t.firing == 0 || rank(c) > rank(t.color) {
			t.color = c
		}
		t.firing++
	}
	out := make([]tally, 0, len(at))
	for _, t := range at {
		out = append(out, *t)
	}
	slices.SortFunc(out, func(a, b tally) int {
		return cmp.Or(b.firing-a.firing, b.resolved-a.resolved, strings.Compare(a.name, b.name))
	})
	return out
}

func rank(color string) int { return slices.Index([]string{green, blue, orange, red}, color) }

func topNames(names []tally) string {
	const most = 4
	parts := make([]string, len(names))
	for i, t := range names {
		parts[i] = fmt.Sprintf("%s %d", clip(oneLine(t.name), 60), t.firing+t.resolved)
	}
	return spelled(parts, most)
}

func nameLines(names []tally) string {
	var lines []string
	for _, t := range names[:min(len(names), maxTop)] {
		sign := "🟢"
		if t.firing > 0 {
			sign, _ = marked(t.color, "")
		}
		lines = append(lines, fmt.Sprintf("%s *%s* %d firing, %d resolved", sign, escape(clip(oneLine(t.name), 100)), t.firing, t.resolved))
	}
	if more := len(names) - maxTop; more > 0 {
		lines = append(lines, fmt.Sprintf("… and %d other names", more))
	}
	return strings.Join(lines, "\n")
}

func bySeverity(fires []alert.Alert) string {
	counts := map[string]int{}
	for _, a := range fires {
		counts[cmp.Or(oneLine(a.Severity()), "none")]++
	}
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(rank(severityColor(b))-rank(severityColor(a)), counts[b]-counts[a], strings.Compare(a, b))
	})
	var parts []string
	for _, s := range names {
		sign, _ := marked(severityColor(s), "")
		parts = append(parts, fmt.Sprintf("%s %s %d", sign, escape(clip(s, 40)), counts[s]))
	}
	return spelled(parts, 6)
}

func worstFirst(groups []*alert.Notification) []*alert.Notification {
	out := slices.Clone(groups)
	slices.SortStableFunc(out, func(a, b *alert.Notification) int {
		return cmp.Or(rank(color(&b.Data))-rank(color(&a.Data)), len(b.Data.Alerts.Firing())-len(a.Data.Alerts.Firing()))
	})
	return out
}

func groupLines(groups []*alert.Notification) string {
	var lines []string
	for _, n := range groups[:min(len(groups), maxWorst)] {
		lines = append(lines, groupLine(n))
	}
	if more := len(groups) - maxWorst; more > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// groupLine is a group in a line: what a message about it would begin with.
func groupLine(n *alert.Notification) string {
	text := trim(preview(&n.Data), 280)
	if len(n.Data.Alerts) > 0 {
		if l := hyperlink(n.Data.Alerts[0].GeneratorURL, "open"); l != "" && len(l) < 80 {
			text += " " + l
		}
	}
	return text
}

// listReply lists groups as text, as many as a reply has room for.
func listReply(groups []*alert.Notification) reply {
	var blocks []slack.Block
	var lines []string
	length, room := 0, maxMessage
	flush := func() {
		if len(lines) > 0 {
			blocks = append(blocks, section(strings.Join(lines, "\n")))
			room -= length + blockCost
		}
		lines, length = nil, 0
	}
	for i, n := range groups {
		line := groupLine(n)
		for _, note := range n.Data.Notes[:min(len(n.Data.Notes), 3)] {
			line += "\n    " + trim(noteText(note), detailText)
		}
		line = trim(line, maxText)
		size := units(line) + 1
		if room-length-size < 200 {
			flush()
			blocks = append(blocks, footnote(fmt.Sprintf("… and %d more groups", len(groups)-i)))
			break
		}
		if length+size > maxText {
			flush()
		}
		lines, length = append(lines, line), length+size
	}
	flush()
	return reply{text: groupsOfAlerts(len(groups)), blocks: blocks}
}

func groupsOfAlerts(n int) string {
	if n == 1 {
		return "1 group of alerts"
	}
	return fmt.Sprintf("%d groups of alerts", n)
}

// listLine is a group in a file, which is plain text: all that is known in short.
func listLine(n *alert.Notification) string {
	d := &n.Data
	parts := []string{title(d)}
	if len(d.Alerts) > 0 {
		a := d.Alerts[0]
		parts = append(parts, clip(oneLine(headline(a)), 300))
		if v := measured(a); v != "" && a.Status == firing {
			parts = append(parts, v)
		}
		parts = append(parts, clip(oneLine(labels(a)), 500), "since "+a.StartsAt.UTC().Format("2006-01-02 15:04:05"))
		if a.GeneratorURL != "" {
			parts = append(parts, clip(oneLine(a.GeneratorURL), 500))
		}
	}
	for _, note := range d.Notes {
		parts = append(parts, oneLine(note.Text))
	}
	return alert.Printable(strings.Join(parts, " | "))
}
