package chaos

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/freshet-dev/freshet/rules/label"
)

const (
	// firesFor is how long each alert of the load fires, every how often another group begins.
	firesFor, every = 3 * time.Second, 100 * time.Millisecond
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
func (c *alerters) load(stop <-chan struct{}) groups {
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
		group := all.add(1)
		c.fire(group, 0)
		ends.Go(func() {
			wait(c.t.Context(), firesFor)
			c.end(group, 0)
		})
	}
}

func (c *alerters) fire(group string, i int) {
	c.detector.Fire(label.AlertName, "Load", "group", group, "name", member(group, i))
}

func (c *alerters) end(group string, i int) {
	c.detector.End(label.AlertName, "Load", "group", group, "name", member(group, i))
}
