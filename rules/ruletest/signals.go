package ruletest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
)

// logs makes logs.
type logs struct {
	severity     choice
	severityText *text // nil for the name of the severity
	body         *value
	name         *text
	trace, span  *text
	attributes   attributes
}

func (l *logs) add(b *ingest.Batch, m moment, res *ingest.Resource, scope *ingest.Scope) bool {
	r := b.Add()
	r.Signal, r.Time, r.Resource, r.Scope = ingest.Logs, m.at, res, scope
	r.Severity, r.SeverityText = l.severity.at(m)
	if l.severityText != nil {
		r.SeverityText = l.severityText.string(m)
	}
	r.Body = l.body.at(m)
	r.Name, r.TraceID, r.SpanID = l.name.string(m), l.trace.string(m), l.span.string(m)
	r.Attributes = l.attributes.at(m)
	return true
}

func severityNames() []string { return []string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"} }

// severityNumber returns the number of a level's name, or of OpenTelemetry's number.
func severityNumber(name string) (int32, bool) {
	if n, err := strconv.Atoi(name); err == nil {
		return int32(n), n >= 1 && n <= 24
	}
	n := ingest.SeverityOf(name)
	return n, n != 0
}

var logKeys = slices.Concat(streamKeys, []string{"severity", "severity_text", "body", "name", "trace_id", "span_id"}) //nolint:gochecknoglobals // constant table

func (t *testReader) logs(f rules.Field) {
	r := t.newStream(f, ingest.Logs, logsTopic)
	l := &logs{body: new(value), name: new(text), trace: new(text), span: new(text)}
	for _, entry := range f.Fields("a stream of logs", logKeys) {
		switch entry.Key() {
		case "severity":
			if c, ok := r.choice(entry, severityNumber, severityNames()); ok {
				l.severity = c
			}
		case "severity_text":
			r.keep(&l.severityText, entry)
		case "body":
			if v, ok := r.value(entry, true); ok {
				l.body = v
			}
		case "name":
			r.keep(&l.name, entry)
		case "trace_id":
			r.keep(&l.trace, entry)
		case "span_id":
			r.keep(&l.span, entry)
		default:
			r.key(entry)
		}
	}
	for i, name := range l.severity.names {
		if _, err := strconv.Atoi(name); err == nil {
			l.severity.names[i] = "" // a number is no text of a level
		}
	}
	l.attributes = r.attributes
	r.done(f, l)
}

// spans makes spans, and the events within them.
type spans struct {
	name                *text
	kind, status        choice
	statusMessage       *text
	duration            *generator
	trace, span, parent *text
	attributes          attributes
	events              []*spanEvent
}

// spanEvent is an event of a span, so long after its start; a negative time is at its end.
type spanEvent struct {
	name       *text
	after      time.Duration
	attributes attributes
}

func (s *spans) add(b *ingest.Batch, m moment, res *ingest.Resource, scope *ingest.Scope) bool {
	r := b.Add()
	r.Signal, r.Time, r.Resource, r.Scope = ingest.Spans, m.at, res, scope
	r.Name, r.StatusMessage = s.name.string(m), s.statusMessage.string(m)
	r.SpanKind, _ = s.kind.at(m)
	r.StatusCode, _ = s.status.at(m)
	r.Duration = s.duration.number(m)
	r.TraceID, r.SpanID, r.ParentSpanID = s.trace.string(m), s.span.string(m), s.parent.string(m)
	r.Attributes = s.attributes.at(m)
	start := m.at - int64(r.Duration*1e9)
	trace, span := r.TraceID, r.SpanID
	for _, e := range s.events {
		r := b.Add()
		r.Signal, r.Time, r.Resource, r.Scope = ingest.SpanEvents, m.at, res, scope
		if e.after >= 0 {
			r.Time = start + int64(e.after)
		}
		r.Name, r.TraceID, r.SpanID = e.name.string(m), trace, span
		r.Attributes = e.attributes.at(m)
	}
	return true
}

func kindNames() []string {
	return []string{"INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"}
}

func statusNames() []string { return []string{"UNSET", "OK", "ERROR"} }

// numbered returns a lookup of names that count from a number on.
func numbered(names []string, from int) func(string) (int32, bool) {
	return func(name string) (int32, bool) {
		i := slices.Index(names, name)
		return int32(i + from), i >= 0
	}
}

var (
	spanKeys = slices.Concat(streamKeys, []string{"name", "kind", "status", "status_message", "duration", "trace_id", //nolint:gochecknoglobals // constant table
		"span_id", "parent_span_id", "events"})
	spanEventKeys = []string{"name", "after", "attributes"} //nolint:gochecknoglobals // constant table
)

func (t *testReader) spans(f rules.Field) {
	r := t.newStream(f, ingest.Spans, spansTopic)
	s := &spans{
		name: new(text), statusMessage: new(text), duration: new(generator), trace: new(text), span: new(text), parent: new(text),
	}
	for _, entry := range f.Fields("a stream of spans", spanKeys) {
		switch entry.Key() {
		case "name":
			r.keep(&s.name, entry)
		case "kind":
			s.kind, _ = r.choice(entry, numbered(kindNames(), 1), kindNames())
		case "status":
			s.status, _ = r.choice(entry, numbered(statusNames(), 0), statusNames())
		case "status_message":
			r.keep(&s.statusMessage, entry)
		case "duration":
			if g, ok := r.number(entry, true); ok {
				s.duration = g
			}
		case "trace_id":
			r.keep(&s.trace, entry)
		case "span_id":
			r.keep(&s.span, entry)
		case "parent_span_id":
			r.keep(&s.parent, entry)
		case "events":
			for _, item := range entry.Items() {
				s.events = append(s.events, r.spanEvent(item))
			}
		default:
			r.key(entry)
		}
	}
	s.attributes = r.attributes
	r.done(f, s)
}

func (r *streamReader) spanEvent(f rules.Field) *spanEvent {
	e := &spanEvent{name: new(text), after: -1}
	for _, entry := range f.Fields("an event of a span", spanEventKeys) {
		switch entry.Key() {
		case "name":
			r.keep(&e.name, entry)
		case "after":
			e.after, _ = readBounded(entry)
		case "attributes":
			r.reader.attributes(entry, &e.attributes)
		}
	}
	return e
}

// events makes JSON events: they are written as JSON and decoded as those of a topic are.
type events struct {
	object  *object
	text    *text // the JSON itself, in the place of object
	decoder ingest.Decoder
	buf     []byte
}

func (e *events) add(b *ingest.Batch, m moment, _ *ingest.Resource, _ *ingest.Scope) bool {
	if err := e.decode(b, m); err != nil {
		b.Reset() // what the reader looked at could be decoded; it differs from record to record
	}
	for i := range b.Records {
		b.Records[i].Time = m.at
	}
	return len(b.Records) > 0
}

func (e *events) decode(b *ingest.Batch, m moment) error {
	if e.text != nil {
		e.buf = e.text.append(e.buf[:0], m)
	} else {
		e.buf = e.object.append(e.buf[:0], m)
	}
	return e.decoder.Decode(e.buf, b)
}

var eventKeys = slices.Concat(scheduleKeys, []string{"seed", "partition", "topic", "json"}) //nolint:gochecknoglobals // constant table

func (t *testReader) events(f rules.Field) {
	r := t.newStream(f, ingest.Events, "")
	e := &events{decoder: t.options.Events}
	var body rules.Field
	bodyGood := false
	for _, entry := range f.Fields("a stream of events", eventKeys) {
		switch entry.Key() {
		case "topic":
			if s, ok := entry.Scalar(); ok {
				r.stream.topic = s.Text
				t.checkTopic(s)
			}
		case "json":
			body = entry
			if entry.Shape() == rules.MappingShape {
				e.object, bodyGood = r.object(entry)
			} else {
				e.text, bodyGood = r.text(entry)
			}
		default:
			r.key(entry)
		}
	}
	switch {
	case r.stream.topic == "":
		f.Fault("events come from a topic, and this does not say from which", "add topic: name")
		return
	case !body.Is():
		f.Fault("an event is JSON, and there is none", "add json: {number: 5}")
		return
	case !bodyGood:
		return
	}
	if e.decoder == nil {
		f.Fault("events cannot be decoded here", "")
		return
	}
	var b ingest.Batch
	if err := e.decode(&b, moment{n: 1, seed: r.stream.seed}); err != nil {
		message := err.Error()
		if decode, ok := errors.AsType[*ingest.DecodeError](err); ok {
			message = decode.Message
		}
		body.FaultAtValue(fmt.Sprintf("this cannot be decoded: %s", message), "write an object, as in {number: 5}")
		return
	}
	r.done(f, e)
}
