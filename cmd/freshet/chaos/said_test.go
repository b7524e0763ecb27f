package chaos

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// statement is what is said about a group of the load at one time, in the words that stand for it in Slack everywhere: how
// many alerts fire, and how many have ended since the statement before.
type statement struct {
	group        string
	firing, over int
	id           string // of the notification that says it
}

// titled is how a statement begins in a message of its own and in the lines of a digest.
var titled = regexp.MustCompile(`(FIRING|RESOLVED): Load · (load-\d+)[^(|\n"\\]*(?:\((?:(\d+) firing, (\d+) resolved|(\d+) alerts)\))?`)

// statements returns what a text says about groups.
func statements(text string) (out []statement) {
	for _, m := range titled.FindAllStringSubmatch(text, -1) {
		s, all := statement{group: m[2]}, 1
		if m[5] != "" {
			all, _ = strconv.Atoi(m[5]) // digits
		}
		switch {
		case m[3] != "":
			s.firing, _ = strconv.Atoi(m[3])
			s.over, _ = strconv.Atoi(m[4])
		case m[1] == "FIRING":
			s.firing = all
		default:
			s.over = all
		}
		out = append(out, s)
	}
	return out
}

// judge follows what is said about a group of alerts that fire and end once each, and says what is wrong: what tells nothing
// new, though it may be another notification, what was told before, and what is not told in the end. Of a notification that
// is repeated only the first counts.
func judge(alerts int, said []statement) (wrong []string, complete bool) {
	begun, ended := 0, 0
	var story []string
	told := map[string]bool{}
	for _, s := range said {
		if told[s.id] {
			continue
		}
		told[s.id] = s.id != ""
		story = append(story, fmt.Sprintf("%d firing, %d ended", s.firing, s.over))
		b, e := s.firing+ended+s.over, ended+s.over
		switch {
		case b == begun && e == ended:
			wrong = append(wrong, "nothing new")
		case b < begun:
			wrong = append(wrong, "fewer than were told of before")
		case b > alerts:
			wrong = append(wrong, "more than there are")
		}
		begun, ended = b, e
	}
	complete = begun >= alerts && ended >= alerts
	if !complete {
		wrong = append(wrong, "not all")
	}
	if len(wrong) > 0 {
		wrong = []string{fmt.Sprintf("of %d alerts: %s: %s", alerts, strings.Join(story, "; "), strings.Join(wrong, ", "))}
	}
	return wrong, complete
}

// The oracle of what is said must see what a reader would complain of, whatever the notifications are called.
func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name   string
		alerts int
		said   []statement
		want   string // "" is right
	}{
		{"begin and end", 1, []statement{{firing: 1, id: "a"}, {over: 1, id: "b"}}, ""},
		{"over before it could be told", 1, []statement{{over: 1, id: "a"}}, ""},
		{"one after the other", 2, []statement{{firing: 1}, {firing: 1, over: 1}, {over: 1}}, ""},
		{"again after all were over", 2, []statement{{firing: 1}, {over: 1}, {firing: 1}, {over: 1}}, ""},
		{"the same notification", 1, []statement{{firing: 1, id: "a"}, {firing: 1, id: "a"}, {over: 1, id: "b"}}, ""},
		{"the beginning in another notification", 1, []statement{{firing: 1, id: "a"}, {firing: 1, id: "b"}, {over: 1, id: "c"}}, "nothing new"},
		{"the end in another notification", 1, []statement{{firing: 1, id: "a"}, {over: 1, id: "b"}, {over: 1, id: "c"}}, "more than there are"},
		{"two of three again", 3, []statement{{firing: 2, id: "a"}, {firing: 2, id: "b"}, {firing: 3, id: "c"}, {over: 3, id: "d"}}, "nothing new"},
		{"an end is lost", 2, []statement{{firing: 2}, {over: 1}}, "not all"},
		{"a beginning is lost", 2, []statement{{firing: 1}, {over: 1}}, "not all"},
		{"an old story", 2, []statement{{firing: 2}, {firing: 1}, {over: 2}}, "fewer than were told of before"},
	} {
		wrong, _ := judge(c.alerts, c.said)
		if c.want == "" && len(wrong) > 0 || c.want != "" && (len(wrong) == 0 || !strings.Contains(wrong[0], c.want)) {
			t.Errorf("%s: found %q, expected %q", c.name, wrong, c.want)
		}
	}
}

// Slack's words are read as they are written.
func TestStatements(t *testing.T) {
	const text = `🔴 FIRING: Load · load-1, load-1.0 (12, threshold 10)\n🟢 RESOLVED: Load · load-2, load-2.0\n` +
		`🟢 RESOLVED: Load · load-22 (3 alerts) | Load {…}` + "\n🔴 FIRING: Load · load-3 (2 firing, 1 resolved)" + `"}},{"text":"🔴 FIRING: Load · load-4 (2 alerts)"`
	want := []statement{{group: "load-1", firing: 1}, {group: "load-2", over: 1}, {group: "load-22", over: 3}, {group: "load-3", firing: 2, over: 1}, {group: "load-4", firing: 2}}
	if got := statements(text); !slices.Equal(got, want) {
		t.Errorf("found %+v, expected %+v", got, want)
	}
}
