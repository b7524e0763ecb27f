package window

import (
	"fmt"

	"github.com/freshet-dev/freshet/detect/pane"
)

// Total is one aggregate over one sliding window. Panes are pushed at its end and popped at its start in order of their
// buckets.
type Total interface {
	// Push adds the newest pane's aggregate, which is unchanged and not kept.
	Push(bucket int64, a pane.Aggregate)
	// Pop takes out the oldest bucket, given the merge of what was pushed with its number.
	Pop(bucket int64, a pane.Aggregate)
	// From merges into dst what was pushed with numbers from start on. Invertible aggregates merge all that is held and
	// leave it to the caller to subtract from dst what is older.
	From(start int64, dst pane.Aggregate)
}

// NewTotal returns an empty Total for a kind of aggregate.
func NewTotal(k pane.Kind) (Total, error) {
	switch k {
	case pane.KindCount:
		return new(count), nil
	case pane.KindMoments, pane.KindLast, pane.KindSketch, pane.KindDistribution:
		a, err := pane.New(k)
		if err != nil {
			return nil, err
		}
		return &sum{a.(pane.Invertible)}, nil
	case pane.KindMin:
		return &extreme{merge: func(a, b float64) float64 { return min(a, b) }}, nil
	case pane.KindMax:
		return &extreme{merge: func(a, b float64) float64 { return max(a, b) }}, nil
	case pane.KindDistinct, pane.KindSeriesLast, pane.KindSeriesAvg, pane.KindSeriesMin, pane.KindSeriesMax, pane.KindBefore:
		return &union{merge: func(a, b pane.Aggregate) pane.Aggregate {
			sum, _ := pane.New(k)
			sum.Merge(a)
			sum.Merge(b)
			return sum
		}}, nil
	default:
		return nil, fmt.Errorf("window: no total for aggregates of kind %d", k)
	}
}

// count is the sum of counts: most rules have nothing else, so it is small.
type count struct{ held pane.Count }

func (c *count) Push(_ int64, a pane.Aggregate) { c.held.Merge(a) }

func (c *count) Pop(_ int64, a pane.Aggregate) { c.held.Subtract(a) }

func (c *count) From(_ int64, dst pane.Aggregate) {
	dst.Merge(&c.held)
}

// sum subtracts what leaves.
type sum struct{ held pane.Invertible }

func (s *sum) Push(_ int64, a pane.Aggregate) { s.held.Merge(a) }

func (s *sum) Pop(_ int64, a pane.Aggregate) { s.held.Subtract(a) }

func (s *sum) From(_ int64, dst pane.Aggregate) {
	dst.Merge(s.held)
}

// extreme keeps the least or the greatest number in two stacks.
type extreme struct {
	stacks Stacks[float64]
	merge  func(a, b float64) float64
}

type extremeAggregate interface {
	Value() (float64, bool)
	Add(float64)
}

func (e *extreme) Push(bucket int64, a pane.Aggregate) {
	if x, ok := a.(extremeAggregate).Value(); ok {
		e.stacks.Push(bucket, x, e.merge)
	}
}

func (e *extreme) Pop(bucket int64, _ pane.Aggregate) { e.stacks.Evict(bucket+1, e.merge) }

func (e *extreme) From(start int64, dst pane.Aggregate) {
	if x, ok := e.stacks.From(start, e.merge); ok {
		dst.(extremeAggregate).Add(x)
	}
}

// union keeps what cannot be taken out again in two stacks; what is merged into something comes after it.
type union struct {
	stacks Stacks[pane.Aggregate]
	merge  func(a, b pane.Aggregate) pane.Aggregate
}

func (u *union) Push(bucket int64, a pane.Aggregate) {
	if a.Empty() {
		return
	}
	one, _ := pane.New(a.Kind())
	one.Merge(a)
	u.stacks.Push(bucket, one, u.merge)
}

func (u *union) Pop(bucket int64, _ pane.Aggregate) { u.stacks.Evict(bucket+1, u.merge) }

func (u *union) From(start int64, dst pane.Aggregate) {
	if a, ok := u.stacks.From(start, u.merge); ok {
		dst.Merge(a)
	}
}
