package pipeline

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-dev/freshet/cmd/freshet/config"
	"github.com/freshet-dev/freshet/ingest/kafka"
)

// Reach makes the client of a command that looks at what a running freshet works with. Without brokers in the
// configuration that is the embedded broker of the process that runs, or, where none runs, one over the same data that
// lives as long as the command. Close the client with the function that comes with it.
func Reach(cfg *config.Config, role string, log *slog.Logger) (*kafka.Client, func() error, error) {
	end := func() error { return nil }
	if len(cfg.Kafka.Brokers) == 0 {
		if listens(cfg.Kafka.Listen) {
			cfg.Kafka.Brokers = []string{cfg.Kafka.Listen}
		} else {
			b, err := StartBroker(cfg, log)
			if err != nil {
				return nil, nil, err
			}
			end = b.Close
		}
	}
	client, err := NewClient(cfg, role, log, prometheus.NewRegistry())
	if err != nil {
		return nil, nil, errors.Join(err, end())
	}
	return client, func() error {
		if err := errors.Join(client.Close(), end()); err != nil {
			return fmt.Errorf("closing the way to Kafka: %w", err)
		}
		return nil
	}, nil
}

// BrokerRuns says whether a process runs whose embedded broker Reach would use.
func BrokerRuns(cfg *config.Config) bool {
	return len(cfg.Kafka.Brokers) == 0 && listens(cfg.Kafka.Listen)
}

// listens says whether somebody listens at an address of this machine.
func listens(address string) bool {
	c, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}
