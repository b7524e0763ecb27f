package rules

import (
	"fmt"
	"strings"
	"testing"
)

// Which groups a rule expects is no part of its meaning, and the set is another one all the same.
func TestExpectIsNoMeaning(t *testing.T) {
	parse := func(expect string) *Set {
		t.Helper()
		set, problems := Parse("x.yaml", []byte("lists: {hosts: [b, a]}\ngroups: [{name: g, from: logs, rules: [{alert: A, by: [host.name], when: absent()"+expect+"}]}]"))
		if set == nil || len(problems) > 0 {
			t.Fatal(printed(problems))
		}
		return set
	}
	none, some, other, listed := parse(""), parse(", expect: [a]"), parse(", expect: [b, a]"), parse(", expect: lists.hosts")
	for _, s := range []*Set{some, other, listed} {
		if s.Rules[0].ID != none.Rules[0].ID || s.Version == none.Version {
			t.Errorf("id %d of %d, version %d of %d", s.Rules[0].ID, none.Rules[0].ID, s.Version, none.Version)
		}
	}
	if some.Version == other.Version || other.Version != listed.Version {
		t.Error("the version does not tell which groups are expected")
	}
}

func TestExpectedGroups(t *testing.T) {
	set := mustLoad(t, "testdata/expect.good.yaml")
	var got []string
	for _, r := range set.Rules {
		got = append(got, fmt.Sprint(r.Name, r.Expect))
	}
	want := "Plain[[db-1] [db-2]] Named[[db-1] [db-2]] Listed[[db-1] [db-2]] Joined[[db-1] [db-2] [db-3]] Two[[a 500]] Silent[[pay] [shop]] Few[[pay]]"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("%s\nwant %s", s, want)
	}
}
