package ingest

import (
	"encoding/base64"
	"math"
	"unicode/utf8"
	"unsafe"
)

// AppendJSON appends the value as JSON: bytes as base64, a missing value as null, the doubles that JSON lacks as the
// strings "NaN", "Infinity" and "-Infinity", as protobuf's JSON has them.
func (v Value) AppendJSON(b []byte) []byte {
	switch v.Kind {
	case Missing:
		return append(b, "null"...)
	case Bool, Int:
		return v.AppendText(b)
	case Double:
		f := math.Float64frombits(v.bits)
		switch {
		case math.IsNaN(f):
			return append(b, `"NaN"`...)
		case math.IsInf(f, 1):
			return append(b, `"Infinity"`...)
		case math.IsInf(f, -1):
			return append(b, `"-Infinity"`...)
		}
		return v.AppendText(b)
	case String:
		return AppendJSONString(b, v.Str)
	case Bytes:
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, unsafe.Slice(unsafe.StringData(v.Str), len(v.Str)))
		return append(b, '"')
	case List, Map:
		return append(b, v.Str...)
	default:
		return append(b, "null"...)
	}
}

// AppendJSONString appends s as a JSON string. What is not UTF-8 becomes U+FFFD.
func AppendJSONString(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
			b = append(b, s[start:i]...)
			b = append(b, "\uFFFD"...)
			i++
			start = i
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&0xf])
		}
		i++
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}
