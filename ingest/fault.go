package ingest

import "errors"

// Fault is why a message could not be decoded. There are few, so a Fault may be the label of a metric.
type Fault uint8

// The faults.
const (
	// Malformed bytes break the rules of their format.
	Malformed Fault = iota + 1
	// Truncated bytes end too early.
	Truncated
	// TooLarge is a message beyond a configured limit.
	TooLarge
	// WrongSignal is a message of another signal than its topic's, such as metrics on a topic of logs.
	WrongSignal
	// UnknownFormat is a message in none of the formats that its topic may have.
	UnknownFormat
)

// String returns the fault's name: malformed, truncated, too_large, wrong_signal or unknown_format.
func (f Fault) String() string {
	switch f {
	case Truncated:
		return "truncated"
	case TooLarge:
		return "too_large"
	case WrongSignal:
		return "wrong_signal"
	case UnknownFormat:
		return "unknown_format"
	case Malformed:
		return "malformed"
	default:
		return "unknown"
	}
}

// DecodeError says why a message could not be decoded. Its text holds no content of the message beyond its first bytes.
type DecodeError struct {
	Fault Fault
	// Format is the format that was tried: otlp_proto, otlp_json, json, text or auto.
	Format string
	// Message says what was expected and what was seen.
	Message string
}

// Error implements error.
func (e *DecodeError) Error() string { return "decoding " + e.Format + ": " + e.Message }

// FaultOf returns the fault of an error of a Decoder; an error of another kind counts as Malformed.
func FaultOf(err error) Fault {
	if e, ok := errors.AsType[*DecodeError](err); ok {
		return e.Fault
	}
	return Malformed
}
