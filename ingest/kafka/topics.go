package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/IBM/sarama"
)

// TopicSpec says how a topic should be.
type TopicSpec struct {
	Name       string
	Partitions int32
	// Replication is the number of replicas of each partition; 0 leaves it to the brokers' default.replication.factor,
	// and VerifyTopics then does not look at it.
	Replication int16
	// Config holds the topic's own settings by their names in Kafka, such as cleanup.policy.
	Config map[string]string
}

// TopicResult is what CreateTopics did about one topic.
type TopicResult struct {
	Topic string
	// Created is true if the topic was made now, false if it was there already or could not be made.
	Created bool
	// Err says why the topic could not be made.
	Err error
}

// Difference is one way in which a topic is not as its TopicSpec says.
type Difference struct {
	Topic string
	// Key is "topic" if there is no such topic, "partitions", "replication.factor", or the name of a setting.
	Key        string
	Want, Have string
}

// String returns the difference as a line for people.
func (d Difference) String() string {
	return fmt.Sprintf("topic %s: %s: want %s, have %s", d.Topic, d.Key, d.Want, d.Have)
}

// CreateTopics makes the topics that are not there yet and leaves the others as they are. It returns a result for each
// spec, in their order, and the errors of all of them joined. When it returns, the topics it made can be written to.
func (c *Client) CreateTopics(ctx context.Context, specs []TopicSpec) ([]TopicResult, error) {
	cl, err := c.connect(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("creating topics: %w", err)
	}
	defer disconnect(cl)
	if err := c.known(ctx, cl, specs); err != nil {
		return nil, fmt.Errorf("creating topics: %w", err)
	}
	admin, err := sarama.NewClusterAdminFromClient(cl)
	if err != nil {
		return nil, fmt.Errorf("creating topics: %w", err)
	}
	results := make([]TopicResult, len(specs))
	var errs []error
	for i, s := range specs {
		results[i].Topic = s.Name
		if _, err := cl.Partitions(s.Name); err == nil {
			continue
		}
		results[i].Created, results[i].Err = c.createTopic(ctx, cl, admin, s)
		if results[i].Err != nil {
			errs = append(errs, results[i].Err)
		}
	}
	return results, errors.Join(errs...)
}

func (c *Client) createTopic(ctx context.Context, cl sarama.Client, admin sarama.ClusterAdmin, s TopicSpec) (bool, error) {
	detail := &sarama.TopicDetail{NumPartitions: s.Partitions, ReplicationFactor: s.Replication, ConfigEntries: map[string]*string{}}
	if s.Replication == 0 {
		detail.ReplicationFactor = -1
	}
	for k, v := range s.Config {
		detail.ConfigEntries[k] = &v
	}
	err := admin.CreateTopic(s.Name, detail, false)
	switch {
	case errors.Is(err, sarama.ErrTopicAlreadyExists): // made by another process between our look and our request
		return false, nil
	case errors.Is(err, sarama.ErrInvalidReplicationFactor):
		return false, fmt.Errorf("creating topic %s: replication factor %d is more than there are brokers: %w", s.Name, s.Replication, err)
	case errors.Is(err, sarama.ErrTopicAuthorizationFailed), errors.Is(err, sarama.ErrClusterAuthorizationFailed):
		return false, fmt.Errorf("creating topic %s: the user needs the permission CREATE on it, or someone else creates it: %w", s.Name, err)
	case err != nil:
		return false, fmt.Errorf("creating topic %s: %w", s.Name, err)
	}
	// The brokers learn of a topic one after the other.
	for wait := newBackoff(5*time.Millisecond, 200*time.Millisecond); ; {
		if err = cl.RefreshMetadata(s.Name); err == nil {
			var ids []int32
			if ids, err = cl.WritablePartitions(s.Name); err == nil && len(ids) == int(s.Partitions) {
				return true, nil
			}
		}
		if !wait.sleep(ctx) {
			return true, fmt.Errorf("creating topic %s: waiting for its leaders: %w", s.Name, errors.Join(ctx.Err(), err))
		}
	}
}

// VerifyTopics returns how the topics differ from their specs, in the order of the specs. Settings that a spec does not
// name are not looked at.
func (c *Client) VerifyTopics(ctx context.Context, specs []TopicSpec) ([]Difference, error) {
	cl, err := c.connect(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("verifying topics: %w", err)
	}
	defer disconnect(cl)
	if err := c.known(ctx, cl, specs); err != nil {
		return nil, fmt.Errorf("verifying topics: %w", err)
	}
	admin, err := sarama.NewClusterAdminFromClient(cl)
	if err != nil {
		return nil, fmt.Errorf("verifying topics: %w", err)
	}
	var diffs []Difference
	for _, s := range specs {
		d, err := verifyTopic(cl, admin, s)
		if err != nil {
			return nil, fmt.Errorf("verifying topic %s: %w", s.Name, err)
		}
		diffs = append(diffs, d...)
	}
	return diffs, nil
}

func verifyTopic(cl sarama.Client, admin sarama.ClusterAdmin, s TopicSpec) ([]Difference, error) {
	ids, err := cl.Partitions(s.Name)
	if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		return []Difference{{Topic: s.Name, Key: "topic", Want: "present", Have: "missing"}}, nil
	}
	if err != nil {
		return nil, err
	}
	var diffs []Difference
	differ := func(key, want, have string) {
		if want != have {
			diffs = append(diffs, Difference{Topic: s.Name, Key: key, Want: want, Have: have})
		}
	}
	differ("partitions", strconv.Itoa(int(s.Partitions)), strconv.Itoa(len(ids)))
	if s.Replication > 0 && len(ids) > 0 {
		replicas, err := cl.Replicas(s.Name, ids[0])
		if err != nil && !errors.Is(err, sarama.ErrReplicaNotAvailable) {
			return nil, err
		}
		differ("replication.factor", strconv.Itoa(int(s.Replication)), strconv.Itoa(len(replicas)))
	}
	if len(s.Config) == 0 {
		return diffs, nil
	}
	results, err := admin.DescribeConfigs([]*sarama.ConfigResource{
		{Type: sarama.TopicResource, Name: s.Name, ConfigNames: slices.Sorted(maps.Keys(s.Config))},
	}, sarama.DescribeConfigsOptions{})
	if err != nil {
		return nil, err
	}
	have := make(map[string]string, len(s.Config))
	for _, r := range results {
		if err := check(sarama.KError(r.ErrorCode)); err != nil {
			return nil, err
		}
		for _, e := range r.Configs {
			have[e.Name] = e.Value
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.Config)) {
		v, ok := have[key]
		if !ok {
			v = "unknown to this broker"
		}
		differ(key, s.Config[key], v)
	}
	return diffs, nil
}

// known fetches the metadata of the specs' topics; that some do not exist is no error.
func (c *Client) known(ctx context.Context, cl sarama.Client, specs []TopicSpec) error {
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = s.Name
	}
	if len(names) == 0 {
		return nil
	}
	err := cl.RefreshMetadata(names...)
	if over(ctx, err) {
		return ctx.Err()
	}
	if err == nil || errors.Is(err, sarama.ErrUnknownTopicOrPartition) || errors.Is(err, sarama.ErrLeaderNotAvailable) {
		c.health.good()
		return nil
	}
	c.failed(err)
	return err
}

// Partitions returns the number of partitions of a topic, 0 if there is no such topic.
func (c *Client) Partitions(ctx context.Context, topic string) (int32, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n, err := partitions(c.main, topic)
	if err != nil {
		c.failed(err)
		return 0, fmt.Errorf("asking for the partitions of topic %s: %w", topic, err)
	}
	return n, nil
}

// partitions asks a broker for the number of partitions of a topic, 0 if there is no such topic.
func partitions(cl sarama.Client, topic string) (int32, error) {
	err := cl.RefreshMetadata(topic)
	if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		return 0, nil
	}
	if err != nil && !errors.Is(err, sarama.ErrLeaderNotAvailable) {
		return 0, err
	}
	ids, err := cl.Partitions(topic)
	if err != nil {
		return 0, err
	}
	return int32(len(ids)), nil // Kafka counts partitions in int32
}
