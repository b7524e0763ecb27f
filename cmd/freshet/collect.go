package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// usualHeap is how large the heap may grow before it is collected at all. What is fetched from Kafka is garbage a moment
// later, so beside a small heap the collector would run all the time, which costs a fifth of what reading a topic does.
const usualHeap = 64 << 20

// collectLate has the garbage collector leave a heap below a size alone; a larger one is collected as ever, when it has
// doubled, and a memory limit counts as ever. GOGC in the environment takes precedence.
func collectLate(size uint64) {
	if os.Getenv("GOGC") == "" {
		tune(size)
	}
}

// tune sets the growth after which the next collection begins, and does so again after each.
func tune(size uint64) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	debug.SetGCPercent(growth(max(live[0].Value.Uint64(), 1), size))
	runtime.AddCleanup(new([16]byte), tune, size) // which is garbage at once, and so tells of the next collection
}

// growth returns by how many percent a heap may grow until it has a size, or has doubled. It is bounded, because the
// setting holds also for a heap that has just become larger, until the next call.
func growth(live, size uint64) int {
	return int(min(max(size*100/live, 200)-100, 300))
}
