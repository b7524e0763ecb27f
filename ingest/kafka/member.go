package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

const (
	protocolType     = "consumer"
	protocolName     = "freshet-sticky"
	rebalanceTimeout = 20 * time.Second

	sameInstance = "another process uses the same instance name in this group; give each its own"
)

// member is this process in a consumer group, of the classic protocol, static.
type member struct {
	c               *Client
	cl              sarama.Client
	log             *slog.Logger
	group, instance string
	topics          []string
	match           func(topic string) bool // others that are read; nil for none
	session         time.Duration           // without a heartbeat for so long, others take over
	// counts are the partitions of each topic as this member knows them. They are part of what it says when it joins, so
	// that a change of them has the group balanced anew, whoever notices.
	counts map[string]int32

	id         string
	generation int32 // in which claims was given, -1 before the first
	claims     []topicPartition
	lease      *lease
}

// join enters the group, or its next generation, and returns the partitions of this member, sorted. kept says that those
// it had before and has again were its own all the time. It is tried until ctx ends.
func (m *member) join(ctx context.Context) (kept bool, err error) {
	id, before := m.id, m.generation
	complained := false
	for wait := newBackoff(50*time.Millisecond, 2*time.Second); ; {
		claims, current, err := m.joinOnce()
		switch {
		case err == nil:
			m.c.health.good()
			m.claims, m.generation = claims, current
			return id == m.id && unbroken(before, current), nil
		case ctx.Err() != nil:
			return false, ctx.Err()
		case errors.Is(err, sarama.ErrMemberIdRequired):
			continue // the id that we shall have came with the answer
		case errors.Is(err, sarama.ErrUnknownMemberId):
			m.c.failed(err)
			m.forget()
			continue
		case errors.Is(err, sarama.ErrFencedInstancedId):
			m.c.failed(err)
			m.forget()
			if !complained {
				complained = true
				m.log.Error(sameInstance, "instance", m.instance)
			}
			if !sleep(ctx, m.session/2) {
				return false, ctx.Err()
			}
			continue
		case errors.Is(err, sarama.ErrRebalanceInProgress), errors.Is(err, sarama.ErrIllegalGeneration):
			m.c.m.failed(membership)
		default:
			if k := m.c.failed(err); (k == authorization || k == data) && !complained {
				complained = true
				m.log.Error("Kafka refuses to let this process join its group, trying again", "err", err)
			}
			_ = m.cl.RefreshCoordinator(m.group)
		}
		if !wait.sleep(ctx) {
			return false, ctx.Err()
		}
	}
}

// unbroken says whether what was owned in one generation and is owned in another was so all the time: no generation
// passed between them, in which others may have owned it.
func unbroken(before, now int32) bool { return before >= 0 && (now == before || now == before+1) }

// forget gives up the membership: what was owned may belong to others.
func (m *member) forget() {
	m.id, m.claims, m.generation = "", nil, -1
	m.lease.end()
}

func (m *member) instanceID() *string {
	if m.instance == "" {
		return nil
	}
	return &m.instance
}

func (m *member) joinOnce() ([]topicPartition, int32, error) {
	b, err := m.cl.Coordinator(m.group)
	if err != nil {
		return nil, 0, err
	}
	req := sarama.NewJoinGroupRequest(m.cl.Config().Version)
	req.GroupId, req.MemberId, req.GroupInstanceId = m.group, m.id, m.instanceID()
	req.SessionTimeout = int32(m.session / time.Millisecond) // seconds
	req.RebalanceTimeout = int32(rebalanceTimeout / time.Millisecond)
	req.ProtocolType = protocolType
	err = req.AddGroupProtocolMetadata(protocolName, &sarama.ConsumerGroupMemberMetadata{
		Version: 2, Topics: slices.Sorted(maps.Keys(m.counts)), UserData: encodeCounts(m.counts),
		OwnedPartitions: ownedPartitions(m.claims), GenerationID: m.generation,
	})
	if err != nil {
		return nil, 0, err
	}
	join, err := b.JoinGroup(req)
	if err != nil {
		return nil, 0, err
	}
	if join.Err == sarama.ErrMemberIdRequired {
		m.id = join.MemberId
	}
	if err := check(join.Err); err != nil {
		return nil, 0, err
	}
	m.id = join.MemberId
	sync := &sarama.SyncGroupRequest{
		Version: 5, GroupId: m.group, GenerationId: join.GenerationId, MemberId: m.id, GroupInstanceId: m.instanceID(),
		ProtocolType: new(protocolType), ProtocolName: new(protocolName),
	}
	if join.LeaderId == join.MemberId {
		if err := m.lead(join, sync); err != nil {
			return nil, 0, err
		}
	}
	asked := time.Now()
	res, err := b.SyncGroup(sync)
	if err != nil {
		return nil, 0, err
	}
	if err := check(res.Err); err != nil {
		return nil, 0, err
	}
	m.lease.renew(asked)
	var claims []topicPartition
	if len(res.MemberAssignment) > 0 {
		a, err := res.GetMemberAssignment()
		if err != nil {
			return nil, 0, err
		}
		for topic, ids := range a.Topics {
			for _, id := range ids {
				claims = append(claims, topicPartition{topic, id})
			}
		}
	}
	slices.SortFunc(claims, topicPartition.compare)
	return claims, join.GenerationId, nil
}

// lead balances the group, as the member that the coordinator chose for it.
func (m *member) lead(join *sarama.JoinGroupResponse, sync *sarama.SyncGroupRequest) error {
	metas, err := join.GetMembers()
	if err != nil {
		return err
	}
	counts := maps.Clone(m.counts)
	members := make([]claimant, 0, len(metas))
	for _, g := range join.Members {
		meta := metas[g.MemberId]
		who := claimant{id: g.MemberId, name: g.MemberId, topics: meta.Topics, generation: meta.GenerationID}
		if g.GroupInstanceId != nil {
			who.name = *g.GroupInstanceId
		}
		for _, o := range meta.OwnedPartitions {
			for _, id := range o.Partitions {
				who.owned = append(who.owned, topicPartition{o.Topic, id})
			}
		}
		// Another member may know of more partitions than we do; it would ask for another generation otherwise.
		for topic, n := range decodeCounts(meta.UserData) {
			counts[topic] = max(counts[topic], n)
		}
		members = append(members, who)
	}
	for id, claims := range balance(members, counts) {
		a := &sarama.ConsumerGroupMemberAssignment{Topics: map[string][]int32{}}
		for _, tp := range claims {
			a.Topics[tp.topic] = append(a.Topics[tp.topic], tp.id)
		}
		if err := sync.AddGroupAssignmentMember(id, a); err != nil {
			return err
		}
	}
	return nil
}

// interval is the time between heartbeats.
func (m *member) interval() time.Duration { return min(time.Second, m.session/4) }

// heartbeat tells the coordinator that the member lives; an error of class generation says that it has to join again.
func (m *member) heartbeat(cl sarama.Client, id string, generation int32) error {
	b, err := cl.Coordinator(m.group)
	if err != nil {
		return err
	}
	asked := time.Now()
	res, err := b.Heartbeat(&sarama.HeartbeatRequest{
		Version: 4, GroupId: m.group, GenerationId: generation, MemberId: id, GroupInstanceId: m.instanceID(),
	})
	if err != nil {
		return err
	}
	err = check(res.Err)
	if err == nil {
		m.lease.renew(asked)
	}
	return err
}

// leased says that others cannot have been given the partitions.
func (m *member) leased() bool { return m.lease.within(m.session) }

// confirm asks the coordinator whether the partitions are still this member's, if others can have been given them: a process may
// have been stopped for so long.
func (m *member) confirm(cl sarama.Client) error {
	if m.leased() {
		return nil
	}
	err := m.heartbeat(cl, m.id, m.generation)
	switch {
	case err == nil, errors.Is(err, sarama.ErrRebalanceInProgress): // that is still to come
		return nil
	case classify(err) == membership:
		return fmt.Errorf("%w: %w", errTaken, err)
	default:
		_ = cl.RefreshCoordinator(m.group)
		return err
	}
}

// leave gives the partitions to the other members at once.
func (m *member) leave(cl sarama.Client) error {
	if m.id == "" {
		return nil
	}
	b, err := cl.Coordinator(m.group)
	if err != nil {
		return err
	}
	res, err := b.LeaveGroup(&sarama.LeaveGroupRequest{Version: 4, GroupId: m.group, Members: []sarama.MemberIdentity{
		{MemberId: m.id, GroupInstanceId: m.instanceID()},
	}})
	if err != nil {
		return err
	}
	return check(res.Err)
}

// look asks for the number of partitions of the topics. One that is named and is not there counts 0.
func (m *member) look(cl sarama.Client) (map[string]int32, error) {
	return look(cl, m.topics, m.match)
}

func ownedPartitions(claims []topicPartition) []*sarama.OwnedPartition {
	var owned []*sarama.OwnedPartition
	for _, tp := range claims { // sorted
		if len(owned) == 0 || owned[len(owned)-1].Topic != tp.topic {
			owned = append(owned, &sarama.OwnedPartition{Topic: tp.topic})
		}
		last := owned[len(owned)-1]
		last.Partitions = append(last.Partitions, tp.id)
	}
	return owned
}

func encodeCounts(counts map[string]int32) []byte {
	var b []byte
	for _, topic := range slices.Sorted(maps.Keys(counts)) {
		b = fmt.Appendf(b, "%s=%d\n", topic, counts[topic])
	}
	return b
}

func decodeCounts(data []byte) map[string]int32 {
	counts := map[string]int32{}
	for line := range strings.Lines(string(data)) {
		topic, n, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if v, err := strconv.ParseInt(n, 10, 32); err == nil && v >= 0 {
			counts[topic] = int32(v)
		}
	}
	return counts
}
