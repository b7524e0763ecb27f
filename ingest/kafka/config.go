package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

// The SASL mechanisms.
const (
	Plain       = "PLAIN"
	ScramSHA256 = "SCRAM-SHA-256"
	ScramSHA512 = "SCRAM-SHA-512"
)

const (
	// maxMessageBytes is the largest message that the producer accepts and the readers are prepared for.
	maxMessageBytes = 32 << 20
	// maxBatchBytes is where a batch of several messages ends: Kafka's default of max.message.bytes less the overhead.
	maxBatchBytes = 1000 << 10
)

// Config says how to reach the brokers. The zero value of everything but Brokers is usable.
type Config struct {
	// Brokers are the addresses, host:port, of one or more brokers of the cluster.
	Brokers []string
	// ClientID is the name in the brokers' logs and quotas (default "freshet").
	ClientID string
	TLS      TLS
	SASL     SASL
	// Compression of what is produced: lz4 (default), zstd, snappy, gzip or none.
	Compression string
	// SessionTimeout is how long a member of a group may be silent before its partitions are given to others
	// (default 10 s). The brokers' group.min.session.timeout.ms is a lower limit, 6 s by default.
	SessionTimeout time.Duration
	// TransactionTimeout is after what time the brokers abort a transaction whose owner is silent (default 5 s).
	TransactionTimeout time.Duration
}

// TLS configures encryption; it is on when Enabled or any file is set.
type TLS struct {
	Enabled bool
	// CAFile holds the certificates of the authorities that sign the brokers'; the system's are used when it is empty.
	CAFile string
	// CertFile and KeyFile are the client's certificate and key, both or none.
	CertFile, KeyFile string
	// ServerName overrides the host name that the brokers' certificates are checked against.
	ServerName string
	// InsecureSkipVerify leaves the brokers' certificates unchecked.
	InsecureSkipVerify bool
}

// SASL configures authentication; it is on when Mechanism is set.
type SASL struct {
	// Mechanism is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
	Mechanism          string
	Username, Password string
}

func (t TLS) on() bool {
	return t.Enabled || t.CAFile != "" || t.CertFile != "" || t.KeyFile != "" || t.ServerName != "" || t.InsecureSkipVerify
}

// Validate returns all faults of the configuration. It reads no files.
func (c Config) Validate() error {
	var errs []error
	if len(c.Brokers) == 0 {
		errs = append(errs, errors.New("brokers: expected at least one host:port"))
	}
	for _, b := range c.Brokers {
		if host, port, err := net.SplitHostPort(b); err != nil || host == "" || port == "" {
			errs = append(errs, fmt.Errorf("brokers: expected host:port, found %q", b))
		}
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		errs = append(errs, errors.New("tls: cert_file and key_file belong together, one of them is missing"))
	}
	switch c.SASL.Mechanism {
	case "":
		if c.SASL.Username != "" || c.SASL.Password != "" {
			errs = append(errs, fmt.Errorf("sasl: mechanism is missing, expected %s, %s or %s", Plain, ScramSHA256, ScramSHA512))
		}
	case Plain, ScramSHA256, ScramSHA512:
		if c.SASL.Username == "" {
			errs = append(errs, errors.New("sasl: username is missing"))
		}
		if c.SASL.Password == "" {
			errs = append(errs, errors.New("sasl: password is missing"))
		}
	default:
		errs = append(errs, fmt.Errorf("sasl: unknown mechanism %q, expected %s, %s or %s", c.SASL.Mechanism, Plain, ScramSHA256, ScramSHA512))
	}
	if _, err := codec(c.Compression); err != nil {
		errs = append(errs, err)
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"session_timeout", c.SessionTimeout}, {"transaction_timeout", c.TransactionTimeout}} {
		if d.value != 0 && d.value < time.Second {
			errs = append(errs, fmt.Errorf("%s: expected at least 1s, found %s", d.name, d.value))
		}
	}
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	if c.ClientID == "" {
		c.ClientID = "freshet"
	}
	if c.SessionTimeout == 0 {
		c.SessionTimeout = 10 * time.Second
	}
	if c.TransactionTimeout == 0 {
		c.TransactionTimeout = 5 * time.Second
	}
	return c
}

func codec(name string) (sarama.CompressionCodec, error) {
	switch name {
	case "", "lz4":
		return sarama.CompressionLZ4, nil
	case "zstd":
		return sarama.CompressionZSTD, nil
	case "snappy":
		return sarama.CompressionSnappy, nil
	case "gzip":
		return sarama.CompressionGZIP, nil
	case "none":
		return sarama.CompressionNone, nil
	default:
		return 0, fmt.Errorf("compression: unknown codec %q, expected lz4, zstd, snappy, gzip or none", name)
	}
}

// sarama returns the settings that all connections share.
func (c Config) sarama() (*sarama.Config, error) {
	conf := sarama.NewConfig()
	conf.Version = sarama.V4_0_0_0
	conf.ClientID = clientID(c.ClientID)
	conf.Metadata.Full = false // a client connects when it is first used, and knows only its own topics
	conf.Metadata.AllowAutoTopicCreation = false
	conf.Metadata.RefreshFrequency = 0 // whoever needs fresh metadata asks for it
	conf.Metadata.Retry.Max = 0        // retries are ours: they end with a context and are said once
	conf.Metadata.Timeout = 10 * time.Second
	conf.Net.DialTimeout = 5 * time.Second
	conf.Net.ReadTimeout = 20 * time.Second
	conf.Net.WriteTimeout = 20 * time.Second
	conf.Net.KeepAlive = 15 * time.Second
	conf.Admin.Timeout = 10 * time.Second
	conf.Admin.Retry.Max = 0
	if c.TLS.on() {
		t, err := c.TLS.config()
		if err != nil {
			return nil, err
		}
		conf.Net.TLS.Enable, conf.Net.TLS.Config = true, t
	}
	if c.SASL.Mechanism != "" {
		conf.Net.SASL.Enable = true
		conf.Net.SASL.Mechanism = sarama.SASLMechanism(c.SASL.Mechanism)
		conf.Net.SASL.User, conf.Net.SASL.Password = c.SASL.Username, c.SASL.Password
		if c.SASL.Mechanism != Plain {
			conf.Net.SASL.SCRAMClientGeneratorFunc = newScram(c.SASL.Mechanism)
		}
	}
	if err := conf.Validate(); err != nil {
		return nil, fmt.Errorf("configuring the Kafka client: %w", err)
	}
	return conf, nil
}

func (t TLS) config() (*tls.Config, error) {
	conf := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         t.ServerName,
		InsecureSkipVerify: t.InsecureSkipVerify, // the user's explicit choice
	}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading tls.ca_file: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca_file %s: expected certificates in PEM form, found none", t.CAFile)
		}
	}
	if t.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("reading tls.cert_file and tls.key_file: %w", err)
		}
		conf.Certificates = []tls.Certificate{cert}
	}
	return conf, nil
}

// clientID keeps what Kafka allows in a client id.
func clientID(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			return r
		default:
			return '_'
		}
	}, s)
}
