package kafka_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// flaky is a connection that breaks now and then, before what was sent has been answered.
type flaky struct {
	net.Conn
	odds float64
}

func (f flaky) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	if rand.Float64() < f.odds {
		_ = f.Close()
		return 0, net.ErrClosed
	}
	return n, err
}

// endTxnLoser breaks the connection at every third end of a transaction, after or before it was sent. It knows the
// request by its key.
type endTxnLoser struct {
	net.Conn
	send bool
	lost *atomic.Bool // set when it has broken one
}

func (e *endTxnLoser) Write(p []byte) (int, error) {
	endTxn := len(p) > 8 && bytes.Equal(p[4:6], []byte{0, 26})
	if !endTxn || rand.IntN(3) > 0 {
		return e.Conn.Write(p)
	}
	defer e.lost.Store(true)
	if e.send {
		if _, err := e.Conn.Write(p); err != nil {
			return 0, err
		}
		time.Sleep(5 * time.Millisecond) // the broker gets it before the connection breaks
	}
	_ = e.Close()
	return 0, net.ErrClosed
}

// breaker is a connection that breaks when a request is to be sent that it does not let pass.
type breaker struct {
	net.Conn
	breaks func(key int16) bool
}

func (b breaker) Write(p []byte) (int, error) {
	if len(p) > 8 && b.breaks(int16(binary.BigEndian.Uint16(p[4:6]))) {
		_ = b.Close()
		return 0, net.ErrClosed
	}
	return b.Conn.Write(p)
}

// stopper is a connection of a process that stops after a request: then it sends and receives nothing until it goes on, and finds
// that the time for an answer is over.
type stopper struct {
	net.Conn
	stopped *sync.RWMutex // locked while it is
	stops   func(key int16) bool
	limit   atomic.Int64 // of reads, as Unix time in nanoseconds
}

func (s *stopper) Write(p []byte) (int, error) {
	if len(p) > 8 && s.stops(int16(binary.BigEndian.Uint16(p[4:6]))) {
		s.stopped.Lock()
	} else {
		s.stopped.RLock()
		defer s.stopped.RUnlock()
	}
	return s.Conn.Write(p)
}

func (s *stopper) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	s.stopped.RLock()
	defer s.stopped.RUnlock()
	if limit := s.limit.Load(); limit > 0 && time.Now().UnixNano() > limit {
		return 0, os.ErrDeadlineExceeded
	}
	return n, err
}

func (s *stopper) SetReadDeadline(t time.Time) error {
	s.limit.Store(max(0, t.UnixNano()))
	return s.Conn.SetReadDeadline(t)
}
