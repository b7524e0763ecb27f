package kafka

import (
	"context"
	"net"

	"github.com/IBM/sarama"
)

// dialer makes connections that end with a context. Sarama's calls know no context; closing the connection below them is
// what interrupts them.
type dialer struct {
	ctx context.Context // the life of the connections, given once
	net.Dialer
	wrap func(net.Conn) net.Conn // nil, or what tests put between
}

// Dial implements proxy.Dialer.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	nc, err := d.DialContext(d.ctx, network, address)
	if err != nil {
		return nil, err
	}
	if d.wrap != nil {
		nc = d.wrap(nc)
	}
	return &conn{Conn: nc, release: context.AfterFunc(d.ctx, func() { _ = nc.Close() })}, nil
}

// conn is a connection that forgets its context when it is closed.
type conn struct {
	net.Conn
	release func() bool
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.release()
	return c.Conn.Close()
}

// connect returns a sarama client of its own, whose connections end with ctx. It connects when it is first used. Parts
// that would wait for each other have one each, since a broker serves the requests of a connection one after the other.
func (c *Client) connect(ctx context.Context, tune func(*sarama.Config)) (sarama.Client, error) {
	conf := *c.conf
	conf.Net.Proxy.Enable = true
	conf.Net.Proxy.Dialer = &dialer{ctx: ctx, wrap: c.wrap, Dialer: net.Dialer{Timeout: conf.Net.DialTimeout, KeepAlive: conf.Net.KeepAlive}}
	if tune != nil {
		tune(&conf)
	}
	return sarama.NewClient(c.cfg.Brokers, &conf)
}

// disconnect closes a client of connect; what its brokers answer to that is of no interest.
func disconnect(cl sarama.Client) { _ = cl.Close() }
