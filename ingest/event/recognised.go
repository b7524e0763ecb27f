package event

import (
	"strconv"

	"github.com/freshet-dev/freshet/ingest"
)

// recognised is what the fields with usual names say about a record while it is read. Ranks are those of roleOf; 0 means
// not seen.
type recognised struct {
	time           int64
	timeRank       uint8
	seconds, nanos int64

	severity     int32
	severityText string
	levelRank    uint8 // of a level that has a severity
	textRank     uint8 // of a level that has none
	number       int64 // of a level that may be a syslog severity
	hasNumber    bool
	gelf         bool

	message     ingest.Value
	messageRank uint8

	traceID, spanID, parentSpanID, name string
}

// otelRank lets an OpenTelemetry severity number win over a level's name, and weakRank a name over other numbers.
const (
	otelRank = 1
	nameRank = 2
	weakRank = 100
)

// note takes notice of a field.
func (n *recognised) note(r role, rank uint8, v ingest.Value, raw string) {
	switch r {
	case timeRole:
		if n.timeRank == 0 || rank <= n.timeRank {
			if t := timeOf(v, raw); t != 0 {
				n.time, n.timeRank = t, rank
			}
		}
	case secondsRole:
		n.seconds = whole(v)
	case nanosRole:
		n.nanos = whole(v)
	case levelRole:
		n.level(rank+nameRank, v)
	case severityRole:
		if s := whole(v); s >= 1 && s <= 24 {
			n.severity, n.levelRank = int32(s), otelRank
		}
	case syslogRole:
		if s := whole(v); (v.Kind == ingest.Int || v.Kind == ingest.String) && s >= 0 && s <= 7 && n.levelRank == 0 {
			if v.Kind == ingest.String && (len(v.Str) != 1 || v.Str[0] < '0') {
				return
			}
			n.severity, n.levelRank = syslogSeverity(s), weakRank
		}
	case pythonLevelRole:
		if s := whole(v); s >= 10 && s <= 50 && n.levelRank == 0 {
			n.severity, n.levelRank = pythonSeverity(s), weakRank
		}
	case gelfRole:
		n.gelf = true
		n.noteMessage(rank, v)
	case messageRole:
		n.noteMessage(rank, v)
	case traceRole:
		setID(&n.traceID, v, 32)
	case spanRole:
		setID(&n.spanID, v, 16)
	case parentSpanRole:
		setID(&n.parentSpanID, v, 16)
	case traceparentRole:
		if v.Kind == ingest.String && len(v.Str) >= 55 && v.Str[2] == '-' && v.Str[35] == '-' && v.Str[52] == '-' {
			setID(&n.traceID, ingest.StringValue(v.Str[3:35]), 32)
			setID(&n.spanID, ingest.StringValue(v.Str[36:52]), 16)
		}
	case nameRole:
		if v.Kind == ingest.String {
			n.name = v.Str
		}
	case noRole:
	}
}

func (n *recognised) noteMessage(rank uint8, v ingest.Value) {
	if v.Kind == ingest.String && (n.messageRank == 0 || rank <= n.messageRank) {
		n.message, n.messageRank = v, rank
	}
}

// level takes a level's name or number.
func (n *recognised) level(rank uint8, v ingest.Value) {
	switch v.Kind {
	case ingest.String:
		if s := ingest.SeverityOf(v.Str); s != 0 {
			if n.levelRank == 0 || rank <= n.levelRank {
				n.severity, n.severityText, n.levelRank = s, v.Str, rank
			} else if n.levelRank == otelRank {
				n.severityText = v.Str
			}
			return
		}
		if n.levelRank != 0 && n.levelRank != weakRank || n.textRank != 0 && rank > n.textRank {
			return
		}
		n.severityText, n.textRank = v.Str, rank
	case ingest.Int:
		s := v.Int()
		n.number, n.hasNumber = s, true
		if s >= 10 && s <= 60 && s%10 == 0 && (n.levelRank == 0 || n.levelRank == weakRank) {
			n.severity, n.levelRank = pinoSeverity(s), weakRank
		}
	default:
	}
}

// fill sets the record's fields.
func (n *recognised) fill(r *ingest.Record, arena *ingest.Arena) {
	r.Time = n.time
	if r.Time == 0 && n.seconds > 0 && n.seconds < 1<<33 && n.nanos >= 0 && n.nanos < 1e9 {
		r.Time = n.seconds*1e9 + n.nanos
	}
	if n.gelf && n.hasNumber && n.levelRank == 0 && n.number >= 0 && n.number <= 7 {
		n.severity = syslogSeverity(n.number)
	}
	r.Severity, r.SeverityText = n.severity, n.severityText
	r.Body = n.message
	r.TraceID, r.SpanID, r.ParentSpanID = lowerID(n.traceID, arena), lowerID(n.spanID, arena), lowerID(n.parentSpanID, arena)
	r.Name = n.name
}

// whole returns a whole number, also one that is given as text; else -1.
func whole(v ingest.Value) int64 {
	switch v.Kind {
	case ingest.Int:
		return v.Int()
	case ingest.String:
		if n, err := strconv.ParseInt(v.Str, 10, 64); err == nil {
			return n
		}
	default:
	}
	return -1
}

// setID sets an id if v is one: hexadecimal text of the given length, not all zeros.
func setID(id *string, v ingest.Value, length int) {
	if v.Kind != ingest.String || len(v.Str) != length {
		return
	}
	zero := true
	for i := range length {
		if !isHex(v.Str[i]) {
			return
		}
		zero = zero && v.Str[i] == '0'
	}
	if !zero {
		*id = v.Str
	}
}

// lowerID returns an id in lower case.
func lowerID(id string, arena *ingest.Arena) string {
	for i := range len(id) {
		if 'A' <= id[i] && id[i] <= 'F' {
			var lower [32]byte
			n := copy(lower[:], id)
			for i, c := range lower[:n] {
				if 'A' <= c && c <= 'F' {
					lower[i] = c + 'a' - 'A'
				}
			}
			return arena.Text(lower[:n])
		}
	}
	return id
}

// syslogSeverity maps a syslog severity, 0 (emergency) to 7 (debug).
func syslogSeverity(n int64) int32 { return [...]int32{21, 19, 18, 17, 13, 10, 9, 5}[n] }

// pinoSeverity maps a level of pino and bunyan: 10 trace, 20 debug, 30 info, 40 warn, 50 error, 60 fatal.
func pinoSeverity(n int64) int32 { return int32(n/10-1)*4 + 1 }

// pythonSeverity maps a level of Python's logging: 10 debug, 20 info, 30 warning, 40 error, 50 critical.
func pythonSeverity(n int64) int32 {
	if n >= 50 {
		return 18
	}
	return int32(n/10)*4 + 1
}
