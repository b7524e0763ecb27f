package detect

import (
	"testing"
	"unsafe"

	"github.com/freshet-dev/freshet/ingest"
)

// Names in records are parts of the messages that they came with, so a count must not keep the one it was last given.
func TestCountsKeepNoMessage(t *testing.T) {
	counts := serviceCounts{}
	var given []string
	for range 3 {
		name := string([]byte("payment of a shop")) // another copy each time, as another message has
		given = append(given, name)
		r := ingest.Record{Resource: &ingest.Resource{Attributes: ingest.Attrs{{Key: "service.name", Value: ingest.StringValue(name)}}}, Scope: &ingest.Scope{}}
		counts.add(&r, 2)
	}
	for kept, n := range counts {
		if *n != 6 {
			t.Errorf("%s was counted %d times, expected 6", kept, *n)
		}
		for i, name := range given {
			if unsafe.StringData(kept) == unsafe.StringData(name) {
				t.Errorf("the name of message %d is kept", i)
			}
		}
	}
}
