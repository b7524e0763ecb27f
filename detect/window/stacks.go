package window

import "slices"

// Stacks is a queue of values that can tell the merge of all of them, or of the newest ones, at a constant cost per
// value however long it is: new values are merged into one sum at the back; when the front runs out, the back is
// turned into suffix sums, each of which is the merge of everything from there on. The zero value is empty.
type Stacks[T any] struct {
	// front holds suffix merges, the oldest value last, so that it leaves from the end.
	front []numbered[T]
	back  []numbered[T]
	sum   T // of back
}

type numbered[T any] struct {
	index int64
	value T
}

// Len returns how many values are held.
func (s *Stacks[T]) Len() int { return len(s.front) + len(s.back) }

// Push adds a value. Its number must be at least that of the value before; values of one number are kept as their
// merge. The merge must return a new value and leave its inputs as they are.
func (s *Stacks[T]) Push(index int64, value T, merge func(a, b T) T) {
	n := len(s.back)
	if n == 0 {
		s.sum = value
	} else {
		s.sum = merge(s.sum, value)
	}
	if n > 0 && s.back[n-1].index == index {
		s.back[n-1].value = merge(s.back[n-1].value, value)
		return
	}
	s.back = append(s.back, numbered[T]{index, value})
}

// Evict drops the values with numbers below start.
func (s *Stacks[T]) Evict(start int64, merge func(a, b T) T) {
	for {
		if len(s.front) == 0 {
			if len(s.back) == 0 || s.back[0].index >= start {
				return
			}
			s.turn(merge)
		}
		n := len(s.front) - 1
		if s.front[n].index >= start {
			return
		}
		s.front[n] = numbered[T]{}
		s.front = s.front[:n]
	}
}

// turn moves the back to the empty front.
func (s *Stacks[T]) turn(merge func(a, b T) T) {
	for _, v := range slices.Backward(s.back) {
		if n := len(s.front); n > 0 {
			v.value = merge(v.value, s.front[n-1].value)
		}
		s.front = append(s.front, v)
	}
	clear(s.back)
	s.back = s.back[:0]
	var none T
	s.sum = none
}

// From returns the merge of the values with numbers from start on, without dropping the others; ok is false when there
// are none. A start that lies behind the front costs as much as turning the back once does.
func (s *Stacks[T]) From(start int64, merge func(a, b T) T) (value T, ok bool) {
	// The front is sorted by falling number: find the oldest one that is still in.
	lo, hi := 0, len(s.front)
	for lo < hi {
		mid := (lo + hi) / 2
		if s.front[mid].index >= start {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	switch {
	case lo > 0 && len(s.back) > 0:
		return merge(s.front[lo-1].value, s.sum), true
	case lo > 0:
		return s.front[lo-1].value, true
	case len(s.back) == 0:
		return value, false
	case s.back[0].index >= start:
		return s.sum, true
	}
	for i := len(s.back) - 1; i >= 0 && s.back[i].index >= start; i-- {
		if !ok {
			value, ok = s.back[i].value, true
		} else {
			value = merge(s.back[i].value, value)
		}
	}
	return value, ok
}
