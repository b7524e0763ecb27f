package slack

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/slack-go/slack"

	"github.com/freshet-dev/freshet/alert"
)

// Slack's limits. Where its documents say characters, UTF-16 units are counted: the largest of what the word may mean
// but bytes, and a text of that many is never too long.
const (
	maxHeader  = 150
	maxText    = 3000
	maxValue   = 2000 // of a button, and of what a field shows
	maxBlockID = 255
	maxURL     = 3000
	// maxMessage is how much one message may hold, containers counted. Slack refuses somewhere above 11,000 and names no number.
	maxMessage = 9000
	// blockCost is what a block counts beside its text.
	blockCost = 60
)

// units returns the length of a text as Slack counts it.
func units(s string) int {
	n := 0
	for _, r := range s {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}

// head returns the beginning of a text, at most so many units.
func head(s string, limit int) string {
	n := 0
	for i, r := range s {
		if n += max(1, utf16.RuneLen(r)); n > limit {
			return s[:i]
		}
	}
	return s
}

// clip shortens text, before it is escaped.
func clip(s string, limit int) string {
	if units(s) <= limit {
		return s
	}
	return head(s, limit-1) + "…"
}

// trim shortens escaped text without cutting through an entity, a link or a code block.
func trim(s string, limit int) string {
	if units(s) <= limit {
		return s
	}
	cut := head(s, limit-4)
	if i := strings.LastIndexByte(cut, '&'); i >= 0 && !strings.Contains(cut[i:], ";") {
		cut = cut[:i]
	}
	if i := strings.LastIndexByte(cut, '<'); i >= 0 && !strings.Contains(cut[i:], ">") {
		cut = cut[:i]
	}
	if strings.Count(cut, "```")%2 == 1 {
		return strings.TrimRight(cut, "`") + "```"
	}
	return cut + "…"
}

// oneLine replaces what breaks a line.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;") //nolint:gochecknoglobals // immutable

// escape makes text safe in mrkdwn: mentions and links begin with <, code blocks with three backticks. A single one may
// stay, so that a summary can quote a name.
func escape(s string) string {
	s = escaper.Replace(alert.Printable(s))
	if !strings.Contains(s, "``") {
		return s
	}
	return strings.ReplaceAll(s, "`", "'")
}

// code makes text safe between backticks.
func code(s string) string { return strings.ReplaceAll(escape(s), "`", "'") }

// plain makes text safe in plain_text, where nothing is escaped: no mention begins without <.
func plain(s string, limit int) string {
	s = strings.NewReplacer("<", "‹", ">", "›").Replace(alert.Printable(oneLine(s)))
	if s == "" {
		return "Alert"
	}
	return clip(s, limit)
}

// date lets Slack write a time in the reader's own zone.
func date(t time.Time) string {
	return fmt.Sprintf("<!date^%d^{date_short_pretty} {time_secs}|%s>", t.Unix(), t.UTC().Format("2006-01-02 15:04:05 MST"))
}

// hyperlink returns a link, "" when the address is none that a person can follow.
func hyperlink(address, text string) string {
	if !strings.HasPrefix(address, "https://") && !strings.HasPrefix(address, "http://") || len(address) > maxURL {
		return ""
	}
	return "<" + safeURL(address) + "|" + escape(strings.ReplaceAll(text, "|", "¦")) + ">"
}

// safeURL makes an address safe within a link.
func safeURL(address string) string { return strings.ReplaceAll(addressable(address), "&", "&amp;") }

// addressable leaves nothing in an address that ends one.
func addressable(address string) string {
	safe := strings.NewReplacer("<", "%3C", ">", "%3E", "|", "%7C", " ", "%20", "`", "%60").Replace(address)
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, safe)
}

// section and footnote hold mrkdwn that is escaped already. Verbatim keeps Slack from making links of it by itself.
func section(text string) slack.Block {
	return slack.NewSectionBlock(slack.NewTextBlockObject(slack.MarkdownType, notEmpty(trim(text, maxText)), false, true), nil, nil)
}

func footnote(text string) slack.Block {
	return slack.NewContextBlock("", slack.NewTextBlockObject(slack.MarkdownType, notEmpty(trim(text, maxValue)), false, true))
}

func header(text string) slack.Block {
	return slack.NewHeaderBlock(slack.NewTextBlockObject(slack.PlainTextType, plain(text, maxHeader), true, false))
}

// notEmpty stands in for a text that is empty, which Slack refuses.
func notEmpty(s string) string {
	if strings.TrimSpace(s) == "" {
		return "–"
	}
	return s
}

// cost is how much of a message a block takes. As nobody says whether characters or bytes count, bytes do too.
func cost(b slack.Block) int {
	sum := blockCost
	add := func(text string) { sum += textCost(text) }
	switch b := b.(type) {
	case *slack.SectionBlock:
		add(b.Text.Text)
	case *slack.ContextBlock:
		for _, e := range b.ContextElements.Elements {
			if t, ok := e.(*slack.TextBlockObject); ok {
				add(t.Text)
			}
		}
	}
	return sum
}

func textCost(text string) int { return max(units(text), len(text)*2/3) }

// fit leaves out what does not fit, from the end; never the first block.
func fit(blocks []slack.Block, room int) []slack.Block {
	for len(blocks) > 1 && costs(blocks) > room {
		blocks = blocks[:len(blocks)-1]
	}
	return blocks
}

func costs(blocks []slack.Block) (sum int) {
	for _, b := range blocks {
		sum += cost(b)
	}
	return sum
}

// spelled joins names with commas, at most so many of them.
func spelled(names []string, most int) string {
	if more := len(names) - most; more > 0 {
		names = append(slices.Clone(names[:most]), fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}
