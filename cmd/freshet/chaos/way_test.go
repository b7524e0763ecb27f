package chaos

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

// what is done to the active alerter.
type what int

const (
	restarted what = iota // it is killed, and started again at once
	replaced              // it is killed, and started again when the one that stood by has sent
	stopped               // it is stopped until the one that stood by has sent, and goes on then
	// leaderless: the broker that leads the topic of what was sent and is to be sent is killed, and started again. On three
	// nodes of real Kafka alone, and in a long run.
	leaderless
)

const allWhats = int(leaderless) + 1

// String names it.
func (w what) String() string {
	return [...]string{"killed and started again", "killed until the other one sent", "stopped until the other one sent", "left without its broker"}[w]
}

// way is a way in which the active alerter is disturbed.
type way struct {
	what  what
	at    step
	slack bool // of a send to Slack, else to the webhook
}

// moments are all steps of a send to either receiver.
const moments = int(allSteps) * 2

// waysOf draws so many ways, each once before any comes again.
func waysOf(r *rand.Rand, count int, brokers bool) (out []way) {
	whats := int(leaderless)
	if brokers {
		whats = allWhats
	}
	for len(out) < count {
		for _, n := range r.Perm(whats * moments) {
			out = append(out, way{what(n / moments), step(n % int(allSteps)), n%moments >= int(allSteps)})
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
	c.gate.wake(nobody)
	sprung := make(chan int)
	trap.arm(w.at, func(process int) (lives bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		switch w.what {
		case stopped:
			c.now[process].Signal(syscall.SIGSTOP)
			lives = true
		case leaderless:
			c.killLeader()
			lives = true
		default:
			c.now[process].Kill()
		}
		if w.what == restarted {
			c.start(process)
		}
		sprung <- process
		return lives
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
	if w.what == leaderless {
		return c.withoutLeader()
	}
	begin, other := time.Now(), 1-one
	before := c.hook.asked(other)
	harness.Eventually(c.t, time.Minute, "the standby sends", func() bool { return c.hook.asked(other) > before })
	took = time.Since(begin)
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.what == stopped {
		c.hook.wake(one)
		c.gate.wake(one)
		c.now[one].Signal(syscall.SIGCONT)
		return took
	}
	c.start(one)
	return took
}

// killLeader kills the broker that leads the alerter's own topic: what was decided to be sent is there, what came of it is not.
func (c *alerters) killLeader() {
	leader, err := kafkatest.Cluster{Brokers: c.kafka.brokers}.Leader(c.namespace+".notifications", 0)
	if err == nil {
		c.leader = int(leader) - 1 // Kafka counts from 1
		err = c.kafka.node("kill", c.leader)
	}
	if err != nil {
		c.t.Errorf("killing the broker that leads: %v", err)
	}
}

// withoutLeader waits until somebody sends again, and starts the broker. It returns how long that took.
func (c *alerters) withoutLeader() time.Duration {
	c.t.Helper()
	begin, before := time.Now(), c.hook.asked(0)+c.hook.asked(1)
	harness.Eventually(c.t, 2*time.Minute, "somebody sends with one broker less", func() bool { return c.hook.asked(0)+c.hook.asked(1) > before+inFlight })
	took := time.Since(begin)
	if err := c.kafka.restart(c.leader); err != nil {
		c.t.Errorf("starting the broker again: %v", err)
	}
	return took
}
