package rules

import (
	"strings"
	"testing"
)

func TestProblemAsText(t *testing.T) {
	p := Problem{File: "a.yaml", Line: 3, Column: 5, Length: 4, Severity: Error, Rule: "R", Message: "bad", Hint: "good", Source: "    what is"}
	if got, want := p.String(), "a.yaml:3:5: error: R: bad (good)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := p.Render(false), "a.yaml:3:5: error: R: bad\n    3 |     what is\n      |     ^~~~\n      = good"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	whole := Problem{File: "a.yaml", Severity: Warning, Message: "empty"}
	if got, want := whole.Render(false), "a.yaml: warning: empty"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestColorsOnlyAddEscapes(t *testing.T) {
	p := Problem{File: "a.yaml", Line: 3, Column: 5, Length: 4, Severity: Warning, Message: "bad", Hint: "good", Source: "    what is"}
	got := p.Render(true)
	if !strings.Contains(got, "\x1b[1;33mwarning:\x1b[0m") {
		t.Errorf("a warning is not yellow: %q", got)
	}
	for _, code := range []string{"1", "1;33", "34", "0"} {
		got = strings.ReplaceAll(got, "\x1b["+code+"m", "")
	}
	if got != p.Render(false) {
		t.Errorf("without the escapes %q is not %q", got, p.Render(false))
	}
}

// The caret stands below its column whatever the line holds.
func TestCaretStandsRight(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, test := range []struct {
		name, source string
		column       int
	}{
		{"plain", "when: !", 7},
		{"tab", "\twhen: !", 8},
		{"accents", "été: !", 6},
		{"long, at the end", long + "!", 301},
		{"long, in the middle", long[:150] + "!" + long, 151},
		{"long, at the begin", "!" + long, 1},
		{"just cut", long[:119] + "!" + "x", 120},
	} {
		lines := strings.Split(Problem{File: "f", Line: 1, Column: test.column, Length: 1, Source: test.source}.Render(false), "\n")
		source, caret := []rune(lines[1]), []rune(lines[2])
		at := len(caret) - 1
		if caret[at] != '^' || at >= len(source) || source[at] != '!' {
			t.Errorf("%s:\n%s\n%s", test.name, lines[1], lines[2])
		}
	}
	for _, p := range []Problem{
		{Line: 1, Column: 0, Source: "x"}, {Line: 1, Column: 99, Length: 5, Source: "x"}, {Line: 1, Column: 1, Length: 500, Source: "xyz"},
	} {
		if got := p.Render(false); !strings.Contains(got, "^") {
			t.Errorf("%+v renders as %s", p, got)
		}
	}
}
