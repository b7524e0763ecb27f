package main

import (
	"strings"
	"unicode/utf8"

	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
)

// tailKey is an entry of --by, and how it was written.
type tailKey struct {
	*expr.Key
	name string
}

// compile compiles --where and --by for the signal of t, and returns all that is wrong with them.
func (f *tailFlags) compile(t *tail) (keys []tailKey, problems []rules.Problem) {
	if f.where != "" {
		where, faults := expr.CompileWhere(f.where, t.signal, nil)
		problems = append(problems, flagProblems("--where", f.where, 0, faults)...)
		if where != nil {
			t.where = where.Holds
		}
	}
	if f.by == "" {
		return nil, problems
	}
	seen := map[string]bool{}
	for _, e := range splitKeys(f.by) {
		if e.text == "" {
			problems = append(problems, flagProblems("--by", f.by, e.offset, expr.Faults{{
				Length: 1, Message: "an entry is missing", Hint: "entries are separated by one comma, as in service.name,severity_text",
			}})...)
			continue
		}
		key, faults := expr.CompileKey(e.text, t.signal, nil)
		problems = append(problems, flagProblems("--by", f.by, e.offset, faults)...)
		if key == nil {
			continue
		}
		if seen[key.Text] {
			problems = append(problems, flagProblems("--by", f.by, e.offset, expr.Faults{{
				Length: len(e.text), Message: "this entry is there twice",
			}})...)
			continue
		}
		seen[key.Text] = true
		keys = append(keys, tailKey{key, e.text})
	}
	return keys, problems
}

// flagProblems makes problems, as those of a rule file, of the faults of an expression that stands at an offset in the
// text of a flag.
func flagProblems(flag, text string, offset int, faults expr.Faults) []rules.Problem {
	var problems []rules.Problem
	for _, f := range faults {
		at := min(offset+f.Offset, len(text))
		begin := strings.LastIndexByte(text[:at], '\n') + 1
		line, _, _ := strings.Cut(text[begin:], "\n")
		end := min(at+f.Length, begin+len(line))
		problems = append(problems, rules.Problem{
			File: flag, Line: 1 + strings.Count(text[:begin], "\n"),
			Column: 1 + utf8.RuneCountInString(text[begin:at]), Length: max(1, utf8.RuneCountInString(text[at:max(at, end)])),
			Severity: rules.Error, Message: f.Message, Hint: f.Hint, Source: line,
		})
	}
	return problems
}

// keyText is an entry of --by and where it stands.
type keyText struct {
	offset int
	text   string
}

// splitKeys splits --by at commas, those inside brackets and quotes excepted.
func splitKeys(list string) []keyText {
	var out []keyText
	start, depth := 0, 0
	add := func(end int) {
		part := strings.TrimLeft(list[start:end], " \t\n")
		out = append(out, keyText{end - len(part), strings.TrimRight(part, " \t\n")})
		start = end + 1
	}
	for i := 0; i < len(list); i++ {
		switch list[i] {
		case '\'', '"', '`':
			i = quoteEnd(list, i) - 1
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth = max(depth-1, 0)
		case ',':
			if depth == 0 {
				add(i)
			}
		}
	}
	add(len(list))
	return out
}

// quoteEnd returns where the text that is quoted at i ends; one that does not end reaches to the end of all.
func quoteEnd(s string, i int) int {
	quote := s[i : i+1]
	raw := quote == "`" || i > 0 && (s[i-1] == 'r' || s[i-1] == 'R') // knows no escapes
	if triple := strings.Repeat(quote, 3); quote != "`" && strings.HasPrefix(s[i:], triple) {
		quote = triple
	}
	for j := i + len(quote); j < len(s); j++ {
		if strings.HasPrefix(s[j:], quote) {
			return j + len(quote)
		}
		if s[j] == '\\' && !raw {
			j++
		}
	}
	return len(s)
}
