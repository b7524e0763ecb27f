package kafka

import (
	"sync/atomic"
	"time"
)

// lease is when the group last said that this process is a member, by the time at which it was asked. Others are given the
// partitions no sooner than a session timeout after that. It is safe for concurrent use.
type lease struct {
	began   time.Time // what renewed counts from, so that changes of the clock do not show
	renewed atomic.Int64
}

func newLease() *lease { return &lease{began: time.Now().Add(-time.Nanosecond)} }

func (l *lease) renew(asked time.Time) { l.renewed.Store(int64(asked.Sub(l.began))) }

func (l *lease) end() { l.renewed.Store(0) }

// within says whether it was renewed no longer ago than d.
func (l *lease) within(d time.Duration) bool {
	at := l.renewed.Load()
	return at > 0 && time.Since(l.began)-time.Duration(at) <= d
}
