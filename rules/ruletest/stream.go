package ruletest

import (
	"slices"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
)

// The topics of the signals in a test. Those of events are named by the streams.
const (
	logsTopic    = "otlp_logs"
	metricsTopic = "otlp_metrics"
	spansTopic   = "otlp_spans"

	findingsTopic = "freshet.findings"
)

// stream is a run of records that are alike.
type stream struct {
	place  rules.Problem
	signal ingest.Signal
	topic  string
	schedule
	number    int   // among the streams of its test
	partition int32 // that all records go to, -1 when they take turns
	seed      uint64

	resource, scopeAttributes attributes
	scopeName, scopeVersion   *text
	source                    source

	// Of the record in hand.
	res   ingest.Resource
	scope ingest.Scope
}

// source makes the records of one signal.
type source interface {
	// add adds what one message of the stream holds; ok is false where it has a gap. What it adds points into the source
	// and is valid until the next call.
	add(b *ingest.Batch, m moment, res *ingest.Resource, scope *ingest.Scope) (ok bool)
}

// message fills the batch with the records of one message; ok is false where the stream has a gap.
func (s *stream) message(b *ingest.Batch, m moment) (ok bool) {
	b.Reset()
	s.res.Attributes = s.resource.at(m)
	s.scope = ingest.Scope{Name: s.scopeName.string(m), Version: s.scopeVersion.string(m), Attributes: s.scopeAttributes.at(m)}
	return s.source.add(b, m, &s.res, &s.scope)
}

// partitionOf returns the partition of a record, of so many.
func (s *stream) partitionOf(i int, partitions int32) int32 {
	if s.partition >= 0 {
		return s.partition
	}
	// Streams begin at different partitions, so that those of one record each are spread too.
	return int32((i + s.number) % int(partitions))
}

// streamKeys are the keys that streams of all signals have.
var streamKeys = slices.Concat(scheduleKeys, []string{"seed", "partition", "service.name", "resource", "scope", "attributes"}) //nolint:gochecknoglobals // constant table

// streamReader reads one stream.
type streamReader struct {
	*testReader
	reader
	timing timing
	stream *stream
	// attributes are those of each record.
	attributes attributes
}

func (t *testReader) newStream(f rules.Field, signal ingest.Signal, topic string) *streamReader {
	return &streamReader{testReader: t, stream: &stream{
		place: f.Place(), signal: signal, topic: topic, number: len(t.test.streams), partition: -1,
		seed: mix(t.seed) + uint64(len(t.test.streams)), scopeName: new(text), scopeVersion: new(text),
	}}
}

// key reads one of streamKeys.
func (r *streamReader) key(f rules.Field) {
	switch f.Key() {
	case "seed":
		if n, ok := f.Whole(0, mostSeed); ok {
			r.stream.seed = mix(uint64(n))
		}
	case "partition":
		if n, ok := f.Whole(0, int(r.test.partitions)-1); ok {
			r.stream.partition = int32(n)
		}
	case "service.name":
		if v, ok := r.value(f, false); ok {
			r.stream.resource.set("service.name", v)
		}
	case "resource":
		r.reader.attributes(f, &r.stream.resource)
	case "attributes":
		r.reader.attributes(f, &r.attributes)
	case "scope":
		r.scope(f)
	default:
		r.timing.read(f)
	}
}

func (r *streamReader) scope(f rules.Field) {
	for _, entry := range f.Fields("`scope`", []string{"name", "version", "attributes"}) {
		switch entry.Key() {
		case "name":
			r.keep(&r.stream.scopeName, entry)
		case "version":
			r.keep(&r.stream.scopeVersion, entry)
		case "attributes":
			r.reader.attributes(entry, &r.stream.scopeAttributes)
		}
	}
}

// keep reads a text into a place.
func (r *streamReader) keep(into **text, f rules.Field) {
	if t, ok := r.text(f); ok {
		*into = t
	}
}

// done adds the stream to its test, with the records of a source, when its times are good.
func (r *streamReader) done(f rules.Field, s source) {
	if schedule, ok := r.timing.schedule(f); ok {
		r.add(schedule, s)
	}
}

func (r *streamReader) add(schedule schedule, s source) {
	r.stream.schedule, r.stream.source = schedule, s
	r.test.streams = append(r.test.streams, r.stream)
}
