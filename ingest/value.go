package ingest

import (
	"math"
	"strconv"
)

// Kind says what a Value holds.
type Kind uint8

// The kinds of values. Missing is the zero Kind, so the zero Value is missing.
const (
	Missing Kind = iota
	Bool
	Int
	Double
	String
	Bytes
	List // Str holds the elements as JSON
	Map  // Str holds the entries as JSON
)

// Value is one dynamic value of a record: an attribute, a body, a field. It is small, comparable and never allocates;
// its Str may point into the message that was decoded, so copy it (strings.Clone) to keep it past the Batch.
type Value struct {
	Kind Kind
	Str  string
	bits uint64
}

// StringValue returns a Value that holds s.
func StringValue(s string) Value { return Value{Kind: String, Str: s} }

// BytesValue returns a Value that holds b's content, given as a string.
func BytesValue(b string) Value { return Value{Kind: Bytes, Str: b} }

// ListValue and MapValue hold JSON text.
func ListValue(json string) Value { return Value{Kind: List, Str: json} }

// MapValue returns a Value that holds a JSON object's text.
func MapValue(json string) Value { return Value{Kind: Map, Str: json} }

// IntValue returns a Value that holds n.
func IntValue(n int64) Value { return Value{Kind: Int, bits: uint64(n)} }

// DoubleValue returns a Value that holds f.
func DoubleValue(f float64) Value { return Value{Kind: Double, bits: math.Float64bits(f)} }

// BoolValue returns a Value that holds b.
func BoolValue(b bool) Value {
	if b {
		return Value{Kind: Bool, bits: 1}
	}
	return Value{Kind: Bool}
}

// Bool returns the value of a Bool, and false for every other kind.
func (v Value) Bool() bool { return v.Kind == Bool && v.bits == 1 }

// Int returns the value of an Int, and 0 for every other kind.
func (v Value) Int() int64 {
	if v.Kind != Int {
		return 0
	}
	return int64(v.bits)
}

// Number returns the value of an Int or a Double as a double; ok is false for every other kind.
func (v Value) Number() (f float64, ok bool) {
	switch v.Kind {
	case Int:
		return float64(int64(v.bits)), true
	case Double:
		return math.Float64frombits(v.bits), true
	default:
		return math.NaN(), false
	}
}

// AppendText appends the value as a person would write it, e.g. as a label's value; a missing value appends nothing.
// A whole double is written without a point, so that 500 and 500.0 make the same label; an exponent is used only for
// very small and very large ones.
func (v Value) AppendText(b []byte) []byte {
	switch v.Kind {
	case Bool:
		return strconv.AppendBool(b, v.bits == 1)
	case Int:
		return strconv.AppendInt(b, int64(v.bits), 10)
	case Double:
		f := math.Float64frombits(v.bits)
		if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return strconv.AppendInt(b, int64(f), 10)
		}
		if abs := math.Abs(f); abs >= 1e-6 && abs < 1e21 {
			return strconv.AppendFloat(b, f, 'f', -1, 64)
		}
		return strconv.AppendFloat(b, f, 'g', -1, 64)
	default:
		return append(b, v.Str...)
	}
}

// Text returns the text of AppendText.
func (v Value) Text() string {
	if v.Kind >= String {
		return v.Str
	}
	return string(v.AppendText(nil))
}
