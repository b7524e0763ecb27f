package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/cmd/freshet/config"
	"github.com/freshet-dev/freshet/cmd/freshet/pipeline"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/ingest/deadletter"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/rules/expr"
)

// deadLetters is what the commands about dead letters share: where to look, and which letters are meant.
type deadLetters struct {
	path string
	wait time.Duration

	topic, kind, since string
}

func deadLetterCommand() *cobra.Command {
	d := &deadLetters{}
	cmd := &cobra.Command{
		Use:   "dead-letter",
		Short: "Look at the records that could not be decoded, and send them back when that is mended",
		Long: `A record that cannot be decoded stops nothing: it goes to the topic freshet.dead_letter, with where it came from and
what was wrong. These commands show what is there, and send records back to the topics they came from.`,
	}
	cmd.PersistentFlags().StringVar(&d.path, "config", "freshet.yaml", "configuration `file`")
	cmd.PersistentFlags().DurationVar(&d.wait, "wait", 30*time.Second, "how long to wait for Kafka to answer")
	return group(cmd, d.listCommand(), d.showCommand(), d.replayCommand())
}

// filterFlags are those that choose among letters.
func (d *deadLetters) filterFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&d.topic, "topic", "", "only records from this `topic`")
	cmd.Flags().StringVar(&d.kind, "kind", "", "only this `fault`: "+strings.Join(faultKinds(), ", "))
	cmd.Flags().StringVar(&d.since, "since", "", "only what was set aside in the last `time`, as in 30m or 7d, or since a moment, as in 2026-05-01T10:00:00Z")
}

func faultKinds() []string {
	var kinds []string
	for f := ingest.Malformed; f <= ingest.UnknownFormat; f++ {
		kinds = append(kinds, f.String())
	}
	return kinds
}

// filter makes a filter of the flags.
func (d *deadLetters) filter(now time.Time) (deadletter.Filter, error) {
	f := deadletter.Filter{Topic: d.topic, Kind: d.kind}
	if kinds := faultKinds(); d.kind != "" && !slices.Contains(kinds, d.kind) {
		return f, fmt.Errorf("--kind: there is no fault %q, expected one of %s", d.kind, strings.Join(kinds, ", "))
	}
	if d.since == "" {
		return f, nil
	}
	if at, err := time.Parse(time.RFC3339, d.since); err == nil {
		f.Since = at
		return f, nil
	}
	ago, err := expr.ParseDuration(d.since)
	if err != nil {
		return f, fmt.Errorf("--since: expected a length of time such as 30m or 7d, or a moment such as 2026-05-01T10:00:00Z, found %q", d.since)
	}
	f.Since = now.Add(-ago)
	return f, nil
}

// desk is the way to the dead-letter topic.
type desk struct {
	client *kafka.Client
	topic  string
	id     string // of replays
}

// with connects to Kafka and calls do. A topic that does not exist is said to hold nothing.
func (d *deadLetters) with(cmd *cobra.Command, do func(ctx context.Context, k desk) error) (err error) {
	cfg, err := loadConfig(cmd, d.path)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	client, end, err := pipeline.Reach(cfg, "dead-letter", newLogger(config.Log{Level: "warn", Format: cfg.Log.Format}))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	if err := waitFor(ctx, client, d.wait); err != nil {
		return err
	}
	k := desk{client: client, topic: pipeline.NamesIn(cfg.Kafka.Namespace).DeadLetter, id: cfg.Kafka.Namespace + "-dead-letter-replay"}
	n, err := client.Partitions(ctx, k.topic)
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("topic %s does not exist: freshet has not run with this Kafka and kafka.namespace", k.topic)
	}
	return do(ctx, k)
}

func (d *deadLetters) listCommand() *cobra.Command {
	var asJSON bool
	var examples int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the dead letters by the topic they came from and the kind of fault",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := d.filter(time.Now())
			if err != nil {
				return err
			}
			return d.with(cmd, func(ctx context.Context, k desk) error {
				log, err := deadletter.Read(ctx, k.client, k.topic, filter.Since)
				if err != nil {
					return err
				}
				groups := groupLetters(log.Select(filter), examples)
				if asJSON {
					out := json.NewEncoder(cmd.OutOrStdout())
					out.SetIndent("", "  ")
					return out.Encode(groups)
				}
				return printGroups(cmd.OutOrStdout(), groups, log.Foreign)
			})
		},
	}
	d.filterFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().IntVar(&examples, "examples", 3, "how many of the newest to show for each topic and kind")
	return cmd
}

// letterGroup is the letters from one topic with one kind of fault, as --json prints it.
type letterGroup struct {
	Topic   string `json:"topic"`
	Kind    string `json:"kind"`
	Records int    `json:"records"`
	// Replayed were sent back, CameBack had been sent back and were bad again.
	Replayed int           `json:"replayed"`
	CameBack int           `json:"came_back"`
	First    time.Time     `json:"first"`
	Last     time.Time     `json:"last"`
	Newest   []letterShown `json:"newest"`
}

type letterShown struct {
	ID       string    `json:"id"`
	At       time.Time `json:"at"`
	Error    string    `json:"error"`
	Replays  int       `json:"replays,omitempty"`
	Replayed time.Time `json:"replayed,omitzero"`
}

// groupLetters groups entries, which are in order, by topic and kind.
func groupLetters(entries []deadletter.Entry, examples int) []letterGroup {
	groups := []letterGroup{}
	places := map[[2]string]int{}
	for _, e := range slices.Backward(entries) {
		key := [2]string{e.Origin.Topic, e.Kind}
		i, known := places[key]
		if !known {
			i = len(groups)
			places[key] = i
			groups = append(groups, letterGroup{Topic: e.Origin.Topic, Kind: e.Kind, Last: e.At.UTC(), Newest: []letterShown{}})
		}
		g := &groups[i]
		g.Records++
		g.First = e.At.UTC()
		if !e.Replayed.IsZero() {
			g.Replayed++
		}
		if e.Replays > 0 {
			g.CameBack++
		}
		if len(g.Newest) < examples {
			g.Newest = append(g.Newest, letterShown{
				ID: e.Origin.String(), At: e.At.UTC(), Error: printable(e.Error), Replays: e.Replays, Replayed: e.Replayed.UTC(),
			})
		}
	}
	slices.SortFunc(groups, func(a, b letterGroup) int {
		if c := strings.Compare(a.Topic, b.Topic); c != 0 {
			return c
		}
		return strings.Compare(a.Kind, b.Kind)
	})
	return groups
}

func printGroups(out io.Writer, groups []letterGroup, foreign int) error {
	if foreign > 0 {
		fmt.Fprintf(out, "%s of the topic were not written by freshet and are left out\n", plural(foreign, "record"))
	}
	if len(groups) == 0 {
		fmt.Fprintln(out, "no dead letters")
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "TOPIC\tKIND\tRECORDS\tREPLAYED\tCAME BACK\tFIRST\tLAST")
	shown := 0
	for _, g := range groups {
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%s\t%s\n", g.Topic, g.Kind, g.Records, g.Replayed, g.CameBack, moment(g.First), moment(g.Last))
		shown += len(g.Newest)
	}
	if shown > 0 {
		// A cell ends with a tab, and lines without one end a table.
		if err := table.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(table, "\nNEWEST\tAT\tERROR")
	}
	for _, g := range groups {
		for _, l := range g.Newest {
			fmt.Fprintf(table, "%s\t%s\t%s%s\n", l.ID, moment(l.At), fates(l.Replays, l.Replayed), l.Error)
		}
	}
	return table.Flush()
}

// fates says what else is to be known of a letter.
func fates(replays int, replayed time.Time) string {
	text := ""
	if replays > 0 {
		text += fmt.Sprintf("(came back after %s) ", plural(replays, "replay"))
	}
	if !replayed.IsZero() {
		text += "(replayed) "
	}
	return text
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// printable makes a text safe to print in one line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}
