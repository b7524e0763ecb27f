package slack

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/freshet-dev/freshet/alert"
)

const (
	// maxOwed bounds the edits that are owed; of more the oldest are left.
	maxOwed = 1000
	// owedPause is how long is waited after an edit that failed, owedTries how many may fail one after the other.
	owedPause = 30 * time.Second
	owedTries = 5
)

// owed are messages whose alerts are over, as a digest has told, and that still say that they fire. They are brought up to
// date when nobody else wants to write, the newest first. What they will say is final, as the next incident gets a message of
// its own: no edit is too late.
type owed struct {
	mu   sync.Mutex
	list []*alert.Notification
	busy bool
}

// owe has messages brought up to date some time. It ends by itself: when there is nothing left, when edits keep failing, or when
// another process is the active alerter.
func (c *channel) owe(ns []*alert.Notification) {
	o := &c.n.owed
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = append(o.list, ns...)
	o.list = slices.Delete(o.list, 0, max(0, len(o.list)-maxOwed))
	if len(o.list) > 0 && !o.busy {
		o.busy = true
		go c.payOff() //nolint:contextcheck // it outlasts the attempt that it follows from
	}
}

// next takes the newest out.
func (o *owed) next() *alert.Notification {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.list) == 0 {
		o.busy = false
		return nil
	}
	n := o.list[len(o.list)-1]
	o.list = o.list[:len(o.list)-1]
	return n
}

// drop forgets all and returns how many that were.
func (o *owed) drop() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(o.list)
	o.list, o.busy = nil, false
	return n
}

func (c *channel) payOff() {
	ctx := context.Background()
	for failed := 0; ; {
		n := c.n.owed.next()
		if n == nil {
			return
		}
		err := c.bringOne(ctx, n)
		switch {
		case err == nil, gone(err):
			failed = 0
			continue
		case errors.Is(err, errNotActive):
			c.n.owed.drop() // whoever is active writes now
			return
		}
		if failed++; failed == owedTries {
			_, err = judge(err, c.token)
			c.n.options.Log.Warn("messages of alerts that are over go on saying that they fire; the digest after them tells how things stand",
				"messages", c.n.owed.drop()+1, "error", err)
			return
		}
		c.owe([]*alert.Notification{n})
		time.Sleep(owedPause)
	}
}

// bringOne edits the own message of a group.
func (c *channel) bringOne(ctx context.Context, n *alert.Notification) error {
	at, _ := parseRef(n.Ref)
	m, err := c.n.render(n, true)
	if err != nil {
		return nil //nolint:nilerr // the digest has told of it
	}
	here := &channel{n: c.n, api: c.api, token: c.token, name: at.channel}
	return here.update(ctx, at, m, false)
}
