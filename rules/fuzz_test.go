package rules

import (
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"
)

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*.yaml", "library/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatal(files, err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(content)
		}
	}
	for _, rule := range []string{
		"from: spans, let: {errors: count(status == ERROR), ratio: errors / count()}, when: {warning: ratio > 0.05, critical: ratio > 0.2}, until: {critical: ratio < 0.1}, value: ratio",
		"from: spans, slo: {objective: 99.9%, good: count(status != ERROR), total: count(), window: 7d, minimum: 1_000}",
		"from: spans, slo: {objective: 0.5, good: count(), total: count()}, until: count() < 1",
		"from: metrics, by: [host.name], when: 'increase(metric(\"a\").count) > 5 && sum(last(metric(\"b\"))).outlier() > 4'",
		"from: logs, by: {user: user.id}, when: fresh(source.ip) > 0 || before(severity >= ERROR, severity < INFO) >= 5, max_groups: 5",
		"from: metrics, when: 'max(metric(\"a\")).forecast(\"4h\", \"6h\") >= 1 || changed(last(metric(\"a\")), \"2h\")', for: 1s, forget_after: 0s",
		"from: logs, let: {n: count()}, when: n < n.lower(\"1d\", \"2h\") || n.anomaly() > 4, on_missing: resolve, new_group_delay: 1h, notify: false, labels: {a: '{{ $values.n }}'}",
		"from: logs, when: count() > 5 && count() < 3 || absent(), on_missing: keep, time: arrival",
	} {
		f.Add([]byte("groups: [{name: g, rules: [{alert: A, " + rule + "}]}]"))
	}
	f.Add([]byte("groups: [{name: g, rules: [{alert: \"A\\\n  B\", from: logs, when: count() > 1}]}]"))
	f.Fuzz(func(t *testing.T, content []byte) {
		set, problems := CheckFiles([]File{{Name: "x.yaml", Content: content}})
		bad := false
		for _, p := range problems {
			bad = bad || p.Severity == Error
			if p.Message == "" || p.Line < 0 || p.Line > 0 && p.Column < 1 {
				t.Errorf("the problem is %+v", p)
			}
			if p.Line > 0 && p.Column > utf8.RuneCountInString(p.Source)+1 {
				t.Errorf("column %d is not within %q", p.Column, p.Source)
			}
			p.Render(true)
		}
		if (set == nil) != bad {
			t.Errorf("the set is %v with problems %v", set, problems)
		}
		if set != nil {
			set.LongestWindow()
			set.Topics()
		}
	})
}

// FuzzListFile reads files of values.
func FuzzListFile(f *testing.F) {
	files, err := filepath.Glob("testdata/lists/*")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	rules := []byte("lists: {t: {file: t.txt}, y: {file: y.yaml}}\n" +
		"groups: [{name: g, from: logs, by: [host.name], rules: [{alert: A, expect: lists.t, where: a.b in lists.y, when: absent()}]}]")
	f.Fuzz(func(t *testing.T, content []byte) {
		set, problems := CheckFiles([]File{{Name: "x.yaml", Content: rules, Lists: []ListFile{
			{Path: "t.txt", Name: "t.txt", Content: content}, {Path: "y.yaml", Name: "y.yaml", Content: content},
		}}})
		bad := false
		for _, p := range problems {
			bad = bad || p.Severity == Error
			if p.Message == "" || p.Line > 0 && (p.Column < 1 || p.Column > utf8.RuneCountInString(p.Source)+1) {
				t.Errorf("the problem is %+v", p)
			}
			p.Render(true)
		}
		if (set == nil) != bad {
			t.Errorf("the set is %v with problems %v", set, problems)
		}
	})
}
