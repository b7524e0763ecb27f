package memory

import "runtime/metrics"

// The parts of a process's memory, as package runtime/metrics names them.
const (
	total    = "/memory/classes/total:bytes"
	released = "/memory/classes/heap/released:bytes" // given back to the system
	free     = "/memory/classes/heap/free:bytes"     // could be given back
	objects  = "/memory/classes/heap/objects:bytes"  // alive, or dead and not collected yet
	live     = "/gc/heap/live:bytes"                 // alive when they were last looked through
	cycles   = "/gc/cycles/total:gc-cycles"
)

// gauge reads how much memory is in use.
type gauge struct {
	samples []metrics.Sample
}

func newGauge() *gauge {
	g := &gauge{}
	for _, name := range []string{total, released, free, objects, live, cycles} {
		g.samples = append(g.samples, metrics.Sample{Name: name})
	}
	return g
}

// read returns the bytes that the process cannot do without: what was alive at the last garbage collection, and what the
// heap and the runtime need around it. Garbage is not counted, since Go lets it grow up to the limit before it looks.
func (g *gauge) read() (use int64, collections uint64) {
	metrics.Read(g.samples)
	v := map[string]uint64{}
	for _, s := range g.samples {
		if s.Value.Kind() == metrics.KindUint64 {
			v[s.Name] = s.Value.Uint64()
		}
	}
	alive := min(v[live], v[objects])
	use = int64(v[total]) - int64(v[released]) - int64(v[free]) - int64(v[objects]) + int64(alive) // far below 2^63
	return use, v[cycles]
}
