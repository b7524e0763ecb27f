package chaos

import (
	"math/rand/v2"
	"sync"
	"time"
)

// step is a moment of a send.
type step int

const (
	beforeReceipt step = iota // the request has come and is not taken
	beforeAnswer              // it is taken, and the answer is not sent
	afterAnswer               // the answer is on its way
	anyTime                   // some time after it
	allSteps
)

// restTime is the longest time after a send at which anyTime is.
const restTime = 400 * time.Millisecond

// String names the step.
func (s step) String() string {
	return [...]string{"the receipt of a request", "the answer to a request", "the end of a send", "any time"}[s]
}

// trap has something done to a process at a step of one of its next sends.
type trap struct {
	mu     sync.Mutex
	spring func(process int) (lives bool)
	at     step
}

// arm sets the trap.
func (t *trap) arm(at step, spring func(process int) (lives bool)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at, t.spring = at, spring
}

// kills springs the trap if it is due at a step of a process's send, and says whether the process is gone: then it takes no
// answer any more.
func (t *trap) kills(at step, process int) bool {
	spring := t.due(at)
	return spring != nil && !spring(process)
}

// due hands out what is to be done if it is due at a step.
func (t *trap) due(at step) func(process int) (lives bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.spring == nil || t.at != at {
		return nil
	}
	spring := t.spring
	t.spring = nil
	return spring
}

// after springs the trap once a send is over: at its end, or some time later.
func (t *trap) after(process int) {
	if spring := t.due(afterAnswer); spring != nil {
		go spring(process)
	}
	if spring := t.due(anyTime); spring != nil {
		time.AfterFunc(rand.N(restTime), func() { spring(process) })
	}
}
