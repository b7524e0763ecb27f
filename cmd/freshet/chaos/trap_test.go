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

// trap has a process killed at a step of one of its next sends.
type trap struct {
	mu   sync.Mutex
	kill func(process int)
	at   step
}

// arm sets the trap.
func (t *trap) arm(at step, kill func(process int)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at, t.kill = at, kill
}

// due hands out the kill if it is due at a step.
func (t *trap) due(at step) func(process int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kill == nil || t.at != at {
		return nil
	}
	kill := t.kill
	t.kill = nil
	return kill
}

// after springs the trap once a send is over: at its end, or some time later.
func (t *trap) after(process int) {
	if kill := t.due(afterAnswer); kill != nil {
		go kill(process)
	}
	if kill := t.due(anyTime); kill != nil {
		time.AfterFunc(rand.N(restTime), func() { kill(process) })
	}
}
