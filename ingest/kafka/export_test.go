package kafka

import "net"

// Wrap puts something between the client and its connections. It must be called before anything is connected.
func (c *Client) Wrap(f func(net.Conn) net.Conn) { c.wrap = f }
