package ruletest

// arrival is a record that arrives at a time (Unix nanoseconds).
type arrival struct {
	at        int64
	stream, i int
}

func (a arrival) before(b arrival) bool {
	switch {
	case a.at != b.at:
		return a.at < b.at
	case a.stream != b.stream:
		return a.stream < b.stream
	default:
		return a.i < b.i
	}
}

// heap is a binary heap of arrivals, the first one on top.
type heap []arrival

func (h *heap) push(a arrival) {
	*h = append(*h, a)
	s := *h
	for i := len(s) - 1; i > 0; {
		up := (i - 1) / 2
		if !s[i].before(s[up]) {
			break
		}
		s[i], s[up] = s[up], s[i]
		i = up
	}
}

func (h *heap) pop() arrival {
	s := *h
	top, last := s[0], len(s)-1
	s[0] = s[last]
	s = s[:last]
	*h = s
	for i := 0; ; {
		down := 2*i + 1
		if down+1 < len(s) && s[down+1].before(s[down]) {
			down++
		}
		if down >= len(s) || !s[down].before(s[i]) {
			return top
		}
		s[i], s[down] = s[down], s[i]
		i = down
	}
}

// queue gives the records of streams in the order in which they arrive, and makes none before its turn.
type queue struct {
	streams []*stream
	start   int64
	// bounds has for each stream its next record, at the earliest that it may arrive; ready are those that may come
	// next, at the time at which they do.
	bounds, ready heap
}

func newQueue(streams []*stream, start int64) *queue {
	q := &queue{streams: streams, start: start}
	for k, s := range streams {
		if s.n > 0 {
			q.bounds.push(arrival{q.bound(s, 0), k, 0})
		}
	}
	return q
}

func (q *queue) bound(s *stream, i int) int64 { return q.start + int64(s.earliest(i)+s.delay) }

// next returns the next arrival without taking it; ok is false at the end.
func (q *queue) next() (a arrival, ok bool) {
	for len(q.bounds) > 0 && (len(q.ready) == 0 || q.bounds[0].before(q.ready[0])) {
		b := q.bounds.pop()
		s := q.streams[b.stream]
		q.ready.push(arrival{q.start + int64(s.at(s.moment(b.i, q.start))+s.delay), b.stream, b.i})
		if b.i+1 < s.n {
			q.bounds.push(arrival{q.bound(s, b.i+1), b.stream, b.i + 1})
		}
	}
	if len(q.ready) == 0 {
		return arrival{}, false
	}
	return q.ready[0], true
}

// take drops what next returned.
func (q *queue) take() { q.ready.pop() }
