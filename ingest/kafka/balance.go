package kafka

import (
	"cmp"
	"maps"
	"slices"
)

// claimant is a member of a group as the one that balances it sees it.
type claimant struct {
	id         string
	name       string // decides between equals, the same in every generation
	topics     []string
	owned      []topicPartition
	generation int32 // in which owned was given
}

// balance shares the partitions of topics among the members: evenly by topic, then evenly in total, and otherwise as
// they were. Of several members that say they own a partition, the one of the latest generation does; between equals
// nobody does. A topic without subscribers is left out. The result does not depend on the order of anything.
func balance(members []claimant, counts map[string]int32) map[string][]topicPartition {
	members = slices.Clone(members)
	slices.SortFunc(members, func(a, b claimant) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.id, b.id)) })
	b := &balancer{total: make([]int, len(members)), byTopic: map[string][]int{}, owner: map[topicPartition]int{}}
	claims := owners(members)
	for _, topic := range slices.Sorted(maps.Keys(counts)) {
		var able []int
		for i, m := range members {
			if slices.Contains(m.topics, topic) {
				able = append(able, i)
			}
		}
		if len(able) == 0 {
			continue
		}
		b.byTopic[topic] = make([]int, len(members))
		b.share(topic, counts[topic], able, claims)
	}
	b.level(members)
	result := make(map[string][]topicPartition, len(members))
	for _, m := range members {
		result[m.id] = nil
	}
	for _, tp := range slices.SortedFunc(maps.Keys(b.owner), topicPartition.compare) {
		id := members[b.owner[tp]].id
		result[id] = append(result[id], tp)
	}
	return result
}

// owners says which member each partition belongs to now.
func owners(members []claimant) map[topicPartition]int {
	result := map[topicPartition]int{}
	for i, m := range members {
		for _, tp := range m.owned {
			other, taken := result[tp]
			switch {
			case !taken, other >= 0 && members[other].generation < m.generation:
				result[tp] = i
			case other >= 0 && members[other].generation == m.generation:
				result[tp] = -1
			}
		}
	}
	return result
}

type balancer struct {
	total   []int // partitions of each member
	byTopic map[string][]int
	owner   map[topicPartition]int
}

func (b *balancer) give(tp topicPartition, to int) {
	if from, ok := b.owner[tp]; ok {
		b.total[from]--
		b.byTopic[tp.topic][from]--
	}
	b.owner[tp] = to
	b.total[to]++
	b.byTopic[tp.topic][to]++
}

// share gives the partitions of a topic to those who are able: each keeps what it has up to its fair share.
func (b *balancer) share(topic string, n int32, able []int, claims map[topicPartition]int) {
	least, more := int(n)/len(able), int(n)%len(able)
	held := b.byTopic[topic]
	var free []topicPartition
	for id := range n {
		tp := topicPartition{topic, id}
		i, ok := claims[tp]
		if !ok || i < 0 || !slices.Contains(able, i) || held[i] > least || held[i] == least && more == 0 {
			free = append(free, tp)
			continue
		}
		if held[i] == least {
			more--
		}
		b.give(tp, i)
	}
	for _, tp := range free {
		b.give(tp, slices.MinFunc(able, func(x, y int) int {
			return cmp.Or(cmp.Compare(held[x], held[y]), cmp.Compare(b.total[x], b.total[y]), cmp.Compare(x, y))
		}))
	}
}

// level moves partitions from members that have two or more in all above another, where that leaves their topic even.
func (b *balancer) level(members []claimant) {
	parts := slices.SortedFunc(maps.Keys(b.owner), topicPartition.compare)
	for moved := true; moved; {
		moved = false
		for _, tp := range parts {
			from, held := b.owner[tp], b.byTopic[tp.topic]
			for to, m := range members {
				if b.total[from] >= b.total[to]+2 && held[from] > held[to] && slices.Contains(m.topics, tp.topic) {
					b.give(tp, to)
					moved = true
					break
				}
			}
		}
	}
}
