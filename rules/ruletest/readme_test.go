package ruletest

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/rules"
)

func testingSection(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(content), "\n## Testing rules\n")
	if !found {
		t.Fatal("README.md says nothing about testing rules")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	return section
}

// The example passes, and each rule in it has a test.
func TestExampleOfREADME(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(testingSection(t), -1)
	if len(blocks) != 2 {
		t.Fatalf("%d examples, want rules and their tests", len(blocks))
	}
	f, problems := Parse("shop_test.yaml", []byte(blocks[1][1]), options(), func(patterns []string) (*rules.Set, []rules.Problem, error) {
		if !slices.Equal(patterns, []string{"shop.yaml"}) {
			t.Errorf("the rule files are %v", patterns)
		}
		set, problems := rules.Parse("shop.yaml", []byte(blocks[0][1]))
		return set, problems, nil
	})
	if f == nil || len(problems) > 0 {
		t.Fatal(printed(problems))
	}
	for _, test := range f.Tests {
		r, err := test.Run(t.Context())
		if err != nil || len(r.Failures) > 0 {
			t.Errorf("%s: %v\n%s", test.Name, err, failures(r))
		}
	}
	if untested := Untested([]*File{f}); len(untested) > 0 {
		t.Errorf("%s has no test", untested[0].Name)
	}
}

func TestKeysAreInREADME(t *testing.T) {
	section := testingSection(t)
	for _, key := range slices.Concat(fileKeys, testKeys, streamKeys, logKeys, spanKeys, spanEventKeys, eventKeys, metricKeys,
		expectKeys, alertKeys, transitionKeys, metricTypes()[:2]) {
		if !regexp.MustCompile(`[^a-z_.]` + regexp.QuoteMeta(key) + `[^a-z_.]`).MatchString(section) {
			t.Errorf("README.md does not name %s", key)
		}
	}
	for _, key := range slices.Concat(scheduleKeys, logKeys, spanKeys, metricKeys, eventKeys) {
		if !strings.Contains(section, "`"+key+"`") && !strings.Contains(section, "`"+key+":") {
			t.Errorf("README.md does not explain %s", key)
		}
	}
	if !strings.Contains(section, "`"+defaultStart().Format("2006-01-02T15:04:05Z")+"` |") {
		t.Error("README.md has another default of start")
	}
}
