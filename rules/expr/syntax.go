package expr

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
)

// syntaxFault turns the errors of CEL's parser, which name its tokens, into one sentence about what a person wrote.
func syntaxFault(source string, iss *cel.Issues) Fault {
	tokens := tokenize(source)
	if len(tokens) == 0 {
		return Fault{Length: 1, Message: "the expression is empty"}
	}
	if f, ok := explain(source, tokens); ok {
		return f
	}
	errs := iss.Errors()
	if len(errs) == 0 {
		return Fault{Length: 1, Message: "cannot read this expression: " + iss.Err().Error()}
	}
	return wordParserError(source, tokens, errs[0])
}

// explain looks for the usual mistakes of those who know another language better.
func explain(source string, tokens []token) (Fault, bool) {
	for i, t := range tokens {
		var previous, next token
		if i > 0 {
			previous = tokens[i-1]
		}
		if i+1 < len(tokens) {
			next = tokens[i+1]
		}
		fault := func(message, hint string) (Fault, bool) {
			return Fault{Offset: t.offset, Length: len(t.text), Message: message, Hint: hint}, true
		}
		switch t.kind {
		case symbol:
			if message, hint := explainSymbol(t, previous, next); message != "" {
				return fault(message, hint)
			}
		case word:
			if message, hint := explainWord(t, previous, next); message != "" {
				return fault(message, hint)
			}
			if !isASCII(t.text) {
				return fault("a name may only have the letters a to z, digits and _", "write attributes[\""+t.text+"\"]")
			}
		case digits:
			if next.kind == word && next.offset == t.end() && next.text != "u" && next.text != "U" {
				if previous.text == "." && previous.offset+1 == t.offset {
					return Fault{Offset: t.offset, Length: next.end() - t.offset, Message: "a part of a name that begins with a digit needs backticks", Hint: "write `" + t.text + next.text + "` in its place"}, true
				}
				message, hint := explainUnit(t.text, next.text)
				return Fault{Offset: t.offset, Length: next.end() - t.offset, Message: message, Hint: hint}, true
			}
			if next.text == "%" && i+2 == len(tokens) {
				return Fault{Offset: t.offset, Length: len(t.text) + 1, Message: "a percentage is written as a fraction", Hint: "write " + fraction(t.text)}, true
			}
			if previous.kind == word && strings.HasSuffix(source[:t.offset], ".") {
				return fault("a part of a name that begins with a digit needs backticks", "write `"+t.text+"`")
			}
		case unterminated:
			return Fault{Offset: t.offset, Length: 1, Message: "this text has no end", Hint: "a " + t.text[:1] + " is missing"}, true
		case quoted:
			if f, ok := explainEscape(t); ok {
				return f, true
			}
		}
	}
	return explainParentheses(tokens)
}

func explainSymbol(t, previous, next token) (message, hint string) {
	switch t.text {
	case "=":
		return "`=` does not compare", "write =="
	case "===", "!==":
		return "`" + t.text + "` is not an operator", "write " + t.text[:2]
	case "<>":
		return "`<>` is not an operator", "write !="
	case "=>", "=<":
		return "`" + t.text + "` is not an operator", "write " + t.text[1:] + "="
	case "=~":
		return "`=~` is not an operator here", `write x.matches("pattern")`
	case "!~":
		return "`!~` is not an operator here", `write !x.matches("pattern")`
	case ":=":
		return "nothing can be assigned in an expression", "write == to compare"
	case "&", "|":
		return "`" + t.text + "` is not an operator", "write " + t.text + t.text
	case "“", "”", "„", "‘", "’", "«", "»":
		return "typographic quotes do not enclose a text", `write straight ones: "…" or '…'`
	case "$":
		return "names are written without $", "write " + orElse(next.text, "the name")
	case "@":
		return "names are written without @", `write the name, or attributes["@` + orElse(next.text, "name") + `"]`
	case ";":
		return "an expression has no `;`", "join conditions with && or ||"
	case "^":
		return "`^` is not an operator", "multiply instead"
	case "#":
		return "`#` begins no comment here", "write // or put the comment on a line of its own in the YAML"
	case "[":
		if previous.kind == word && next.kind == digits || previous.text == ")" && next.kind == digits {
			return "a range such as [5m] is not written in the expression", `write it as the rule's window: or as .over("5m")`
		}
	case "(":
		if previous.text == "in" {
			return "the values after `in` stand in brackets", `write in ["a", "b"]`
		}
	}
	return "", ""
}

func explainWord(t, previous, next token) (message, hint string) {
	// After a value, or before one, these can be no names.
	afterValue := previous.kind == word || previous.kind == digits || previous.kind == quoted || previous.text == ")" || previous.text == "]"
	beforeValue := next.kind == word || next.kind == digits || next.kind == quoted || next.text == "("
	if previous.text == "." {
		return "", ""
	}
	switch strings.ToLower(t.text) {
	case "and":
		if afterValue {
			return "`" + t.text + "` does not join conditions", "write &&"
		}
	case "or":
		if afterValue {
			return "`" + t.text + "` does not join conditions", "write ||"
		}
	case "not":
		switch {
		case afterValue && strings.EqualFold(next.text, "in"):
			return "`not in` is not an operator", "write !(x in [a, b])"
		case afterValue && strings.EqualFold(next.text, "like"):
			return "`not like` is not an operator", `write !x.contains("part")`
		case beforeValue:
			return "`" + t.text + "` does not negate", "write !"
		}
	case "like", "ilike":
		if afterValue {
			return "`" + t.text + "` is not an operator", `write x.contains("part"), x.startsWith("part") or x.matches("pattern")`
		}
	case "is":
		if afterValue {
			return "`" + t.text + "` is not an operator", "write == to compare, has(x) for `is not null` and !has(x) for `is null`"
		}
	case "between":
		if afterValue {
			return "`" + t.text + "` is not an operator", "write x >= low && x <= high"
		}
	case "contains", "startswith", "endswith", "matches", "regexp", "rlike":
		if afterValue && beforeValue {
			return "`" + t.text + "` is called on the text", `write x.contains("part"), x.startsWith("part"), x.endsWith("part") or x.matches("pattern")`
		}
	case "in":
		if afterValue && t.text != "in" {
			return "`" + t.text + "` is written in lower case", `write x in ["a", "b"]`
		}
	case "by", "group":
		if afterValue {
			return "grouping does not stand in the expression", "write it as the rule's by: [name]"
		}
	case "where":
		if afterValue {
			return "the filter does not stand here", "write it as the rule's where: or as the last argument of the aggregate"
		}
	case "for", "within":
		if afterValue {
			return "a length of time does not stand in the expression", "write it as the rule's for: or window:"
		}
	case "unless", "if", "then", "else":
		if afterValue {
			return "`" + t.text + "` is not an operator", "write condition ? a : b, or && and !"
		}
	}
	return "", ""
}

// explainUnit explains 500ms, 5m, 10k, 0x… and other letters behind a number.
func explainUnit(digits, unit string) (message, hint string) {
	value, err := strconv.ParseFloat(digits, 64)
	plain := func(factor float64) string { return "write " + strconv.FormatFloat(value*factor, 'g', 12, 64) }
	if err != nil {
		return "a number cannot be followed by letters", "put a space or an operator between them"
	}
	switch unit {
	case "ns":
		return "durations are numbers of seconds", plain(1e-9)
	case "us", "µs":
		return "durations are numbers of seconds", plain(1e-6)
	case "ms":
		return "durations are numbers of seconds", plain(1e-3)
	case "s", "sec":
		return "durations are numbers of seconds", plain(1)
	case "m", "min":
		return "durations are numbers of seconds", plain(60)
	case "h":
		return "durations are numbers of seconds", plain(3600)
	case "d":
		return "durations are numbers of seconds", plain(86400)
	case "k", "K":
		return "numbers have no suffix", plain(1000)
	case "KiB", "Ki":
		return "numbers have no suffix", plain(1 << 10)
	case "M", "MB":
		return "numbers have no suffix", plain(1e6)
	case "MiB", "Mi":
		return "numbers have no suffix", plain(1 << 20)
	case "G", "GB":
		return "numbers have no suffix", plain(1e9)
	case "GiB", "Gi":
		return "numbers have no suffix", plain(1 << 30)
	default:
		return "a number cannot be followed by letters", "put a space or an operator between them"
	}
}

func fraction(percent string) string {
	value, err := strconv.ParseFloat(percent, 64)
	if err != nil {
		return "0.05 for 5 %"
	}
	return strconv.FormatFloat(value/100, 'g', 12, 64)
}

// explainEscape finds a backslash that CEL does not know, such as \d of a pattern.
func explainEscape(t token) (Fault, bool) {
	if t.text[0] == '`' || strings.ContainsAny(t.text[:1], "rR") || len(t.text) > 1 && t.text[0] != '"' && t.text[0] != '\'' && strings.ContainsAny(t.text[1:2], "rR") {
		return Fault{}, false
	}
	for i := 0; i+1 < len(t.text); i++ {
		if t.text[i] != '\\' {
			continue
		}
		i++
		if strings.IndexByte("abfnrtv\\?\"'`xXuU01234567", t.text[i]) < 0 {
			_, size := utf8.DecodeRuneInString(t.text[i:])
			return Fault{Offset: t.offset + i - 1, Length: 1 + size, Message: "`" + t.text[i-1:i+size] + "` is not an escape in a text", Hint: "write r before the quote (r'\\d+') or two backslashes"}, true
		}
	}
	return Fault{}, false
}

func explainParentheses(tokens []token) (Fault, bool) {
	var open []token
	for _, t := range tokens {
		if t.kind != symbol {
			continue
		}
		switch t.text {
		case "(", "[", "{":
			open = append(open, t)
		case ")", "]", "}":
			if len(open) == 0 {
				return Fault{Offset: t.offset, Length: 1, Message: "`" + t.text + "` closes nothing"}, true
			}
			last := open[len(open)-1]
			if closing := closes(last.text); closing != t.text {
				return Fault{Offset: t.offset, Length: 1, Message: "`" + t.text + "` does not close `" + last.text + "`", Hint: "write " + closing}, true
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) == 0 {
		return Fault{}, false
	}
	last := open[len(open)-1]
	return Fault{Offset: last.offset, Length: 1, Message: "`" + last.text + "` is not closed", Hint: "a " + closes(last.text) + " is missing"}, true
}

func closes(open string) string {
	switch open {
	case "(":
		return ")"
	case "[":
		return "]"
	default:
		return "}"
	}
}

// wordParserError says in plain words what CEL's first error is about.
func wordParserError(source string, tokens []token, e *common.Error) Fault {
	offset := byteOffset(source, e.Location.Line(), e.Location.Column())
	if name, ok := strings.CutPrefix(e.Message, "reserved identifier: "); ok {
		return Fault{Offset: offset, Length: len(name), Message: "`" + name + "` is a reserved word", Hint: `write attributes["` + name + `"]`}
	}
	if strings.Contains(e.Message, "exceeds limit") || strings.Contains(e.Message, "recursion limit") {
		return Fault{Length: 1, Message: "the expression is too long or too deeply nested"}
	}
	var at, before token
	for _, t := range tokens {
		if t.offset > offset || t.offset == offset && at.text != "" {
			break
		}
		if t.end() > offset {
			at = t
			break
		}
		before = t
	}
	switch {
	case at.text == "":
		last := tokens[len(tokens)-1]
		return Fault{Offset: last.offset, Length: len(last.text), Message: "the expression ends too early", Hint: "a value is missing after `" + last.text + "`"}
	case before.text != "" && at.kind != symbol && before.kind != symbol:
		return Fault{Offset: at.offset, Length: len(at.text), Message: "`" + at.text + "` cannot follow `" + before.text + "`", Hint: "an operator such as && or == is missing between them"}
	default:
		return Fault{Offset: at.offset, Length: len(at.text), Message: "`" + at.text + "` cannot stand here", Hint: "a name, a number, a text or a call is expected"}
	}
}

// byteOffset converts CEL's position (line from 1, column from 0 in code points) to an offset within the source.
func byteOffset(source string, line, column int) int {
	offset := 0
	for ; line > 1; line-- {
		i := strings.IndexByte(source[offset:], '\n')
		if i < 0 {
			break
		}
		offset += i + 1
	}
	for ; column > 0 && offset < len(source); column-- {
		_, size := utf8.DecodeRuneInString(source[offset:])
		offset += size
	}
	return offset
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
