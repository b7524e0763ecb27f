package kafkatest

import (
	"fmt"
	"slices"

	"github.com/IBM/sarama"
)

// MoveLeaders gives each partition of a topic another leader of its replicas, where that one is in sync, and returns how
// many moved. Of __consumer_offsets and __transaction_state that moves the coordinators of groups and of transactions.
func (c Cluster) MoveLeaders(topic string) (int, error) {
	conf := sarama.NewConfig()
	conf.Version = sarama.V4_0_0_0
	admin, err := sarama.NewClusterAdmin(c.Brokers, conf)
	if err != nil {
		return 0, fmt.Errorf("connecting to move the leaders of %s: %w", topic, err)
	}
	defer admin.Close()
	topics, err := admin.DescribeTopics([]string{topic})
	if err != nil {
		return 0, fmt.Errorf("describing %s: %w", topic, err)
	}
	replicas := make([][]int32, len(topics[0].Partitions))
	before := make([]int32, len(replicas))
	ids := make([]int32, len(replicas))
	for _, p := range topics[0].Partitions {
		// The one that follows the leader is preferred from now on.
		at := slices.Index(p.Replicas, p.Leader) + 1
		replicas[p.ID] = append(slices.Clone(p.Replicas[at:]), p.Replicas[:at]...)
		before[p.ID], ids[p.ID] = p.Leader, p.ID
	}
	if err := admin.AlterPartitionReassignments(topic, replicas); err != nil {
		return 0, fmt.Errorf("reordering the replicas of %s: %w", topic, err)
	}
	results, err := admin.ElectLeaders(sarama.PreferredElection, map[string][]int32{topic: ids})
	if err != nil {
		return 0, fmt.Errorf("electing leaders of %s: %w", topic, err)
	}
	moved := 0
	for _, r := range results[topic] {
		if r.ErrorCode == sarama.ErrNoError {
			moved++
		}
	}
	return moved, nil
}

// Leader returns which broker leads a partition.
func (c Cluster) Leader(topic string, partition int32) (int32, error) {
	conf := sarama.NewConfig()
	conf.Version = sarama.V4_0_0_0
	cl, err := sarama.NewClient(c.Brokers, conf)
	if err != nil {
		return 0, fmt.Errorf("connecting to find the leader of %s: %w", topic, err)
	}
	defer cl.Close()
	b, err := cl.Leader(topic, partition)
	if err != nil {
		return 0, fmt.Errorf("finding the leader of %s: %w", topic, err)
	}
	return b.ID(), nil
}
