package expr

import (
	"regexp"
	"strings"
	"testing"
)

func TestRequiredLiteral(t *testing.T) {
	for source, want := range map[string]string{
		`Failed password for (\S+) from`:             "Failed password for ",
		`(?:Failed|Accepted) \S+ for \S* from (\S+)`: " from ",
		`user=(ann|and)`:                             "user=",
		`(?:abc)+d`:                                  "abc",
		`(abc){2,}`:                                  "abc",
		`a?b*`:                                       "",
		`foo|bar`:                                    "",
		`(?i)timeout`:                                "",
		`ab(?i)timeout`:                              "ab",
		"a\uFFFDb":                                   "",
		`^\[error\] `:                                "[error] ",
		`(?:x{0}|y)`:                                 "",
		``:                                           "",
	} {
		p, err := newPattern(source)
		if err != nil {
			t.Fatal(err)
		}
		if p.literal != want {
			t.Errorf("%q requires %q, expected %q", source, p.literal, want)
		}
	}
}

// A pattern finds what package regexp does, whatever is looked for first.
func FuzzPattern(f *testing.F) {
	for _, seed := range []struct{ source, text string }{
		{`Failed \S+ for (\S+)`, "Failed password for ann"}, {`a(b)?`, "ac ab"}, {`x*`, "yx"}, {`(?i)kelvin`, "\u212aelvin"},
		{"a\uFFFDb", "a\xffb"}, {`(?:ab|ac)+(d)`, "abacd"}, {`(x{2,3}){2}`, "xxxx"}, {`\Qa.b\E$`, "a.b"}, {`(?s)a.b`, "a\nb"}, {`[a]b`, "ab"},
	} {
		f.Add(seed.source, seed.text)
	}
	f.Fuzz(func(t *testing.T, source, text string) {
		re, err := regexp.Compile(source)
		p, ours := newPattern(source)
		if (err == nil) != (ours == nil) {
			t.Fatalf("%q: %v and %v", source, err, ours)
		}
		if err != nil {
			return
		}
		if got := p.match(text); got != re.MatchString(text) {
			t.Errorf("%q matches %q: %t", source, text, got)
		}
		all := re.FindStringSubmatch(text)
		if got, ok := p.whole(text); ok != (all != nil) || ok && got != all[0] {
			t.Errorf("%q finds %q in %q, expected %q", source, got, text, all)
		}
		if re.NumSubexp() == 0 {
			return
		}
		got, ok := p.group(text)
		if all != nil && got != all[1] || ok && (all == nil || !strings.Contains(text, got)) || !ok && got != "" {
			t.Errorf("%q takes %q, %t out of %q, expected %q", source, got, ok, text, all)
		}
	})
}
