// Package broker embeds a Kafka broker in a process, for one machine and for tests.
//
// It is kfake of the franz-go project: one node, no replication, all requests served by one goroutine. With a data
// directory every acknowledged record is on disk and survives a kill; at a start all of it is read back. Without one
// everything is in memory and ends with the process.
package broker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Options configure a Broker. The zero value is a broker in memory on a free port of the loopback interface.
type Options struct {
	// DataDir is where the records are kept, made if it is missing; empty keeps them in memory. One process at a time
	// may use it.
	DataDir string
	// Listen is the address, by default 127.0.0.1:0, where port 0 takes a free one. Clients are told this address, so it
	// must be one that they can reach.
	Listen string
	// NoSync acknowledges writes before they are on disk: a kill of the process is still survived, a loss of power is
	// not.
	NoSync bool
	// Retention is how long topics keep records that say nothing else (default 7 days).
	Retention time.Duration
	// TLS, if set, encrypts the listener.
	TLS *tls.Config
	// Users, if any, must authenticate, by the mechanism of each.
	Users []User
	// SessionTimeout is the lower limit for members of groups (default 1 s).
	SessionTimeout time.Duration
	// Logger takes the broker's own log at level Debug.
	Logger *slog.Logger
}

// User is one who may connect.
type User struct {
	// Mechanism is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
	Mechanism          string
	Username, Password string
}

// Broker is a running broker.
type Broker struct {
	cluster *kfake.Cluster
	addr    string
	lock    *lock
	once    sync.Once
}

// Start runs a broker until Close.
func Start(o Options) (*Broker, error) {
	b, err := start(o)
	if err != nil {
		return nil, fmt.Errorf("starting the embedded broker: %w", err)
	}
	return b, nil
}

func start(o Options) (_ *Broker, err error) {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Retention == 0 {
		o.Retention = 7 * 24 * time.Hour
	}
	if o.SessionTimeout == 0 {
		o.SessionTimeout = time.Second
	}
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen: expected host:port: %w", err)
	}
	b := &Broker{}
	if o.DataDir != "" {
		if err := os.MkdirAll(o.DataDir, 0o750); err != nil {
			return nil, err
		}
		if b.lock, err = acquire(filepath.Join(o.DataDir, ".lock")); err != nil {
			return nil, fmt.Errorf("data directory %s: %w", o.DataDir, err)
		}
	}
	defer func() {
		if err != nil {
			b.lock.release()
		}
	}()
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	b.addr = net.JoinHostPort(host, strconv.Itoa(port))
	b.cluster, err = kfake.NewCluster(o.kfake(b.addr, l)...)
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	return b, nil
}

func (o Options) kfake(addr string, l net.Listener) []kfake.Opt {
	_, port, _ := strings.Cut(addr, ":")
	n, _ := strconv.Atoi(port)
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.Ports(n),
		// The cluster asks for its listener itself; it gets the one that is open already, so that the port is taken
		// before anything is read, and the host is ours.
		kfake.ListenFn(func(_, _ string) (net.Listener, error) {
			if o.TLS != nil {
				return tls.NewListener(l, o.TLS), nil
			}
			return l, nil
		}),
		kfake.ClusterID("freshet-embedded"),
		kfake.DefaultNumPartitions(4),
		kfake.GroupMinSessionTimeout(o.SessionTimeout),
		kfake.BrokerConfigs(map[string]string{
			"log.cleaner.backoff.ms": "15000",
			"log.retention.ms":       strconv.FormatInt(o.Retention.Milliseconds(), 10),
			"message.max.bytes":      strconv.Itoa(33 << 20),
		}),
	}
	if o.DataDir != "" {
		opts = append(opts, kfake.DataDir(o.DataDir))
		if !o.NoSync {
			opts = append(opts, kfake.SyncWrites())
		}
	}
	if len(o.Users) > 0 {
		opts = append(opts, kfake.EnableSASL())
		for _, u := range o.Users {
			opts = append(opts, kfake.Superuser(u.Mechanism, u.Username, u.Password))
		}
	}
	if o.Logger != nil {
		opts = append(opts, kfake.WithLogger(logger{o.Logger}))
	}
	return opts
}

// Addr returns the address that clients connect to.
func (b *Broker) Addr() string { return b.addr }

// Cluster returns the broker itself, for tests that make it fail.
func (b *Broker) Cluster() *kfake.Cluster { return b.cluster }

// Close stops the broker; what it keeps on disk is complete then.
func (b *Broker) Close() error {
	b.once.Do(func() {
		b.cluster.Close()
		b.lock.release()
	})
	return nil
}

// logger brings kfake's log into ours. Its errors mean that data is at risk; the rest is for finding faults.
type logger struct{ log *slog.Logger }

// Logf implements kfake.Logger.
func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	text := strings.TrimSpace(fmt.Sprintf(format, args...))
	if level == kfake.LogLevelError {
		l.log.Error("embedded broker", "msg", text)
		return
	}
	l.log.Debug("embedded broker", "level", level.String(), "msg", text)
}

// errLocked says that another process has the directory.
var errLocked = errors.New("in use by another process: stop it, or give this one another directory")
