package ingest

import (
	"math"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// ellipsis ends a text that was cut.
const ellipsis = "…"

// AppendText appends the record as one line of valid UTF-8, at most max bytes long, as a person would like to see it
// beside an alert:
//
//	a log, an event    its body; without one, its attributes: number=17 user=ann
//	a span             GET /cart 1.2s ERROR deadline exceeded
//	a span's event     exception: index out of range
//	a data point       system.cpu.utilization 0.93 1
//
// A text that is too long ends with an ellipsis. Line breaks and control characters become spaces.
func (r *Record) AppendText(b []byte, limit int) []byte {
	l := line{b: b, start: len(b), limit: limit}
	switch r.Signal {
	case Spans:
		l.add(r.Name)
		l.add(" ")
		l.seconds(r.Duration)
		switch r.StatusCode {
		case 1:
			l.add(" OK")
		case 2:
			l.add(" ERROR")
		}
		if r.StatusMessage != "" {
			l.add(" ")
			l.add(r.StatusMessage)
		}
	case SpanEvents:
		l.add(r.Name)
		if message := r.Attributes.Get("exception.message"); message.Kind != Missing {
			l.add(": ")
			l.value(message)
		}
	case Metrics:
		l.add(r.Name)
		l.point(r.Point)
	case Logs, Events, Findings, Unknown:
		r.appendBody(&l)
	}
	return l.end()
}

func (r *Record) appendBody(l *line) {
	switch {
	case r.Body.Kind != Missing:
		l.value(r.Body)
	case len(r.Attributes) == 0:
		l.add(r.Name)
	default:
		for i, a := range r.Attributes {
			if i > 0 {
				l.add(" ")
			}
			l.add(a.Key)
			l.add("=")
			l.value(a.Value)
		}
	}
}

// line builds one bounded line.
type line struct {
	b     []byte
	start int // where the line starts in b
	limit int
	full  bool
}

// add adds as much of s as there is room for.
func (l *line) add(s string) {
	for i := 0; i < len(s) && !l.full; {
		r, size := utf8.DecodeRuneInString(s[i:])
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			r = ' '
		}
		l.b = utf8.AppendRune(l.b, r)
		l.full = len(l.b)-l.start > l.limit
		i += size
	}
}

func (l *line) value(v Value) {
	switch v.Kind {
	case Bytes:
		l.add(strconv.Itoa(len(v.Str)))
		l.add(" bytes")
	default:
		l.add(v.Text())
	}
}

func (l *line) number(f float64) { l.add(strconv.FormatFloat(f, 'g', 6, 64)) }

// seconds adds a duration with three digits: 1.23s, 45.6ms, 789µs.
func (l *line) seconds(s float64) {
	unit := "s"
	switch {
	case s == 0:
	case s < 1e-6:
		s, unit = s*1e9, "ns"
	case s < 1e-3:
		s, unit = s*1e6, "µs"
	case s < 1:
		s, unit = s*1e3, "ms"
	}
	if s >= 100 {
		l.add(strconv.FormatFloat(math.Round(s), 'f', -1, 64))
	} else {
		l.add(strconv.FormatFloat(s, 'g', 3, 64))
	}
	l.add(unit)
}

func (l *line) point(p *Point) {
	if p == nil {
		return
	}
	l.add(" ")
	switch {
	case p.NoValue:
		l.add("no value")
		return
	case p.Type == Gauge || p.Type == Sum:
		if f, ok := p.Value.Number(); ok && p.Value.Kind == Double {
			l.number(f)
		} else {
			l.value(p.Value)
		}
	default:
		l.add("count=")
		l.add(strconv.FormatUint(p.Count, 10))
		if p.HasSum {
			l.add(" sum=")
			l.number(p.Sum)
		}
	}
	if p.Unit != "" {
		l.add(" ")
		l.add(p.Unit)
	}
}

// end cuts the line to its limit and returns all.
func (l *line) end() []byte {
	if !l.full {
		return l.b
	}
	room := l.limit - len(ellipsis)
	if room < 0 {
		return l.b[:l.start]
	}
	n := l.start + room
	for n > l.start && !utf8.RuneStart(l.b[n]) {
		n--
	}
	return append(l.b[:n], ellipsis...)
}
