package main

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
)

// tailGroups counts records by groups. On a terminal it draws the counts anew each second.
type tailGroups struct {
	tail           *tail
	keys           []tailKey
	out            io.Writer
	asJSON, follow bool

	counts map[string]*tailGroup
	// ungrouped are the records that lack a key: they belong to no group, as in a rule. overflow are those of groups
	// beyond so many as a rule has by default.
	ungrouped, overflow int
	key                 []byte
	drawn               int // lines on the terminal
}

type tailGroup struct {
	values []string // the labels that an alert would have
	count  int
}

const (
	// mostGroupsShown is how many groups a terminal shows.
	mostGroupsShown = 30
	// maxGroupText bounds a value of a group in bytes, as the detector does; widestGroupText what a terminal shows of it.
	maxGroupText    = 1024
	widestGroupText = 60
)

func (g *tailGroups) record(r *ingest.Record, _ *ingest.Origin) {
	g.key = g.key[:0]
	var values []string
	for _, k := range g.keys {
		v := k.Value(r)
		if v.Kind == ingest.Missing {
			g.ungrouped++
			return
		}
		text := v.Text()
		if len(text) > maxGroupText {
			text = strings.ToValidUTF8(text[:maxGroupText], "") // the cut may have split a character
		}
		g.key = binary.AppendUvarint(g.key, uint64(len(text)))
		g.key = append(g.key, text...)
		values = append(values, text)
	}
	if known := g.counts[string(g.key)]; known != nil {
		known.count++
		return
	}
	if len(g.counts) >= rules.DefaultMaxGroups {
		g.overflow++
		return
	}
	if g.counts == nil {
		g.counts = map[string]*tailGroup{}
	}
	for i, v := range values {
		values[i] = strings.ToValidUTF8(strings.Clone(v), "\uFFFD")
	}
	g.counts[string(g.key)] = &tailGroup{values, 1}
}

// fault does nothing: how many there were is told beside the counts.
func (g *tailGroups) fault(*ingest.Origin, error) {}

func (g *tailGroups) flush() error { return nil }

func (g *tailGroups) watch(ctx context.Context) {
	if columns, _ := terminalSize(g.out); columns == 0 || g.asJSON || !g.follow {
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		g.tail.mu.Lock()
		columns, rows := terminalSize(g.out)
		// Who cannot write notices when the records end, and loses nothing meanwhile.
		_ = g.draw(columns, rows, g.tail.summary()+", so far")
		g.tail.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (g *tailGroups) end() error {
	if g.asJSON {
		return g.printJSON()
	}
	columns, rows := terminalSize(g.out)
	return g.draw(columns, rows, "")
}

// draw writes the table over what was drawn before. Without columns, where no terminal is, it is written whole.
func (g *tailGroups) draw(columns, rows int, below string) error {
	shown := len(g.counts)
	if columns > 0 {
		shown = min(shown, mostGroupsShown)
		if g.follow {
			shown = min(shown, max(rows-6, 1)) // leaves room for what is above and below: what has scrolled away is not drawn over
		}
	}
	var table strings.Builder
	if g.drawn > 0 {
		fmt.Fprintf(&table, "\x1b[%dA\r\x1b[J", g.drawn)
	}
	g.drawn = 0
	for line := range strings.Lines(g.table(shown, columns > 0) + below) {
		line = strings.TrimRight(line, "\n")
		if columns > 0 && textWidth(line) > columns {
			line = cutText(line, columns-1) + "…"
		}
		table.WriteString(line + "\n")
		g.drawn++
	}
	_, err := io.WriteString(g.out, table.String())
	return err
}

// table returns the groups with the most records, and what there is beside them.
func (g *tailGroups) table(shown int, short bool) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprint(w, "COUNT\tSHARE\tPER SECOND")
	for _, k := range g.keys {
		fmt.Fprint(w, "\t"+clean(k.name))
	}
	fmt.Fprintln(w)
	groups := g.sorted()
	for _, group := range groups[:shown] {
		rate := "-"
		if perSecond, ok := g.rate(group.count); ok {
			rate = rateText(perSecond)
		}
		fmt.Fprintf(w, "%d\t%.1f %%\t%s", group.count, 100*g.share(group.count), rate)
		for _, v := range group.values {
			v = pairText(ingest.StringValue(v))
			if short && textWidth(v) > widestGroupText {
				v = cutText(v, widestGroupText-1) + "…"
			}
			fmt.Fprint(w, "\t"+v)
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush() // to a text in memory
	if left := len(groups) - shown; left > 0 {
		n := 0
		for _, group := range groups[shown:] {
			n += group.count
		}
		fmt.Fprintf(&b, "… %s more, with %s\n", plural(left, "group"), plural(n, "record"))
	}
	if g.overflow > 0 {
		fmt.Fprintf(&b, "%s of groups beyond %d, which is the max_groups of a rule that says nothing else\n", plural(g.overflow, "record"), rules.DefaultMaxGroups)
	}
	if g.ungrouped > 0 {
		fmt.Fprintf(&b, "%s in no group, for want of a value\n", plural(g.ungrouped, "record"))
	}
	return b.String()
}

// sorted returns the groups, those with the most records first.
func (g *tailGroups) sorted() []*tailGroup {
	return slices.SortedFunc(maps.Values(g.counts), func(a, b *tailGroup) int {
		return cmp.Or(cmp.Compare(b.count, a.count), slices.Compare(a.values, b.values))
	})
}

// share returns the part of the records that match.
func (g *tailGroups) share(count int) float64 {
	return float64(count) / float64(max(g.tail.matched, 1))
}

// rate returns how many records came in a second of Kafka's time. ok is false when all came at once.
func (g *tailGroups) rate(count int) (perSecond float64, ok bool) {
	seconds := g.tail.last.Sub(g.tail.first).Seconds()
	return float64(count) / seconds, seconds > 0
}

// rateText writes a rate in three digits, a large one in all it has.
func rateText(perSecond float64) string {
	if perSecond >= 100 {
		return fmt.Sprintf("%.0f", perSecond)
	}
	return fmt.Sprintf("%.3g", perSecond)
}

// printJSON prints all groups as one JSON object in a line.
func (g *tailGroups) printJSON() error {
	w := jsonObject{b: []byte{'{'}}
	w.number("read", uint64(g.tail.read))
	w.number("matched", uint64(g.tail.matched))
	w.number("undecodable", uint64(g.tail.failed))
	w.number("ungrouped", uint64(g.ungrouped))
	w.number("overflow", uint64(g.overflow))
	if seconds := g.tail.last.Sub(g.tail.first).Seconds(); seconds > 0 {
		w.value("seconds", ingest.DoubleValue(seconds))
	}
	w.key("groups")
	w.b = append(w.b, '[')
	for i, group := range g.sorted() {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = append(w.b, '{')
		w.open("by")
		for i, k := range g.keys {
			w.text(k.name, group.values[i])
		}
		w.close()
		w.number("count", uint64(group.count))
		w.value("share", ingest.DoubleValue(g.share(group.count)))
		if perSecond, ok := g.rate(group.count); ok {
			w.value("per_second", ingest.DoubleValue(perSecond))
		}
		w.close()
	}
	w.b = append(w.b, ']', '}')
	_, err := g.out.Write(append(escapeUnprintable(w.b, 0), '\n'))
	return err
}
