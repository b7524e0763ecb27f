package chaos

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// proxy stands between the detectors and one broker.
type proxy struct {
	target string

	mu     sync.Mutex
	conns  map[net.Conn]bool
	halted int           // times that it was halted and not resumed
	open   chan struct{} // closed while bytes pass
}

// newProxy listens at an address until the test ends.
func newProxy(t testing.TB, address, target string) *proxy {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{target: target, conns: map[net.Conn]bool{}, open: make(chan struct{})}
	close(p.open)
	t.Cleanup(func() {
		_ = l.Close()
		p.close()
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.connect(c)
		}
	}()
	return p
}

func (p *proxy) connect(client net.Conn) {
	broker, err := net.DialTimeout("tcp", p.target, 5*time.Second)
	if err != nil {
		reset(client)
		return
	}
	p.mu.Lock()
	p.conns[client], p.conns[broker] = true, true
	p.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() { p.carry(client, broker) })
	wg.Go(func() { p.carry(broker, client) })
	wg.Wait()
	p.mu.Lock()
	delete(p.conns, client)
	delete(p.conns, broker)
	p.mu.Unlock()
}

// carry moves bytes one way until one side ends, then ends the other.
func (p *proxy) carry(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		open := p.open
		p.mu.Unlock()
		<-open
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				reset(to)
			}
			return
		}
	}
}

// cut breaks all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		reset(c)
	}
}

// halt has nothing pass any more, as when a network is away without a word.
func (p *proxy) halt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.halted++; p.halted == 1 {
		p.open = make(chan struct{})
	}
}

// resume undoes a halt: what waits passes, and what comes.
func (p *proxy) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.halted--; p.halted == 0 {
		close(p.open)
	}
}

// close ends all connections.
func (p *proxy) close() {
	p.mu.Lock()
	if p.halted > 0 {
		p.halted = 0
		close(p.open)
	}
	p.mu.Unlock()
	p.cut()
}

// reset closes a connection without the farewell of TCP.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}
