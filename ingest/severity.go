package ingest

import "bytes"

// SeverityOf returns the OpenTelemetry severity number of a level's name as loggers and syslog write it (warn, ERROR,
// crit, "Info", W, error2), whatever its case, or 0 when the text is no such name.
func SeverityOf(text string) int32 {
	var lower [16]byte
	if len(text) == 0 || len(text) > len(lower) {
		return 0
	}
	n := 0
	for i := range len(text) {
		c := text[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[n] = c
		n++
	}
	name := bytes.TrimSpace(lower[:n])
	if s := severityName(name); s != 0 {
		return s
	}
	// OpenTelemetry's own short names count up within a level: ERROR2 is 18.
	if n := len(name); n > 1 && '2' <= name[n-1] && name[n-1] <= '4' {
		switch s := severityName(name[:n-1]); s {
		case 1, 5, 9, 13, 17, 21:
			return s + int32(name[n-1]-'1')
		}
	}
	return 0
}

// severityName returns the number of a name in lower case. Syslog's levels map as the OpenTelemetry log data model's
// appendix does: notice 10, critical 18, alert 19, emergency 21.
func severityName(name []byte) int32 {
	switch string(name) {
	case "trace", "trc", "verbose", "vrb", "finest", "silly", "t", "v":
		return 1
	case "debug", "dbg", "finer", "d":
		return 5
	case "fine":
		return 6
	case "config":
		return 7
	case "info", "information", "informational", "inf", "i":
		return 9
	case "notice", "note":
		return 10
	case "warn", "warning", "wrn", "w":
		return 13
	case "error", "err", "eror", "severe", "e":
		return 17
	case "crit", "critical", "c":
		return 18
	case "alert":
		return 19
	case "fatal", "ftl", "emerg", "emergency", "panic", "f":
		return 21
	default:
		return 0
	}
}
