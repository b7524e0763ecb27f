package kafka

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

// flush makes one transaction of what the tasks have and what is still due. It returns nil when there was nothing to do
// or it is too early to try again.
func (r *run) flush(life context.Context) error {
	now := time.Now()
	if now.Before(r.retry) {
		return nil
	}
	offsets := map[string][]*sarama.PartitionOffsetMetadata{}
	var due []*worker
	r.flushes++
	mark := r.nonce + strconv.FormatInt(r.flushes, 36)
	for _, tp := range slices.SortedFunc(maps.Keys(r.workers), topicPartition.compare) {
		w := r.workers[tp]
		if r.ended(w) {
			continue
		}
		if err := w.take(now); err != nil {
			w.stop()
			w.err = err
			signal(r.failed)
			continue
		}
		if !w.due {
			continue
		}
		due = append(due, w)
		metadata := withMark(w.metadata, mark)
		offsets[tp.topic] = append(offsets[tp.topic], &sarama.PartitionOffsetMetadata{Partition: tp.id, Offset: w.offset, LeaderEpoch: -1, Metadata: &metadata})
	}
	r.uncommitted.Store(0)
	if len(due) == 0 {
		r.fine() // nothing is held back, so nobody need wait
		return nil
	}
	r.c.debts.owe(r, now)
	own := ownership{r.member.id, r.member.instanceID(), r.member.generation}
	r.writing.Lock()
	defer r.writing.Unlock()
	result, err := r.txn.commit(life, own, r.output(due), offsets)
	for result == aborted && r.fit(due, err) {
		result, err = r.txn.commit(life, own, r.output(due), offsets)
	}
	if result == unknown {
		result, err = r.decide(life, due[0], mark, err)
	}
	if result != committed {
		r.c.m.transactions.WithLabelValues(r.s.Group, "aborted").Inc()
		if errors.Is(err, errTaken) {
			return err
		}
		r.trouble(err)
		// Others may wait for the offsets of the transaction, so it is ended now rather than by the next one.
		soon, cancel := context.WithTimeout(life, time.Second)
		defer cancel()
		if taken := r.txn.begin(soon); errors.Is(taken, errTaken) {
			return taken
		}
		return err
	}
	r.c.m.transactions.WithLabelValues(r.s.Group, "committed").Inc()
	r.txn.count()
	r.c.m.flush.WithLabelValues(r.s.Group).Observe(time.Since(now).Seconds())
	for _, w := range due {
		w.committed()
	}
	r.fine()
	return nil
}

// output is what workers have due, in their order.
func (r *run) output(due []*worker) []Message {
	var msgs []Message
	for _, w := range due {
		msgs = append(msgs, w.out...)
	}
	if r.s.Join != nil {
		msgs = r.s.Join(msgs)
	}
	return msgs
}

// fit makes a message smaller that its topic refused, or leaves it out. It returns false when err is about something else.
func (r *run) fit(due []*worker, err error) bool {
	refused, ok := errors.AsType[*refusal](err)
	if !ok || r.s.Oversized == nil || r.s.Join != nil {
		return false
	}
	at := refused.at
	for _, w := range due {
		if at >= len(w.out) {
			at -= len(w.out)
			continue
		}
		m := &w.out[at]
		if before := size(m); !r.s.Oversized(m) || size(m) >= before {
			r.log.Error("a record is larger than its topic allows and is left out; raise the topic's max.message.bytes",
				"topic", m.Topic, "key", string(m.Key), "bytes", before, "err", err)
			r.c.m.leftOut.WithLabelValues(r.s.Group).Inc()
			w.out = slices.Delete(w.out, at, at+1)
		}
		return true
	}
	return false
}

// ended says whether a worker failed: nothing more of it may be committed.
func (r *run) ended(w *worker) bool {
	select {
	case <-w.done:
		return w.err != nil
	default:
		return false
	}
}

// decide finds out what became of a transaction whose end was not answered: a new epoch settles it, then the committed
// offset carries its mark or does not.
func (r *run) decide(life context.Context, w *worker, mark string, why error) (outcome, error) {
	r.log.Debug("the outcome of a transaction is unknown", "err", why)
	for wait := newBackoff(20*time.Millisecond, time.Second); ; {
		err := r.txn.begin(life)
		if err == nil {
			break
		}
		if errors.Is(err, errTaken) || !wait.sleep(life) {
			return unknown, errors.Join(why, err)
		}
	}
	at, err := r.c.committed(life, r.txn.cl, r.s.Group, w.tp)
	if err != nil {
		return unknown, errors.Join(why, err)
	}
	if !marked(at.metadata, mark) {
		return aborted, why
	}
	r.c.m.transactions.WithLabelValues(r.s.Group, "recovered").Inc()
	return committed, nil
}

// trouble holds the workers and sets when the next try is. What a person may have to mend, or what lasts though the
// brokers answer, is said once.
func (r *run) trouble(err error) {
	r.gate.set(false)
	r.c.debts.fail(r, err)
	now := time.Now()
	if r.troubled.IsZero() {
		r.troubled = now
	}
	k := classify(err)
	mend := k == authorization || k == data
	if mend {
		r.pause.next = r.pause.longest
	}
	if text := err.Error(); (mend || now.Sub(r.troubled) > r.c.cfg.TransactionTimeout && r.c.Ready() == nil) && text != r.complaint {
		r.complaint = text
		r.log.Error("output cannot be written, trying again until it can", "err", err)
	}
	r.log.Debug("a transaction was aborted, its output goes out again", "class", string(k), "err", err)
	r.retry = now.Add(r.pause.next)
	r.pause.next = min(2*r.pause.next, r.pause.longest)
}

// fine undoes trouble.
func (r *run) fine() {
	r.gate.set(true)
	r.c.debts.settle(r)
	if r.complaint != "" {
		r.complaint = ""
		r.log.Info("output is written again")
	}
	r.retry, r.troubled = time.Time{}, time.Time{}
	r.pause.reset()
}

// The metadata of an offset ends with the mark of the flush that committed it.
const markSeparator = "\x1f"

func withMark(metadata, mark string) string { return metadata + markSeparator + mark }

func withoutMark(metadata string) string {
	if i := strings.LastIndex(metadata, markSeparator); i >= 0 {
		return metadata[:i]
	}
	return metadata
}

func marked(metadata, mark string) bool { return strings.HasSuffix(metadata, markSeparator+mark) }
