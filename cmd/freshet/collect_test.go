package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestGrowth(t *testing.T) {
	for _, c := range []struct {
		live, size uint64
		want       int
	}{{1 << 20, 64 << 20, 300}, {20 << 20, 64 << 20, 220}, {32 << 20, 64 << 20, 100}, {1 << 30, 64 << 20, 100}} {
		if got := growth(c.live, c.size); got != c.want {
			t.Errorf("a heap of %d bytes may grow by %d %%, expected %d %%", c.live, got, c.want)
		}
	}
}

// A heap that has grown is collected when it has doubled, and when it has shrunk again it is left alone as before.
func TestCollectorFollowsTheHeap(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Cleanup(func() { debug.SetGCPercent(100) })
	collectLate(usualHeap)
	held := make([]byte, usualHeap)
	percent(t, func(p uint64) bool { return p == 100 })
	runtime.KeepAlive(held)
	percent(t, func(p uint64) bool { return p > 150 })
}

// percent waits until the collector's setting is as expected, after collections.
func percent(t *testing.T, expected func(uint64) bool) {
	t.Helper()
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	for deadline := time.Now().Add(10 * time.Second); ; {
		runtime.GC()
		metrics.Read(sample)
		if expected(sample[0].Value.Uint64()) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the collector's setting is %d %%", sample[0].Value.Uint64())
		}
	}
}
