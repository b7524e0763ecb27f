package chaos

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/freshet-dev/freshet/rules/label"
)

const (
	groupInterval = time.Second
	// every is how often another group begins. One in three has up to mostAlerts, which begin within beginsIn and fire for at
	// least shortest, longer than group_interval, and at most longest: some end before others begin, some together.
	every             = 150 * time.Millisecond
	mostAlerts        = 5
	beginsIn          = 3 * time.Second
	shortest, longest = 2 * time.Second, 5 * time.Second
)

// groups are how many alerts each group of the load has. An alert fires and ends once.
type groups map[string]int

// add makes another group and returns its name.
func (g groups) add(alerts int) string {
	name := "load-" + strconv.Itoa(len(g))
	g[name] = alerts
	return name
}

// alerts counts all alerts.
func (g groups) alerts() int {
	n := 0
	for _, alerts := range g {
		n += alerts
	}
	return n
}

// member is the name of an alert of a group.
func member(group string, i int) string { return fmt.Sprintf("%s.%d", group, i) }

// load has the alerts of a group after the other fire and resolve until stop is closed, and returns the groups.
func (c *alerters) load(r *rand.Rand, stop <-chan struct{}) groups {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var ends sync.WaitGroup
	defer ends.Wait()
	all := groups{}
	for {
		select {
		case <-stop:
			return all
		case <-c.t.Context().Done():
			return all
		case <-tick.C:
		}
		alerts := 1
		if r.IntN(3) == 0 {
			alerts = 2 + r.IntN(mostAlerts-1)
		}
		group := all.add(alerts)
		for i := range alerts {
			begin := time.Duration(0)
			if i > 0 {
				begin = time.Duration(r.Int64N(int64(beginsIn)))
			}
			lasts := shortest + time.Duration(r.Int64N(int64(longest-shortest)))
			ends.Go(func() {
				wait(c.t.Context(), begin)
				c.fire(group, i)
				wait(c.t.Context(), lasts)
				c.end(group, i)
			})
		}
	}
}

func (c *alerters) fire(group string, i int) {
	c.detector.Fire(label.AlertName, "Load", "group", group, "name", member(group, i))
}

func (c *alerters) end(group string, i int) {
	c.detector.End(label.AlertName, "Load", "group", group, "name", member(group, i))
}
