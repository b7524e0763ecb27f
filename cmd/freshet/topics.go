package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/cmd/freshet/config"
	"github.com/freshet-dev/freshet/cmd/freshet/pipeline"
	"github.com/freshet-dev/freshet/ingest/kafka"
)

func topicsCommand() *cobra.Command {
	var path string
	var wait time.Duration
	topics := &cobra.Command{Use: "topics", Short: "Create Kafka's topics with the right settings, or verify them"}
	topics.PersistentFlags().StringVar(&path, "config", "freshet.yaml", "configuration `file`")
	topics.PersistentFlags().DurationVar(&wait, "wait", 30*time.Second, "how long to wait for Kafka to answer")
	return group(topics,
		&cobra.Command{
			Use:   "create",
			Short: "Create the topics that are missing; those that exist are left as they are",
			Args:  noArguments,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return withTopics(cmd, path, wait, createTopics)
			},
		},
		&cobra.Command{
			Use:   "verify",
			Short: "Say what differs between the topics as they are and as they should be; exits 1 if anything does",
			Args:  noArguments,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return withTopics(cmd, path, wait, verifyTopics)
			},
		},
	)
}

type topicsFunc func(ctx context.Context, out io.Writer, client *kafka.Client, specs []kafka.TopicSpec) error

// withTopics connects to the brokers of the configuration, or to its embedded broker, and calls do with the topics that
// the configuration and its rules need.
func withTopics(cmd *cobra.Command, path string, wait time.Duration, do topicsFunc) error {
	cfg, err := loadConfig(cmd, path)
	if err != nil {
		return err
	}
	set, _, err := loadRules(cmd.ErrOrStderr(), cfg.Rules.Files)
	if err != nil {
		return err
	}
	log := newLogger(config.Log{Level: "warn", Format: cfg.Log.Format})
	if len(cfg.Kafka.Brokers) == 0 {
		broker, err := pipeline.StartBroker(cfg, log)
		if err != nil {
			return err
		}
		defer broker.Close()
	}
	client, err := pipeline.NewClient(cfg, "topics", log, prometheus.NewRegistry())
	if err != nil {
		return err
	}
	defer client.Close()
	if err := waitFor(cmd.Context(), client, wait); err != nil {
		return err
	}
	return do(cmd.Context(), cmd.OutOrStdout(), client, pipeline.TopicSpecs(cfg, set))
}

// waitFor waits for the brokers. A command that somebody looks at, or a script calls, does not do so without end.
func waitFor(ctx context.Context, client *kafka.Client, wait time.Duration) error {
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	err := client.WaitReady(limited)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return errors.New("stopped while waiting for Kafka")
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer within --wait=%s: %w", wait, client.Ready())
	default:
		return err
	}
}

func createTopics(ctx context.Context, out io.Writer, client *kafka.Client, specs []kafka.TopicSpec) error {
	results, err := client.CreateTopics(ctx, specs)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for i, r := range results {
		what := "created"
		if !r.Created {
			what = "exists"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", r.Topic, what, plural(int(specs[i].Partitions), "partition"))
	}
	return table.Flush()
}

func verifyTopics(ctx context.Context, out io.Writer, client *kafka.Client, specs []kafka.TopicSpec) error {
	differences, err := client.VerifyTopics(ctx, specs)
	if err != nil {
		return err
	}
	if len(differences) == 0 {
		fmt.Fprintf(out, "%s as they should be\n", plural(len(specs), "topic"))
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "TOPIC\tSETTING\tWANT\tHAVE")
	for _, d := range differences {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", d.Topic, d.Key, d.Want, d.Have)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s. Missing topics are made by `freshet topics create`; settings are changed with Kafka's own tools.\n",
		plural(len(differences), "difference"))
	return statusError(1)
}
