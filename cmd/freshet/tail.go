package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/cmd/freshet/config"
	"github.com/freshet-dev/freshet/cmd/freshet/pipeline"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
)

// tailFlags are what freshet tail is asked for.
type tailFlags struct {
	path, topic             string
	from, signal, where, by string
	limit                   int
	asJSON, follow          bool
	color                   string
	noColor                 bool
	wait                    time.Duration
}

func tailCommand() *cobra.Command {
	f := &tailFlags{}
	cmd := &cobra.Command{
		Use:   "tail TOPIC",
		Short: "Show the records of a topic as rules see them, as they arrive",
		Long: `tail shows the decoded records of a topic as they arrive, one a line: time, service, severity and body of a log, name,
duration and status of a span, name and value of a metric, and then the attributes by which rules know them. A record
that cannot be decoded is shown with its fault.

--where and --by are a rule's, so that a condition can be tried on real traffic before it is written down.`,
		Example: `  freshet tail otlp_logs
  freshet tail otlp_logs --where 'severity >= ERROR && service.name == "payment"' --from 1h
  freshet tail otlp_spans --by 'service.name, status == ERROR' --from 10m
  freshet tail otlp_spans --signal span_events
  freshet tail orders --from oldest --follow=false --json | jq .attributes`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("expected one topic, found %s; as in: freshet tail otlp_logs", plural(len(args), "argument"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f.topic = args[0]
			return f.run(cmd)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.path, "config", "freshet.yaml", "configuration `file`")
	flags.DurationVar(&f.wait, "wait", 30*time.Second, "how long to wait for Kafka to answer")
	flags.StringVar(&f.where, "where", "", "only records for which this `expression` holds, a rule's where")
	flags.StringVar(&f.by, "by", "", "count records by these `expressions`, a rule's by, instead of showing them: counts, their shares, and how many came per second by Kafka's clock")
	flags.StringVar(&f.from, "from", "", "where to `start`: oldest, newest, a length of time ago as in 1h, a moment as in 2026-05-01T10:00:00Z, or so many records before the end of each partition (default newest; oldest with --follow=false)")
	flags.BoolVar(&f.follow, "follow", true, "go on with records that arrive; --follow=false ends at the end of the topic, and has records in the order of Kafka's timestamps")
	flags.IntVar(&f.limit, "limit", 0, "end after so many `records` that match")
	flags.StringVar(&f.signal, "signal", "", "what `signal` to read the topic as: logs, metrics, spans, span_events or events (default what the configuration says; events for a topic that it does not know)")
	flags.BoolVar(&f.asJSON, "json", false, "print a JSON object a line, one with the key fault for what cannot be decoded; with --by, one at the end")
	flags.StringVar(&f.color, "color", "auto", "`when` to use colours: auto, always or never")
	flags.BoolVar(&f.noColor, "no-color", false, "the same as --color never")
	return cmd
}

func (f *tailFlags) run(cmd *cobra.Command) (err error) {
	out, errOut := cmd.OutOrStdout(), cmd.ErrOrStderr()
	start, err := parseStart(f.from, f.follow, time.Now())
	if err != nil {
		return err
	}
	if f.limit < 0 {
		return fmt.Errorf("--limit: expected a number of records above 0, found %d", f.limit)
	}
	color, err := f.paints(out)
	if err != nil {
		return err
	}
	cfg, err := loadConfig(cmd, f.path)
	if err != nil {
		return err
	}
	input, signal, note, err := f.source(cfg)
	if err != nil {
		return err
	}
	t := &tail{signal: signal, limit: f.limit}
	if t.decoder, err = input.Decoder(cfg); err != nil {
		return fmt.Errorf("topic %s: %w", f.topic, err)
	}
	keys, problems := f.compile(t)
	if len(problems) > 0 {
		printProblems(errOut, problems)
		return statusError(1)
	}
	if f.follow && len(cfg.Kafka.Brokers) == 0 && !pipeline.BrokerRuns(cfg) {
		fmt.Fprintln(errOut, "note: no freshet runs with this configuration, so its broker is started here; `freshet run` can start when this ends")
	}
	client, end, err := pipeline.Reach(cfg, "tail", newLogger(config.Log{Level: "warn", Format: cfg.Log.Format}))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	if err := waitFor(cmd.Context(), client, f.wait); err != nil {
		return err
	}
	if err := topicExists(cmd.Context(), client, f.topic); err != nil {
		return err
	}
	if note != "" {
		fmt.Fprintln(errOut, "note:", note)
	}
	t.view = f.view(t, keys, out, color)
	return t.run(cmd.Context(), errOut, func(ctx context.Context, take func(*kafka.Message) error) error {
		if f.follow {
			return client.Tail(ctx, f.topic, start, take)
		}
		return client.ReadTopic(ctx, f.topic, start, take)
	})
}

// view returns the way in which records are shown.
func (f *tailFlags) view(t *tail, keys []tailKey, out io.Writer, color bool) tailView {
	switch {
	case len(keys) > 0:
		return &tailGroups{tail: t, keys: keys, out: out, asJSON: f.asJSON, follow: f.follow}
	case f.asJSON:
		return &tailObjects{out: out}
	default:
		columns := func() int { n, _ := terminalSize(out); return n }
		return &tailLines{out: out, color: color, zone: time.Local, columns: columns, now: time.Now}
	}
}

// paints says whether out is to be coloured.
func (f *tailFlags) paints(out io.Writer) (bool, error) {
	switch {
	case f.color != "auto" && f.color != "always" && f.color != "never":
		return false, fmt.Errorf("--color: expected auto, always or never, found %q", f.color)
	case f.noColor || f.color == "never":
		return false, nil
	default:
		return f.color == "always" || isTerminal(out), nil
	}
}

// parseStart reads --from.
func parseStart(text string, follow bool, now time.Time) (kafka.Start, error) {
	switch {
	case text == "newest", text == "" && follow:
		return kafka.Newest(), nil
	case text == "oldest", text == "":
		return kafka.Oldest(), nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		return kafka.Last(n), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return kafka.At(at), nil
	}
	if ago, err := expr.ParseDuration(text); err == nil {
		return kafka.At(now.Add(-ago)), nil
	}
	return kafka.Start{}, fmt.Errorf("--from: expected oldest, newest, a length of time such as 1h, a moment such as 2026-05-01T10:00:00Z, or a number of records before the end of each partition, found %q", text)
}

// source decides how the topic is decoded, and the signal of the records that are shown: all for Unknown. note is what
// differs from what the detector makes of the topic.
func (f *tailFlags) source(cfg *config.Config) (input pipeline.Input, signal ingest.Signal, note string, err error) {
	var set *rules.Set
	if len(cfg.Rules.Files) > 0 {
		// Rules are looked at because they name topics. While they are being written they have faults, which are told
		// elsewhere.
		set, _, _ = rules.Load(cfg.Rules.Files)
	}
	input, known := pipeline.InputOf(cfg, set, f.topic)
	if !known {
		input = pipeline.Input{Signal: ingest.Events, Format: "auto"}
	}
	if f.signal == "" {
		if !known {
			note = fmt.Sprintf("the detector does not read topic %s yet; it is shown as a rule with from: events and topic: %s would see it", f.topic, f.topic)
		}
		if f.where != "" || f.by != "" {
			signal = input.Signal // an expression is about one
		}
		return input, signal, note, nil
	}
	signal, err = ingest.ParseSignal(f.signal)
	if err != nil {
		return input, signal, "", fmt.Errorf("--signal: %w", err)
	}
	carried := signal
	if signal == ingest.SpanEvents {
		carried = ingest.Spans // they come with their spans
	}
	switch {
	case !known:
		note = fmt.Sprintf("the detector does not read topic %s yet; an entry of ingest.topics with signal: %s makes it do so", f.topic, carried)
	case input.Signal != carried:
		note = fmt.Sprintf("the detector reads topic %s as %s, not as %s; ingest.topics says what a topic carries", f.topic, input.Signal, carried)
	default:
		return input, signal, "", nil
	}
	// A format that the other signal does not have was not meant for it.
	input.Signal = carried
	if _, err := input.Decoder(cfg); err != nil {
		input.Format = "auto"
	}
	return input, signal, note, nil
}

// topicExists fails for a topic that Kafka does not have: a misspelt name would be waited for without end.
func topicExists(ctx context.Context, client *kafka.Client, topic string) error {
	n, err := client.Partitions(ctx, topic)
	if err != nil || n > 0 {
		return err
	}
	others, err := client.Topics(ctx, nil, func(name string) bool { return !strings.HasPrefix(name, "__") })
	if err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(others))
	hint := "Kafka has no topics yet"
	if near := expr.Nearest(topic, names); near != "" {
		hint = "did you mean " + near + "?"
	} else if len(names) > 0 {
		hint = "there are " + strings.Join(names[:min(len(names), 20)], ", ")
		if len(names) > 20 {
			hint += fmt.Sprintf(" and %d more", len(names)-20)
		}
	}
	return fmt.Errorf("topic %q does not exist; %s", topic, hint)
}

// tail shows the records of a topic that a rule would see.
type tail struct {
	decoder ingest.Decoder
	batch   ingest.Batch
	signal  ingest.Signal  // of the records that are looked at, Unknown for all
	where   expr.Predicate // nil for all
	limit   int            // 0 for none
	view    tailView

	mu                    sync.Mutex
	read, matched, failed int
	first, last           time.Time // Kafka's timestamps of what was read
}

// tailView is a way to show records.
type tailView interface {
	record(r *ingest.Record, o *ingest.Origin)
	// fault takes a Kafka record that could not be decoded.
	fault(o *ingest.Origin, err error)
	// flush follows all that comes of one Kafka record.
	flush() error
	// watch is called beside the reading, until ctx ends; tail.mu is not held.
	watch(ctx context.Context)
	// end follows the last record.
	end() error
}

var errEnough = errors.New("as many records as were asked for")

// run shows what read gives, and says at the end how much that was.
func (t *tail) run(ctx context.Context, summary io.Writer, read func(context.Context, func(*kafka.Message) error) error) error {
	watching, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { t.view.watch(watching) })
	err := read(ctx, t.take)
	cancel()
	watch.Wait()
	if errors.Is(err, errEnough) || ctx.Err() != nil {
		err = nil
	}
	err = errors.Join(err, t.view.end())
	fmt.Fprintln(summary, t.summary())
	return err
}

func (t *tail) summary() string {
	return fmt.Sprintf("%s read, %d matched, %s could not be decoded", plural(t.read, "record"), t.matched, plural(t.failed, "Kafka record"))
}

// take shows the records of one Kafka record.
func (t *tail) take(m *kafka.Message) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first.IsZero() || m.Time.Before(t.first) {
		t.first = m.Time
	}
	if m.Time.After(t.last) {
		t.last = m.Time
	}
	origin := &ingest.Origin{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Timestamp: m.Time.UnixNano()}
	if err := t.decoder.Decode(m.Value, &t.batch); err != nil {
		t.failed++
		t.view.fault(origin, err)
		return t.view.flush()
	}
	for i := range t.batch.Records {
		r := &t.batch.Records[i]
		if t.signal != ingest.Unknown && r.Signal != t.signal {
			continue
		}
		t.read++
		if t.where != nil && !t.where(r) {
			continue
		}
		t.matched++
		t.view.record(r, origin)
		if t.matched == t.limit {
			if err := t.view.flush(); err != nil {
				return err
			}
			return errEnough
		}
	}
	return t.view.flush()
}

// timeOf returns the time that a rule takes a record to be of.
func timeOf(r *ingest.Record, o *ingest.Origin) time.Time {
	if r.Time == 0 {
		return time.Unix(0, o.Timestamp)
	}
	return time.Unix(0, r.Time)
}
