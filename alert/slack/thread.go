package slack

import (
	"fmt"
	"strings"

	"github.com/slack-go/slack"

	"github.com/freshet-dev/freshet/alert"
)

const (
	maxSamples = 5
	maxTraits  = 5
	sampleText = 400
	traitText  = 120
	// maxChanges is how many lines a reply has.
	maxChanges = 15
	maxNotes   = 20
)

// reply is what is said in the thread of a message.
type reply struct {
	text      string
	blocks    []slack.Block
	broadcast bool // it is shown in the channel too: an edit alone rings nobody's phone
}

// followUp is what the thread is told by an edit of the message; ok is false when it is told nothing.
func followUp(n *alert.Notification) (r reply, ok bool) {
	var lines []string
	switch n.Reason {
	case alert.ContentChanged, alert.NoteAdded:
	case alert.NewAlerts, alert.RepeatElapsed, alert.SeverityRaised, alert.FirstNotification:
		r.broadcast = true
		lines = changes(n)
	default:
		lines = changes(n)
	}
	lines = append(lines, notes(n)...)
	if len(lines) == 0 {
		return reply{}, false
	}
	r.text = trim(strings.Join(lines, "\n"), maxText)
	r.blocks = []slack.Block{section(r.text)}
	if n.Reason != alert.RepeatElapsed {
		r.blocks = append(r.blocks, evidences(n)...)
	}
	return r, true
}

// beginning is what the thread of a new message is told: why the alerts fire.
func beginning(n *alert.Notification) (r reply, ok bool) {
	lines, blocks := notes(n), evidences(n)
	if len(lines) > 0 {
		blocks = append([]slack.Block{section(strings.Join(lines, "\n"))}, blocks...)
	}
	if len(blocks) == 0 {
		return reply{}, false
	}
	return reply{text: "Why: " + preview(&n.Data), blocks: blocks}, true
}

// changes says in a few lines what a notification is about.
func changes(n *alert.Notification) []string {
	var lines []string
	for _, a := range n.Data.Alerts {
		if !a.New && n.Reason != alert.RepeatElapsed {
			continue
		}
		lines = append(lines, change(a))
	}
	if more := len(lines) - maxChanges; more > 0 {
		lines = append(lines[:maxChanges], fmt.Sprintf("… and %d more", more))
	}
	switch {
	case n.Reason == alert.RepeatElapsed:
		lines = append([]string{"Still firing:"}, lines...)
	case n.Reason == alert.SeverityRaised:
		lines = append([]string{"Worse than before:"}, lines...)
	case len(lines) == 0:
		lines = []string{escape(string(n.Reason))}
	}
	return lines
}

func change(a alert.Alert) string {
	state := strings.ToUpper(a.Status)
	if a.Status == firing {
		_, state = marked("", a.Severity())
	}
	line := fmt.Sprintf("%s *%s* %s", mark(a), escape(state), escape(clip(oneLine(headline(a)), 150)))
	if a.Status != firing {
		line += " after " + lasted(a)
		if a.Reason != "" {
			line += " (" + escape(clip(oneLine(a.Reason), 80)) + ")"
		}
		if a.Belated {
			line += "; its beginning could not be delivered"
		}
		return line
	}
	if v := measured(a); v != "" {
		line += ": " + escape(v)
	}
	if a.Moved != "" {
		line += ", " + escape(clip(oneLine(a.Moved), detailText))
	}
	return line
}

// notes are what people and remediations did.
func notes(n *alert.Notification) []string {
	var lines []string
	for _, note := range n.Data.Notes {
		lines = append(lines, noteText(note))
	}
	if more := len(lines) - maxNotes; more > 0 {
		lines = append(lines[:maxNotes], fmt.Sprintf("… and %d more", more))
	}
	return lines
}

func noteText(note alert.Note) string { return date(note.At) + " " + escape(clip(note.Text, 500)) }

// evidences shows why the new alerts fire, those that a reply has room for.
func evidences(n *alert.Notification) []slack.Block {
	var blocks []slack.Block
	several := len(n.Data.Alerts) > 1
	room, shown := maxMessage-maxText, 0
	for _, a := range n.Data.Alerts {
		if !a.New {
			continue
		}
		next := evidence(a)
		if len(next) == 0 {
			continue
		}
		if several {
			next = append([]slack.Block{section("*" + escape(clip(oneLine(headline(a)), detailText)) + "*")}, next...)
		}
		if shown == 0 {
			next = fit(next, room)
		}
		if room -= costs(next); shown == maxFull || shown > 0 && room < 0 {
			break
		}
		blocks = append(blocks, next...)
		shown++
	}
	return blocks
}

// evidence shows what sets the records of an alert apart, and some of them.
func evidence(a alert.Alert) []slack.Block {
	var blocks []slack.Block
	if lines := traits(a); len(lines) > 0 {
		blocks = append(blocks, section("*What stands out*, against what was before:\n"+strings.Join(lines, "\n")))
	}
	if s := samples(a); s != "" {
		blocks = append(blocks, section("*Records*\n"+s))
	}
	return blocks
}

func traits(a alert.Alert) []string {
	var lines []string
	for _, t := range a.Traits(maxTraits) {
		line := fmt.Sprintf("• `%s` %s", code(clip(oneLine(t.Name()), traitText)), escape(t.Shares()))
		var also []string
		for _, o := range t.Also {
			also = append(also, "`"+code(clip(oneLine(o.String()), traitText))+"`")
		}
		if len(also) > 0 {
			line += ", also " + spelled(also, 2)
		}
		lines = append(lines, line)
	}
	return lines
}

func samples(a alert.Alert) string {
	if a.Status != firing || len(a.Samples) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("```")
	for _, s := range a.Samples[:min(len(a.Samples), maxSamples)] {
		line := s.Time.UTC().Format("15:04:05.000") + " " + oneLine(s.Text)
		fmt.Fprintf(&b, "%s\n", code(clip(line, sampleText)))
	}
	return strings.TrimRight(b.String(), "\n") + "```"
}
