package expr

import (
	"fmt"
	"strings"
)

// Fault is one thing wrong with an expression, and where.
type Fault struct {
	// Offset and Length are the bytes of the source that the fault is about; Length is at least 1.
	Offset, Length int
	// Message says what is wrong and what was expected, in one sentence without a final stop.
	Message string
	// Hint says what to write instead; "" when there is nothing to suggest.
	Hint string
	// Name says that the fault is about the name of a Part and not about its source.
	Name bool
}

// Error returns the message and the hint.
func (f Fault) Error() string {
	if f.Hint == "" {
		return f.Message
	}
	return f.Message + " (" + f.Hint + ")"
}

// Faults are all that is wrong with one expression, in the order of the source; empty when nothing is.
type Faults []Fault

// Error returns all faults, one a line, each with its offset.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fmt.Sprintf("at byte %d: %s", fault.Offset, fault.Error())
	}
	return strings.Join(lines, "\n")
}
