package event

import (
	"strconv"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/ingest"
)

// timeOf returns the time that a field's value stands for, in Unix nanoseconds, or 0 when it is none.
func timeOf(v ingest.Value, raw string) int64 {
	switch v.Kind {
	case ingest.Int, ingest.Double:
		return epoch(raw)
	case ingest.String:
		t, _ := textTime(v.Str)
		return t
	default:
		return 0
	}
}

// epoch returns the time of a number as it is written, in Unix nanoseconds. Its magnitude tells the unit: from 1973 to
// the year 5138 seconds have up to 11 digits, milliseconds 12 to 14, microseconds 15 to 17, and nanoseconds more. A
// fraction keeps its digits, as a Python time.time() in seconds has them. 0 means that the number is no such time.
func epoch(s string) int64 {
	whole, fraction, _ := strings.Cut(s, ".")
	if strings.ContainsAny(s, "eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || f < 1 || f > 9e18 {
			return 0
		}
		whole, fraction = strconv.FormatInt(int64(f), 10), ""
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return 0
	}
	unit := int64(1)
	switch {
	case n < 1e8:
		return 0
	case n < 1e11:
		unit = 1e9
	case n < 1e14:
		unit = 1e6
	case n < 1e17:
		unit = 1e3
	}
	if n > (1<<63-1)/unit-1 {
		return 0
	}
	n *= unit
	for _, c := range []byte(fraction) {
		if unit /= 10; unit == 0 || c < '0' || c > '9' {
			break
		}
		n += int64(c-'0') * unit
	}
	return n
}

// textTime returns the time that a text stands for, in Unix nanoseconds, and whether it names its zone; without one it
// is taken as UTC. A time without a date, or a date without a time of day, is no time and gives 0.
func textTime(s string) (t int64, zoned bool) {
	s = strings.TrimSpace(s)
	if len(s) < 9 || len(s) > 64 {
		return 0, false
	}
	switch c := s[0]; {
	case '0' <= c && c <= '9':
		if t, rest, zoned := isoTime(s); t != 0 {
			if rest != "" {
				return 0, false
			}
			return t, zoned
		}
		if end, _ := numberEnd(s, 0); end == len(s) {
			return epoch(s), true
		}
	case 'A' <= c && c <= 'Z':
	default:
		return 0, false
	}
	return layoutTime(s)
}

// layoutTime tries layouts that are spelled with names of months. A zone's abbreviation other than UTC and GMT is
// ambiguous, so such a time is none.
func layoutTime(s string) (t int64, zoned bool) {
	for _, layout := range [...]string{
		"02/Jan/2006:15:04:05 -0700", // Apache and nginx access logs
		time.RFC1123, time.RFC1123Z, time.RFC850, time.ANSIC, time.UnixDate, time.RubyDate,
		"2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 MST", "2 Jan 2006 15:04:05", "Jan _2, 2006 15:04:05",
		"Jan _2 2006 15:04:05", "20060102T150405Z0700",
	} {
		parsed, err := time.Parse(layout, s)
		if err != nil || parsed.Year() < 1970 || parsed.Year() > 2261 {
			continue
		}
		zone, _ := parsed.Zone()
		zoned = strings.Contains(layout, "07") || strings.Contains(layout, "MST")
		if zone != "" && zone != "UTC" && zone != "GMT" {
			return 0, false
		}
		return parsed.UnixNano(), zoned
	}
	return 0, false
}

// isoTime reads a time at the start of s, such as 2026-08-01T12:00:00.123Z, 2026-08-01 12:00:00,123 or
// 2026/08/01 12:00:00+02:00, and returns what follows it. t is 0 when there is none.
func isoTime(s string) (t int64, rest string, zoned bool) {
	const shape = "dddd-dd-ddTdd:dd"
	if len(s) < len(shape) {
		return 0, s, false
	}
	for i := range len(shape) {
		c := s[i]
		switch shape[i] {
		case 'd':
			if c < '0' || c > '9' {
				return 0, s, false
			}
		case '-':
			if c != '-' && c != '/' {
				return 0, s, false
			}
		case 'T':
			if c != 'T' && c != 't' && c != ' ' && c != '_' {
				return 0, s, false
			}
		default:
			if c != ':' {
				return 0, s, false
			}
		}
	}
	year, month, day := two(s[0:])*100+two(s[2:]), two(s[5:]), two(s[8:])
	hour, minute, second := two(s[11:]), two(s[14:]), 0
	rest = s[len(shape):]
	nanos := 0
	if len(rest) >= 3 && rest[0] == ':' && digitsEnd(rest[:3], 1) == 3 {
		second, rest = two(rest[1:]), rest[3:]
		if len(rest) >= 2 && (rest[0] == '.' || rest[0] == ',') {
			if end := digitsEnd(rest, 1); end > 1 {
				unit := 1_000_000_000
				for _, c := range []byte(rest[1:end]) {
					unit /= 10
					nanos += int(c-'0') * unit
				}
				rest = rest[end:]
			}
		}
	}
	if year < 1970 || year > 2261 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60 {
		return 0, s, false
	}
	date := time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
	if date.Day() != day && second < 60 {
		return 0, s, false // such as 31 February
	}
	offset, rest, zoned := zone(rest)
	return date.UnixNano() - int64(offset)*int64(time.Second), rest, zoned
}

// zone reads a zone at the start of s: Z, UTC, GMT or an offset, which may be followed by its name as Go and Java write
// it (+0200 CEST, +02:00[Europe/Paris]).
func zone(s string) (seconds int, rest string, zoned bool) {
	rest = strings.TrimLeft(s, " ")
	if len(rest) == 0 {
		return 0, s, false
	}
	switch c := rest[0]; {
	case c == 'Z' || c == 'z':
		return 0, rest[1:], true
	case strings.HasPrefix(rest, "UTC"), strings.HasPrefix(rest, "GMT"):
		return 0, rest[3:], true
	case c == '+' || c == '-':
		h := digitsEnd(rest, 1)
		minutes := 0
		switch {
		case h == 5:
			minutes = two(rest[3:])
		case h == 3 && len(rest) >= 6 && rest[3] == ':' && digitsEnd(rest[:6], 4) == 6:
			minutes = two(rest[4:])
			h = 6
		case h == 3:
		default:
			return 0, s, false
		}
		hours := two(rest[1:])
		if hours > 15 || minutes > 59 {
			return 0, s, false
		}
		seconds = hours*3600 + minutes*60
		if c == '-' {
			seconds = -seconds
		}
		return seconds, zoneName(rest[h:]), true
	default:
		return 0, s, false
	}
}

// zoneName skips the name that follows an offset.
func zoneName(s string) string {
	if strings.HasPrefix(s, "[") {
		if _, after, found := strings.Cut(s, "]"); found {
			return after
		}
		return s
	}
	if len(s) < 4 || s[0] != ' ' {
		return s
	}
	end := 1
	for end < len(s) && ('A' <= s[end] && s[end] <= 'Z') {
		end++
	}
	if end >= 4 && end <= 6 && (end == len(s) || s[end] == ' ') {
		return s[end:]
	}
	return s
}

// two reads two digits.
func two(s string) int { return int(s[0]-'0')*10 + int(s[1]-'0') }
