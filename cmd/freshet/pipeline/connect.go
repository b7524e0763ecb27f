package pipeline

import (
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-dev/freshet/cmd/freshet/config"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
)

// StartBroker starts the embedded broker of a configuration without brokers and makes it the one that is used.
func StartBroker(cfg *config.Config, log *slog.Logger) (*broker.Broker, error) {
	b, err := broker.Start(broker.Options{
		DataDir: filepath.Join(cfg.Kafka.DataDir, "kafka"), Listen: cfg.Kafka.Listen,
		Logger: log.With(slog.String("component", "broker")),
	})
	if err != nil {
		return nil, err
	}
	cfg.Kafka.Brokers = []string{b.Addr()}
	return b, nil
}

// NewClient makes the client of a configuration that names brokers.
func NewClient(cfg *config.Config, role string, log *slog.Logger, reg prometheus.Registerer) (*kafka.Client, error) {
	out := kafka.Config{Brokers: cfg.Kafka.Brokers, ClientID: "freshet-" + role}
	if t := cfg.Kafka.TLS; t != nil {
		out.TLS = kafka.TLS{
			Enabled: true, CAFile: t.CAFile, CertFile: t.CertFile, KeyFile: t.KeyFile,
			ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify,
		}
	}
	if s := cfg.Kafka.SASL; s != nil {
		out.SASL = kafka.SASL{Mechanism: s.Mechanism, Username: s.Username, Password: string(s.Password)}
	}
	client, err := kafka.New(out, log.With(slog.String("component", "kafka")), reg)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return client, nil
}
