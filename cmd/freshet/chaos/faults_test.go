package chaos

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
)

// fault is what a receiver does to a request in the place of taking and answering it.
type fault int

const (
	none    fault = iota
	limited       // it asks to be left alone for a second
	broken        // it answers that something is wrong with it
	deaf          // it neither takes nor answers it
	mute          // it takes it and does not answer
	cutOff        // it takes it and breaks the connection
	allFaults
)

// String names the fault.
func (f fault) String() string {
	return [...]string{"none", "too many requests", "an error", "no answer", "no answer to what was taken", "a broken connection after it was taken"}[f]
}

// The shares of requests that fail. A digest in doubt is looked for with many reads, all of which must succeed.
const (
	hookFails  = 1. / 30
	writesFail = 1. / 10
	readsFail  = 1. / 100
)

// faults are drawn for requests to a receiver. The zero value makes none.
type faults struct {
	mu   sync.Mutex
	rnd  *rand.Rand
	made [allFaults]int
}

// begin has faults happen in the order of a seed, end has none happen any more.
func (f *faults) begin(seed, receiver uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rnd = rand.New(rand.NewPCG(seed, receiver))
}

func (f *faults) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rnd = nil
}

// draw draws the fault of a request, of which a share fails.
func (f *faults) draw(share float64) fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rnd == nil || f.rnd.Float64() >= share {
		return none
	}
	drawn := 1 + fault(f.rnd.IntN(int(allFaults)-1))
	f.made[drawn]++
	return drawn
}

// String lists the faults that happened.
func (f *faults) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	text := ""
	for i := limited; i < allFaults; i++ {
		text += fmt.Sprintf(", %d times %s", f.made[i], i)
	}
	return text[len(", "):]
}

// instead does what a fault has happen before a request is taken; false means that it is to be taken.
func (f fault) instead(w http.ResponseWriter, r *http.Request) bool {
	switch f {
	case limited:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	case broken:
		w.WriteHeader(http.StatusInternalServerError)
	case deaf:
		<-r.Context().Done() // until the sender loses patience
	default:
		return false
	}
	return true
}

// unanswered does what a fault has happen to a request that was taken; false means that it is to be answered.
func (f fault) unanswered(w http.ResponseWriter, r *http.Request) bool {
	switch f {
	case mute:
		<-r.Context().Done()
	case cutOff:
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			reset(c)
		}
	default:
		return false
	}
	return true
}
