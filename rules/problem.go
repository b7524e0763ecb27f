package rules

import (
	"fmt"
	"slices"
	"strings"
)

// Severity says how bad a Problem is.
type Severity uint8

// The severities, the worst first: an error keeps the file from being loaded; a warning is about what cannot be meant, or is
// seldom meant; a note is about what would be of use to whoever is notified.
const (
	Error Severity = iota + 1
	Warning
	Note
)

var severityNames = [...]string{Error: "error", Warning: "warning", Note: "note"} //nolint:gochecknoglobals // constant table

// String returns "error", "warning" or "note".
func (s Severity) String() string { return severityNames[s] }

// ParseSeverity returns the severity that String names.
func ParseSeverity(name string) (Severity, error) {
	i := slices.Index(severityNames[Error:], name)
	if i < 0 {
		return 0, fmt.Errorf("%q is no severity of a problem, expected error, warning or note", name)
	}
	return Error + Severity(i), nil
}

// MarshalText writes what String returns.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what ParseSeverity does.
func (s *Severity) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSeverity(string(text))
	return err
}

// Problem is one thing wrong with a rule file, and where.
type Problem struct {
	File string `json:"file"`
	// Line and Column count from 1, columns in characters; Line 0 means the whole file. Length is how many characters
	// the problem is about, on its line.
	Line     int      `json:"line"`
	Column   int      `json:"column"`
	Length   int      `json:"length"`
	Severity Severity `json:"severity"`
	// Rule is the name of the rule, "" outside rules.
	Rule string `json:"rule,omitempty"`
	// Message says what is wrong and what was expected, Hint what to write instead ("" for none).
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	// Source is the line of the file.
	Source string `json:"source,omitempty"`
}

// String returns the problem in one line: file:line:column: severity: message (hint).
func (p Problem) String() string {
	s := p.place() + ": " + p.Severity.String() + ": " + p.message()
	if p.Hint != "" {
		s += " (" + p.Hint + ")"
	}
	return s
}

func (p Problem) place() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

func (p Problem) message() string {
	if p.Rule == "" {
		return p.Message
	}
	return p.Rule + ": " + p.Message
}

// Render returns the problem as a compiler prints it: the place and the message, the line with a caret below what is
// wrong, and the hint; with ANSI colours if color is set. There is no newline at the end.
func (p Problem) Render(color bool) string {
	paint := func(code, s string) string {
		if !color {
			return s
		}
		return "\x1b[" + code + "m" + s + "\x1b[0m"
	}
	severityColor := [...]string{Error: "1;31", Warning: "1;33", Note: "1;36"}[p.Severity]
	var b strings.Builder
	b.WriteString(paint("1", p.place()+":") + " " + paint(severityColor, p.Severity.String()+":") + " " + paint("1", p.message()))
	gutter := ""
	if p.Line > 0 && p.Source != "" {
		number := fmt.Sprintf("%5d", p.Line)
		gutter = strings.Repeat(" ", len(number))
		source, pad, length := excerpt(p.Source, p.Column, p.Length)
		b.WriteString("\n" + paint("34", number+" |") + " " + source)
		b.WriteString("\n" + gutter + paint("34", " |") + " " + pad + paint(severityColor, "^"+strings.Repeat("~", length-1)))
	}
	if p.Hint != "" {
		b.WriteString("\n" + gutter + paint("34", " =") + " " + p.Hint)
	}
	return b.String()
}

// widest is how much of a line a problem shows.
const widest = 120

// excerpt returns the part of the line around the column, the space before the caret and the caret's length, at least 1.
// The space repeats the line's tabs, so that the caret stands right whatever their width.
func excerpt(line string, column, length int) (shown, pad string, caret int) {
	runes := []rune(line)
	at := min(max(column-1, 0), len(runes))
	end := min(at+max(length, 1), max(len(runes), at+1))
	first, suffix := 0, ""
	if len(runes) > widest {
		first = min(max(at-widest/2, 0), len(runes)-widest)
		if first+widest < len(runes) {
			suffix = "…"
		}
		runes = runes[first : first+widest]
		at -= first
		end = min(end-first, len(runes))
	}
	var b strings.Builder
	prefix := ""
	if first > 0 {
		prefix = "…"
		b.WriteByte(' ')
	}
	for _, r := range runes[:min(at, len(runes))] {
		if r == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	return prefix + string(runes) + suffix, b.String(), max(end-at, 1)
}
