package chaos

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
)

// what is done to the active alerter.
type what int

const (
	restarted what = iota // it is killed, and started again at once
	replaced              // it is killed, and started again when the one that stood by has sent
	stopped               // it is stopped until the one that stood by has sent, and goes on then
	allWhats
)

// String names it.
func (w what) String() string {
	return [...]string{"killed and started again", "killed until the other one sent", "stopped until the other one sent"}[w]
}

// way is a way in which the active alerter is disturbed.
type way struct {
	what  what
	at    step
	slack bool // of a send to Slack, else to the webhook
}

const allWays = int(allWhats) * int(allSteps) * 2

// waysOf draws so many ways, each once before any comes again.
func waysOf(r *rand.Rand, count int) (out []way) {
	for len(out) < count {
		for _, n := range r.Perm(allWays) {
			out = append(out, way{what(n % int(allWhats)), step(n / int(allWhats) % int(allSteps)), n >= allWays/2})
		}
	}
	return out[:count]
}

// String says it in words.
func (w way) String() string {
	where := "the webhook"
	if w.slack {
		where = "Slack"
	}
	return fmt.Sprintf("%s at %s to %s", w.what, w.at, where)
}

// disturb disturbs the process whose send comes to the step of a way. It returns how long it took until the other one sent, 0
// when that is not waited for.
func (c *alerters) disturb(w way) (took time.Duration) {
	c.t.Helper()
	trap := &c.hook.trap
	if w.slack {
		trap = &c.gate.trap
	}
	c.hook.wake(nobody)
	sprung := make(chan int)
	trap.arm(w.at, func(process int) (lives bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if w.what == stopped {
			c.now[process].Signal(syscall.SIGSTOP)
		} else {
			c.now[process].Kill()
		}
		if w.what == restarted {
			c.start(process)
		}
		sprung <- process
		return w.what == stopped
	})
	var one int
	select {
	case one = <-sprung:
	case <-time.After(time.Minute):
		c.t.Fatal("nobody has sent anything for a minute")
	}
	if w.what == restarted {
		return 0
	}
	begin, other := time.Now(), 1-one
	before := c.hook.asked(other)
	harness.Eventually(c.t, time.Minute, "the standby sends", func() bool { return c.hook.asked(other) > before })
	took = time.Since(begin)
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.what == stopped {
		c.hook.wake(one)
		c.now[one].Signal(syscall.SIGCONT)
		return took
	}
	c.start(one)
	return took
}
