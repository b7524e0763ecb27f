package format

import (
	"bytes"
	"encoding/json"

	"github.com/freshet-dev/freshet/ingest"
)

// looksJSON says whether a message begins as an object with a key in quotes, or as an array of objects. A line of text
// may begin with a bracket too, such as [error] no card.
func looksJSON(value []byte) bool {
	const space = " \t\r\n"
	start := bytes.TrimLeft(value, space)
	if len(start) == 0 {
		return false
	}
	next := bytes.TrimLeft(start[1:], space)
	switch start[0] {
	case '{':
		return len(next) == 0 || next[0] == '"' || next[0] == '}'
	case '[':
		return len(next) == 0 || next[0] == '{' || next[0] == ']'
	default:
		return false
	}
}

// envelope returns the signal of an OTLP/JSON message by its one top-level key, or Unknown for other JSON. A key of a
// nested object does not count.
func envelope(value []byte) ingest.Signal {
	// Nearly all other JSON ends here: it has none of the keys at any level.
	if !mayBeEnvelope(value) {
		return ingest.Unknown
	}
	start := bytes.TrimLeft(value, " \t\r\n")
	if len(start) == 0 || start[0] != '{' {
		return ingest.Unknown
	}
	// What producers of OTLP write begins with the key.
	if s, _ := leadingKey(bytes.TrimLeft(start[1:], " \t\r\n")); s != ingest.Unknown {
		return s
	}
	return topLevel(value)
}

// mayBeEnvelope says whether one of the keys stands anywhere in the message.
func mayBeEnvelope(value []byte) bool {
	for {
		i := bytes.Index(value, []byte(`"resource`))
		if i < 0 {
			return false
		}
		s, rest := leadingKey(value[i:])
		if s != ingest.Unknown {
			return true
		}
		value = rest
	}
}

// leadingKey reads the string at the start of b as one of the keys, and returns what follows it.
func leadingKey(b []byte) (s ingest.Signal, rest []byte) {
	if len(b) == 0 || b[0] != '"' {
		return ingest.Unknown, b
	}
	end := bytes.IndexByte(b[1:], '"')
	if end < 0 {
		return ingest.Unknown, nil
	}
	return envelopeSignal(string(b[1 : end+1])), b[end+1:]
}

// topLevel looks for the key at any place of the top-level object.
func topLevel(value []byte) ingest.Signal {
	dec := json.NewDecoder(bytes.NewReader(value))
	if _, err := dec.Token(); err != nil {
		return ingest.Unknown
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return ingest.Unknown
		}
		name, ok := key.(string)
		if !ok {
			return ingest.Unknown
		}
		if s := envelopeSignal(name); s != ingest.Unknown {
			return s
		}
		var skipped json.RawMessage
		if dec.Decode(&skipped) != nil {
			return ingest.Unknown
		}
	}
	return ingest.Unknown
}

func envelopeSignal(key string) ingest.Signal {
	switch key {
	case "resourceLogs", "resource_logs":
		return ingest.Logs
	case "resourceMetrics", "resource_metrics":
		return ingest.Metrics
	case "resourceSpans", "resource_spans":
		return ingest.Spans
	default:
		return ingest.Unknown
	}
}

func envelopeKey(s ingest.Signal) string {
	switch s {
	case ingest.Logs:
		return "resourceLogs"
	case ingest.Metrics:
		return "resourceMetrics"
	default:
		return "resourceSpans"
	}
}

// isEmptyObject says whether a message is {}, which OTLP/JSON writes for an export of nothing.
func isEmptyObject(value []byte) bool {
	inner, ok := bytes.CutPrefix(bytes.TrimSpace(value), []byte("{"))
	return ok && string(bytes.TrimSpace(inner)) == "}"
}
