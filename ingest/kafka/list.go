package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/IBM/sarama"
)

// goneAfter is how many looks in a row, a second apart, must miss a topic before it counts as deleted: a broker that has
// just started may not know of all topics yet.
const goneAfter = 5

// Topics returns the number of partitions of the named topics, 0 of those that do not exist, and of all others that
// match. match may be nil.
func (c *Client) Topics(ctx context.Context, named []string, match func(topic string) bool) (map[string]int32, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	counts, err := look(c.main, named, match)
	if err != nil {
		c.failed(err)
		return nil, err
	}
	c.health.good()
	return counts, nil
}

// look asks for the number of partitions of the named topics and of all others that match.
func look(cl sarama.Client, named []string, match func(topic string) bool) (map[string]int32, error) {
	counts := make(map[string]int32, len(named))
	for _, topic := range named {
		n, err := partitions(cl, topic)
		if err != nil {
			return nil, fmt.Errorf("asking for the partitions of topic %s: %w", topic, err)
		}
		counts[topic] = n
	}
	if match == nil {
		return counts, nil
	}
	if err := cl.RefreshMetadata(); err != nil && !errors.Is(err, sarama.ErrLeaderNotAvailable) {
		return nil, fmt.Errorf("asking for all topics: %w", err)
	}
	all, err := cl.Topics()
	if err != nil {
		return nil, fmt.Errorf("asking for all topics: %w", err)
	}
	for _, topic := range all {
		if _, known := counts[topic]; known || !match(topic) {
			continue
		}
		ids, err := cl.Partitions(topic)
		if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
			continue // deleted since
		}
		if err != nil {
			return nil, fmt.Errorf("asking for the partitions of topic %s: %w", topic, err)
		}
		counts[topic] = int32(len(ids)) // Kafka counts partitions in int32
	}
	return counts, nil
}

// census follows the partitions of topics from look to look.
type census struct {
	known  map[string]int32
	missed map[string]int // looks in a row without the topic
}

// settle returns what is to be believed after a look: a broker may lag behind, partitions are never taken away, and a
// topic is gone only when it is missed again and again. waiting says that a topic is not there, so that it is worth
// looking again soon.
func (c *census) settle(seen map[string]int32) (believed map[string]int32, waiting bool) {
	believed = make(map[string]int32, len(seen))
	for topic, n := range seen {
		believed[topic] = n
		waiting = waiting || n == 0
	}
	for topic, n := range c.known {
		if seen[topic] > 0 {
			c.missed[topic] = 0
			believed[topic] = max(seen[topic], n)
			continue
		}
		if n == 0 {
			continue
		}
		if c.missed[topic]++; c.missed[topic] < goneAfter {
			believed[topic], waiting = n, true
		}
	}
	return believed, waiting
}
