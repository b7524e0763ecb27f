package detect

import (
	"strconv"

	"github.com/freshet-dev/freshet/detect/explain"
	"github.com/freshet-dev/freshet/ingest"
)

// maxSampleText bounds the text of a sample record in bytes: a line that a person reads in a message.
const maxSampleText = 240

// appendText appends a record in one line: a log's body, a span's name and duration, a metric's name and value, an
// event's message or its first fields.
func appendText(b []byte, r *ingest.Record) []byte {
	start := len(b)
	switch r.Signal {
	case ingest.Spans:
		b = append(b, r.Name...)
		b = append(b, ' ')
		b = appendSeconds(b, r.Duration)
		if r.StatusMessage != "" {
			b = append(append(b, ": "...), cut(r.StatusMessage, maxSampleText)...)
		} else if r.StatusCode == 2 {
			b = append(b, " error"...)
		}
	case ingest.Metrics:
		b = append(b, r.Name...)
		b = appendPoint(b, r.Point)
	case ingest.Unknown, ingest.Logs, ingest.SpanEvents, ingest.Events, ingest.Findings:
		switch {
		case r.Body.Kind >= ingest.String:
			b = append(b, cut(r.Body.Str, maxSampleText)...)
		case r.Body.Kind != ingest.Missing:
			b = r.Body.AppendText(b)
		case r.Name != "":
			b = append(b, r.Name...)
		default:
			b = appendFields(b, r.Attributes)
		}
	}
	return oneLine(b, start)
}

func appendPoint(b []byte, p *ingest.Point) []byte {
	if p == nil {
		return b
	}
	b = append(b, ' ')
	if p.Value.Kind != ingest.Missing {
		b = p.Value.AppendText(b)
	} else {
		b = append(b, "count "...)
		b = strconv.AppendUint(b, p.Count, 10)
		if p.HasSum {
			b = append(b, " sum "...)
			b = strconv.AppendFloat(b, p.Sum, 'g', 6, 64)
		}
	}
	if p.Unit != "" && p.Unit != "1" {
		b = append(append(b, ' '), p.Unit...)
	}
	return b
}

func appendFields(b []byte, attrs ingest.Attrs) []byte {
	start := len(b)
	for i := range attrs {
		if len(b)-start > maxSampleText {
			break
		}
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, cut(attrs[i].Key, maxSampleText)...)
		b = append(b, '=')
		if explain.SecretName(attrs[i].Key) {
			b = append(b, "..."...)
		} else if v := attrs[i].Value; v.Kind >= ingest.String {
			b = append(b, cut(v.Str, maxSampleText)...)
		} else {
			b = v.AppendText(b)
		}
	}
	return b
}

// appendSeconds appends a duration with three digits and a fitting unit.
func appendSeconds(b []byte, s float64) []byte {
	unit := "s"
	switch {
	case s < 1e-3:
		s, unit = s*1e6, "µs"
	case s < 1:
		s, unit = s*1e3, "ms"
	}
	return append(strconv.AppendFloat(b, s, 'g', 3, 64), unit...)
}

// oneLine replaces control characters after start by spaces and cuts the text there to maxSampleText.
func oneLine(b []byte, start int) []byte {
	for i := start; i < len(b); i++ {
		if b[i] < ' ' || b[i] == 0x7f {
			b[i] = ' '
		}
	}
	if end := start + maxSampleText; len(b) > end {
		for end > start && b[end]&0xc0 == 0x80 {
			end--
		}
		b = b[:end]
	}
	return b
}
