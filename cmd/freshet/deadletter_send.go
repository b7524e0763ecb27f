package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/ingest/deadletter"
	"github.com/freshet-dev/freshet/ingest/kafka"
)

func (d *deadLetters) showCommand() *cobra.Command {
	var limit int
	var raw bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show one dead letter: where it came from, what was wrong, and the record itself",
		Long: `The id is topic/partition@offset of the record where it came from, as dead-letter list prints it. The value is shown
as bytes and what of them is printable ASCII; --raw writes it out as it is, for a file or another program.`,
		Args: idArguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			origin, err := deadletter.ParseOrigin(args[0])
			if err != nil {
				return err
			}
			return d.with(cmd, func(ctx context.Context, k desk) error {
				letter, entry, found, err := deadletter.Find(ctx, k.client, k.topic, origin)
				switch {
				case err != nil:
					return err
				case !found:
					return unknownLetter(origin)
				case raw:
					_, err = cmd.OutOrStdout().Write(letter.Value)
					return err
				default:
					return printLetter(cmd.OutOrStdout(), k.topic, letter, entry.Replayed, limit)
				}
			})
		},
	}
	cmd.Flags().IntVar(&limit, "bytes", 512, "how many bytes of the value to show")
	cmd.Flags().BoolVar(&raw, "raw", false, "write the value to standard output, and nothing else")
	return cmd
}

// idArguments expects ids of letters.
func idArguments(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return fmt.Errorf("%sexpects an id as `freshet dead-letter list` prints it, as in orders/0@1234", pathBelow(cmd))
		}
		return nil
	}
}

func unknownLetter(origin deadletter.Origin) error {
	return fmt.Errorf("there is no dead letter %s; `freshet dead-letter list` shows the ids", origin)
}

// printLetter prints a letter; nothing in it can steer a terminal.
func printLetter(out io.Writer, topic string, l deadletter.Letter, replayed time.Time, limit int) error {
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(table, name+"\t"+format+"\n", args...) }
	line("id", "%s", l.Origin)
	line("error", "%s", printable(l.Error))
	line("kind", "%s", printable(l.Kind))
	line("set aside", "%s", moment(l.At))
	if !l.OriginTime.IsZero() {
		line("recorded", "%s", moment(l.OriginTime))
	}
	switch {
	case !replayed.IsZero():
		line("replayed", "%s", moment(replayed))
	case l.Replays > 0:
		line("came back", "after %s", plural(l.Replays, "replay"))
	}
	line("letter", "%s/0@%d", topic, l.Offset)
	if len(l.Key) > 0 {
		line("key", "%.*q, %s", 200, l.Key, plural(len(l.Key), "byte"))
	}
	for _, h := range l.Headers {
		line("header", "%.*q = %.*q", 200, h.Key, 200, h.Value)
	}
	line("value", "%s", plural(len(l.Value), "byte"))
	if err := table.Flush(); err != nil {
		return err
	}
	shown := l.Value[:min(max(limit, 0), len(l.Value))]
	fmt.Fprint(out, hex.Dump(shown))
	if left := len(l.Value) - len(shown); left > 0 {
		fmt.Fprintf(out, "%s more; --bytes %d shows all, --raw writes them out\n", plural(left, "byte"), len(l.Value))
	}
	return nil
}

func (d *deadLetters) replayCommand() *cobra.Command {
	var yes, again bool
	cmd := &cobra.Command{
		Use:   "replay [ID...]",
		Short: "Send dead letters back to the topics they came from",
		Long: `Without --yes it only says what it would do.

A letter is sent once: sending it and marking it as sent are one transaction, and a replay looks for marks after it has
stopped others, so that a replay which was broken off may simply be run again. The record goes to the partition it came
from, with a header freshet.replays that counts. If it is bad again it comes back as another letter, which is left out
unless --again is given.

freshet judges a replayed record by its own time: one that is older than a rule's lateness allows is counted as late,
not in a window that is long over.`,
		Args: idArguments(0, 1000),
		RunE: func(cmd *cobra.Command, args []string) error {
			filter, err := d.filter(time.Now())
			if err != nil {
				return err
			}
			for _, a := range args {
				origin, err := deadletter.ParseOrigin(a)
				if err != nil {
					return err
				}
				filter.Origins = append(filter.Origins, origin)
			}
			return d.with(cmd, func(ctx context.Context, k desk) error {
				r := deadletter.Replay{Client: k.client, Topic: k.topic, ID: k.id, Filter: filter, Again: again}
				if yes {
					return carryOut(ctx, cmd.OutOrStdout(), r)
				}
				return announce(ctx, cmd.OutOrStdout(), r)
			})
		},
	}
	d.filterFlags(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "send them")
	cmd.Flags().BoolVar(&again, "again", false, "also those that were replayed before and came back")
	return cmd
}

// announce says what a replay would do.
func announce(ctx context.Context, out io.Writer, r deadletter.Replay) error {
	log, err := deadletter.Read(ctx, r.Client, r.Topic, r.Filter.Since)
	if err != nil {
		return err
	}
	p := log.Plan(r.Filter, r.Again)
	if len(p.Unknown) > 0 {
		return unknownLetter(p.Unknown[0])
	}
	if len(p.Send) > 0 {
		table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
		fmt.Fprintln(table, "TOPIC\tKIND\tRECORDS")
		for _, g := range groupLetters(p.Send, 0) {
			fmt.Fprintf(table, "%s\t%s\t%d\n", g.Topic, g.Kind, g.Records)
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	printLeft(out, p)
	if len(p.Send) == 0 {
		fmt.Fprintln(out, "nothing to send")
		return nil
	}
	fmt.Fprintf(out, "%s would be sent back; nothing was sent, --yes does it\n", plural(len(p.Send), "record"))
	return nil
}

// carryOut replays.
func carryOut(ctx context.Context, out io.Writer, r deadletter.Replay) error {
	p, sent, err := r.Run(ctx)
	if len(p.Unknown) > 0 {
		return unknownLetter(p.Unknown[0])
	}
	printLeft(out, p)
	fmt.Fprintf(out, "%s sent back\n", plural(sent, "record"))
	switch {
	case errors.Is(err, kafka.ErrFenced):
		return fmt.Errorf("another replay has begun, which goes on in place of this one: %w", err)
	case errors.Is(err, kafka.ErrUnknownOutcome), err != nil && sent < len(p.Send):
		return fmt.Errorf("%w; what was sent is marked, so the same command goes on where this one ended", err)
	default:
		return err
	}
}

// printLeft says what a replay leaves out.
func printLeft(out io.Writer, p deadletter.Plan) {
	if n := len(p.Replayed); n > 0 {
		fmt.Fprintf(out, "%s replayed before, left out\n", plural(n, "record"))
	}
	if n := len(p.CameBack); n > 0 {
		fmt.Fprintf(out, "%s replayed before and came back, left out; --again sends them too\n", plural(n, "record"))
	}
}
