package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/width"

	"github.com/freshet-dev/freshet/ingest"
)

// tailLines shows records to people, one a line.
type tailLines struct {
	out     io.Writer
	color   bool
	zone    *time.Location
	columns func() int // of the terminal, 0 where lines are not cut
	now     func() time.Time

	// The columns become as wide as what has been in them; without anything in them they are not there.
	service, level int
	buf            strings.Builder
}

// The widest that columns become. Longer texts move the rest of their line.
const (
	widestService = 24
	widestLevel   = 8
)

// span is a part of a line in one colour.
type span struct{ color, text string }

func (l *tailLines) record(r *ingest.Record, o *ingest.Origin) {
	line := []span{{faint, l.moment(timeOf(r, o))}}
	add := func(color, text string) {
		if text != "" {
			line = append(line, span{"", "  "}, span{color, text})
		}
	}
	add(bold, column(&l.service, widestService, clean(r.Lookup("service.name").Text())))
	level, color := levelOf(r)
	add(color, column(&l.level, widestLevel, clean(level)))
	text, color := textOf(r)
	add(color, text)
	gap := "  "
	for _, p := range pairsOf(r) {
		color := ""
		if p.inherited {
			color = faint
		}
		line = append(line, span{"", gap}, span{faint, p.key + "="}, span{color, p.value})
		gap = " "
	}
	l.write(line)
}

func (l *tailLines) fault(o *ingest.Origin, err error) {
	l.write([]span{
		{faint, l.moment(time.Unix(0, o.Timestamp))},
		{"", "  "},
		{red, "undecodable"},
		{"", fmt.Sprintf("  %s/%d@%d  %s: %s", clean(o.Topic), o.Partition, o.Offset, ingest.FaultOf(err), clean(err.Error()))},
	})
}

// flush writes what there is: nobody waits for the next record to see this one.
func (l *tailLines) flush() error {
	if l.buf.Len() == 0 {
		return nil
	}
	_, err := io.WriteString(l.out, l.buf.String())
	l.buf.Reset()
	return err
}

func (l *tailLines) watch(context.Context) {}

func (l *tailLines) end() error { return nil }

// moment writes a time in milliseconds, and its day: records may be of any. A terminal, which has little room and shows
// what is now, goes without the day if it is today.
func (l *tailLines) moment(t time.Time) string {
	t = t.In(l.zone)
	if l.columns() > 0 && t.Format(time.DateOnly) == l.now().In(l.zone).Format(time.DateOnly) {
		return t.Format("15:04:05.000")
	}
	return t.Format("2006-01-02 15:04:05.000")
}

func (l *tailLines) write(line []span) {
	if columns := l.columns(); columns > 0 {
		line = cutLine(line, columns)
	}
	for _, s := range line {
		if l.color && s.color != "" {
			l.buf.WriteString(s.color + s.text + reset)
		} else {
			l.buf.WriteString(s.text)
		}
	}
	l.buf.WriteByte('\n')
}

// column pads a text to the width of its column, which grows with it up to a bound.
func column(wide *int, bound int, text string) string {
	n := textWidth(text)
	*wide = max(*wide, min(n, bound))
	return text + strings.Repeat(" ", max(*wide-n, 0))
}

// cutLine cuts a line that is wider than a terminal.
func cutLine(line []span, columns int) []span {
	used := 0
	for i, s := range line {
		if used += textWidth(s.text); used <= columns {
			continue
		}
		// The cut may lie further in front, since the ellipsis needs a column of its own.
		room := columns - 1
		for j := range line[:i+1] {
			w := textWidth(line[j].text)
			if w <= room {
				room -= w
				continue
			}
			return append(line[:j:j], span{line[j].color, cutText(line[j].text, room) + "…"})
		}
	}
	return line
}

// cutText returns as much of a text as has room.
func cutText(text string, room int) string {
	for i, r := range text {
		if room -= runeWidth(r); room < 0 {
			return text[:i]
		}
	}
	return text
}

func textWidth(text string) int {
	n := 0
	for _, r := range text {
		n += runeWidth(r)
	}
	return n
}

// runeWidth returns how many columns of a terminal a character takes.
func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	default:
		return 1
	}
}

// clean makes a text safe to print in one line. Line breaks and tabs become spaces; anything else that commands a
// terminal is replaced.
func clean(s string) string {
	return printable(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == '\t' {
			return ' '
		}
		return r
	}, s))
}

// levelOf returns the level of a log or an event as its source wrote it, and the colour of its severity.
func levelOf(r *ingest.Record) (text, color string) {
	if r.Signal != ingest.Logs && r.Signal != ingest.Events {
		return "", ""
	}
	switch s := r.Severity; {
	case s >= 17:
		color = red
	case s >= 13:
		color = yellow
	case s >= 9:
		color = green
	case s >= 1:
		color = faint
	}
	return cmp.Or(r.SeverityText, severityName(r.Severity)), color
}

// severityName returns OpenTelemetry's short name of a severity number, as INFO or ERROR2; "" for none.
func severityName(n int32) string {
	if n < 1 || n > 24 {
		return ""
	}
	name := [...]string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"}[(n-1)/4]
	if step := (n - 1) % 4; step > 0 {
		name += strconv.Itoa(int(step) + 1)
	}
	return name
}

// textOf returns what a record says: a body, or what AppendText makes of spans, their events and points.
func textOf(r *ingest.Record) (text, color string) {
	switch r.Signal {
	case ingest.Logs, ingest.Events:
		if r.Body.Kind == ingest.Missing {
			return clean(r.Name), ""
		}
		return valueText(r.Body), ""
	case ingest.Spans:
		if r.StatusCode == 2 {
			color = red
		}
	case ingest.Unknown, ingest.Metrics, ingest.SpanEvents, ingest.Findings:
	}
	return clean(string(r.AppendText(nil, math.MaxInt))), color
}

// pair is a name by which a rule knows something of a record. What is inherited belongs to its scope or resource.
type pair struct {
	key, value string
	inherited  bool
}

// pairsOf returns what else is known of a record, in the order in which a rule looks names up. What the line has already
// is left out: the service, the message.
func pairsOf(r *ingest.Record) []pair {
	var out []pair
	add := func(key, value string, inherited bool) { out = append(out, pair{key, value, inherited}) }
	if r.Signal == ingest.Logs && r.Name != "" && r.Body.Kind != ingest.Missing {
		add("name", pairText(ingest.StringValue(r.Name)), false)
	}
	if r.Signal == ingest.Spans && r.SpanKind != 0 {
		add("kind", spanKind(r.SpanKind), false)
	}
	seen := map[string]bool{"service.name": true}
	said := r.Body.Kind == ingest.String && (r.Signal == ingest.Logs || r.Signal == ingest.Events)
	for key, v := range distinct(r.Attributes) {
		if seen[key] {
			continue
		}
		seen[key] = true
		if said && v == r.Body {
			said = false
			continue
		}
		add(keyName(key), pairText(v), false)
	}
	if r.TraceID != "" && !seen["trace_id"] && !seen["traceparent"] {
		add("trace_id", pairText(ingest.StringValue(r.TraceID)), false)
	}
	for _, list := range []ingest.Attrs{r.Scope.Attributes, r.Resource.Attributes} {
		for key, v := range distinct(list) {
			if !seen[key] {
				seen[key] = true
				add(keyName(key), pairText(v), true)
			}
		}
	}
	return out
}

// distinct yields attributes in their order, of a repeated key the last one, which is what counts.
func distinct(list ingest.Attrs) iter.Seq2[string, ingest.Value] {
	return func(yield func(string, ingest.Value) bool) {
		last := make(map[string]int, len(list))
		for i, a := range list {
			last[a.Key] = i
		}
		for i, a := range list {
			if last[a.Key] == i && a.Value.Kind != ingest.Missing && !yield(a.Key, a.Value) {
				return
			}
		}
	}
}

// valueText writes a value in one line.
func valueText(v ingest.Value) string {
	if v.Kind == ingest.Bytes {
		return fmt.Sprintf("<%d bytes>", len(v.Str))
	}
	return clean(v.Text())
}

// pairText writes a value so that one sees where it ends: text in quotes where it needs them.
func pairText(v ingest.Value) string {
	if v.Kind == ingest.String && !bare(v.Str) {
		return strconv.Quote(v.Str)
	}
	return valueText(v)
}

// keyName writes a key so that one sees where it ends.
func keyName(key string) string { return pairText(ingest.StringValue(key)) }

// bare says whether a text needs no quotes.
func bare(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r == ' ' || r == '"' || r == '=' || r == '\\' || r == unicode.ReplacementChar || !unicode.IsPrint(r)
	})
}

// spanKind returns the constant that rules have for a kind of span.
func spanKind(n int32) string {
	if n < 1 || n > 5 {
		return strconv.Itoa(int(n))
	}
	return [...]string{"INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"}[n-1]
}
