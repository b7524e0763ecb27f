package kafka

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// Keys go where Kafka's own clients put them; the hashes are those of Kafka's test of its Java client.
func TestKeyPartition(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536, "a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, "abc": 479470107,
	} {
		if got := int32(murmur2([]byte(key))); got != want {
			t.Errorf("%s: %d, want %d", key, got, want)
		}
		if p := keyPartition([]byte(key), 7); p != (want&0x7fffffff)%7 {
			t.Errorf("%s: partition %d", key, p)
		}
	}
}

// The field that afterEmpty reads exists in the sarama that is built with; without it reading over compacted gaps would
// still be right, but slow.
func TestAfterEmpty(t *testing.T) {
	t.Parallel()
	if got := afterEmpty(&sarama.FetchResponseBlock{}, 5); got != 5 {
		t.Errorf("an answer without batches moves the position to %d: the field is gone", got)
	}
}

// Whatever the members say they own, every partition has one owner that subscribes to its topic, topics are shared
// evenly among those, and a second balance changes nothing.
func TestBalance(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		counts := map[string]int32{}
		for i := range 1 + r.IntN(3) {
			counts[fmt.Sprint("topic ", i)] = int32(r.IntN(9))
		}
		topics := slices.Sorted(maps.Keys(counts))
		uniform := r.IntN(3) > 0
		members := make([]claimant, 1+r.IntN(5))
		for i := range members {
			m := claimant{id: fmt.Sprint("id ", r.Uint64()), name: fmt.Sprint("name ", i), topics: topics, generation: int32(r.IntN(3))}
			if !uniform {
				m.topics = topics[r.IntN(len(topics)):]
			}
			for range r.IntN(12) {
				m.owned = append(m.owned, topicPartition{topics[r.IntN(len(topics))], int32(r.IntN(12))})
			}
			members[i] = m
		}
		plan := balance(members, counts)
		verifyPlan(t, seed, members, counts, plan, uniform)
		slices.Reverse(members)
		if again := balance(members, counts); !equalPlans(plan, again) {
			t.Errorf("seed %d: the order of the members matters", seed)
		}
		for i := range members {
			members[i].owned, members[i].generation = plan[members[i].id], 7
		}
		if again := balance(members, counts); !equalPlans(plan, again) {
			t.Errorf("seed %d: a balanced group is changed from %v to %v", seed, plan, again)
		}
		if t.Failed() {
			t.Fatalf("members %+v\ncounts %v\nplan %v", members, counts, plan)
		}
	}
}

func equalPlans(a, b map[string][]topicPartition) bool {
	return maps.EqualFunc(a, b, slices.Equal[[]topicPartition])
}

func verifyPlan(t *testing.T, seed uint64, members []claimant, counts map[string]int32, plan map[string][]topicPartition, uniform bool) {
	t.Helper()
	owner := map[topicPartition]string{}
	held := map[string]map[string]int{}
	total := map[string]int{}
	for _, m := range members {
		for _, tp := range plan[m.id] {
			if owner[tp] != "" || !slices.Contains(m.topics, tp.topic) || tp.id >= counts[tp.topic] {
				t.Errorf("seed %d: %v is given to %s wrongly", seed, tp, m.name)
			}
			owner[tp] = m.id
			if held[tp.topic] == nil {
				held[tp.topic] = map[string]int{}
			}
			held[tp.topic][m.id]++
			total[m.id]++
		}
	}
	for topic, n := range counts {
		var shares []int
		for _, m := range members {
			if slices.Contains(m.topics, topic) {
				shares = append(shares, held[topic][m.id])
			}
		}
		if len(shares) == 0 {
			continue
		}
		sum := 0
		for _, s := range shares {
			sum += s
		}
		if sum != int(n) || slices.Max(shares)-slices.Min(shares) > 1 {
			t.Errorf("seed %d: %s with %d partitions is shared as %v", seed, topic, n, shares)
		}
	}
	if uniform {
		var shares []int
		for _, m := range members {
			shares = append(shares, total[m.id])
		}
		if slices.Max(shares)-slices.Min(shares) > 1 {
			t.Errorf("seed %d: the totals are %v", seed, shares)
		}
	}
}

// A member that joins takes only what it must, and one that leaves gives only its own.
func TestBalanceKeeps(t *testing.T) {
	t.Parallel()
	counts := map[string]int32{"a": 6}
	one := claimant{id: "1", name: "1", topics: []string{"a"}, generation: 1}
	two := claimant{id: "2", name: "2", topics: []string{"a"}, generation: 1}
	three := claimant{id: "3", name: "3", topics: []string{"a"}, generation: -1}
	plan := balance([]claimant{one, two}, counts)
	one.owned, two.owned = plan["1"], plan["2"]
	plan = balance([]claimant{one, two, three}, counts)
	for _, m := range []claimant{one, two} {
		for _, tp := range plan[m.id] {
			if !slices.Contains(m.owned, tp) {
				t.Errorf("%v moved to %s", tp, m.id)
			}
		}
	}
	one.owned, two.owned, three.owned, three.generation = plan["1"], plan["2"], plan["3"], 1
	after := balance([]claimant{one, three}, counts)
	for _, tp := range append(slices.Clone(one.owned), three.owned...) {
		if !slices.Contains(append(slices.Clone(after["1"]), after["3"]...), tp) {
			t.Errorf("%v was lost", tp)
		}
	}
	for _, tp := range one.owned {
		if !slices.Contains(after["1"], tp) {
			t.Errorf("%v moved without need", tp)
		}
	}
	// Of two that claim the same, the later generation has it.
	one.owned, one.generation = []topicPartition{{"a", 0}}, 5
	two.owned, two.generation = []topicPartition{{"a", 0}}, 6
	if plan = balance([]claimant{one, two}, counts); !slices.Contains(plan["2"], topicPartition{"a", 0}) {
		t.Errorf("the older claim won: %v", plan)
	}
}

func FuzzCounts(f *testing.F) {
	f.Add([]byte("a=1\nb=20\n"))
	f.Add([]byte("=\na=-1\n\xff=9999999999"))
	f.Fuzz(func(t *testing.T, data []byte) {
		counts := decodeCounts(data)
		for topic, n := range counts {
			if n < 0 {
				t.Errorf("%q: %d", topic, n)
			}
		}
		if again := decodeCounts(encodeCounts(counts)); !maps.Equal(counts, again) {
			t.Errorf("%v became %v", counts, again)
		}
	})
}

func TestMarks(t *testing.T) {
	t.Parallel()
	for _, metadata := range []string{"", "x", "binary \x1f inside"} {
		m := withMark(metadata, "abc1")
		if withoutMark(m) != metadata || !marked(m, "abc1") || marked(m, "abc2") || marked(m, "bc1") {
			t.Errorf("%q became %q", metadata, m)
		}
	}
	if withoutMark("by another client") != "by another client" {
		t.Error("metadata without a mark changed")
	}
}

func TestSequenceWraps(t *testing.T) {
	t.Parallel()
	if got := nextSequence(1<<31-2, 5); got != 3 {
		t.Errorf("%d", got)
	}
}

func TestClasses(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]class{
		sarama.ErrProducerFenced: fenced, sarama.ErrIllegalGeneration: membership, sarama.ErrNotLeaderForPartition: connection,
		sarama.ErrOutOfOrderSequenceNumber: abortable, sarama.ErrGroupAuthorizationFailed: authorization,
		sarama.ErrMessageSizeTooLarge: data, fmt.Errorf("x: %w", sarama.ErrUnknownMemberId): membership, sarama.ErrOutOfBrokers: connection,
	} {
		if got := classify(err); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
}

func TestGate(t *testing.T) {
	t.Parallel()
	g := newGate()
	if !g.wait(t.Context()) {
		t.Error("a new gate is closed")
	}
	g.set(false)
	g.set(false)
	passed := make(chan struct{})
	go func() { g.wait(t.Context()); close(passed) }()
	select {
	case <-passed:
		t.Error("a closed gate let through")
	case <-time.After(20 * time.Millisecond):
	}
	g.set(true)
	g.set(true)
	<-passed
}

func TestUnbroken(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		before, now int32
		want        bool
	}{{-1, 1, false}, {-1, 0, false}, {3, 3, true}, {3, 4, true}, {3, 5, false}, {3, 2, false}} {
		if got := unbroken(test.before, test.now); got != test.want {
			t.Errorf("from generation %d to %d: %t", test.before, test.now, got)
		}
	}
}

// Of several errors the one that tells what to mend is shown, whatever the order of the answer.
func TestWorstError(t *testing.T) {
	answer := map[string][]*sarama.PartitionError{
		"a": {{Err: sarama.ErrOperationNotAttempted}}, "b": {{Partition: 1, Err: sarama.ErrTopicAuthorizationFailed}},
		"c": {{Err: sarama.ErrOperationNotAttempted}}, "d": {{Err: sarama.ErrNotCoordinatorForConsumer}}, "e": {{Err: sarama.ErrNoError}},
	}
	for range 20 {
		if err := worst(answer); !errors.Is(err, sarama.ErrTopicAuthorizationFailed) || !strings.Contains(err.Error(), "topic b partition 1") {
			t.Fatalf("the worst is %v", err)
		}
	}
	delete(answer, "b")
	if err := worst(answer); !errors.Is(err, sarama.ErrNotCoordinatorForConsumer) {
		t.Errorf("the worst is %v", err)
	}
	if err := worst(map[string][]*sarama.PartitionError{"e": {{Err: sarama.ErrNoError}}}); err != nil {
		t.Errorf("no error is %v", err)
	}
}
