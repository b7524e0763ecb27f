package rules

// Severity says how bad a Problem is.
type Severity uint8

// The severities: an error keeps the file from being loaded, a warning does not.
const (
	Error Severity = iota + 1
	Warning
)

// String returns "error" or "warning".
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Problem is one thing wrong with a rule file, and where.
type Problem struct {
	File string
	// Line and Column count from 1, columns in characters. Length is how many characters the problem is about, on its
	// line.
	Line, Column, Length int
	Severity             Severity
	// Rule is the name of the rule, "" outside rules.
	Rule string
	// Message says what is wrong and what was expected, Hint what to write instead ("" for none).
	Message, Hint string
	// Source is the line of the file.
	Source string
}
