package slack

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/slack/slacktest"
)

// A digest of which it is not known that it has a list gets one of those that it is not known for, once, beside what is listed.
func TestListOfWhatIsInDoubt(t *testing.T) {
	s := slacktest.New(t)
	ns := stormOf(80)
	s.Fail(slacktest.Fault{Method: "chat.postMessage", Cut: true, Done: true})
	tryDigest(t, bot(t, s, nil), ns)
	for i := range ns {
		ns[i] = again(ns[i])
	}
	top := s.Messages(slacktest.Channel)[0]
	lists := func() (lines []int) {
		for _, m := range s.Thread(slacktest.Channel, top.TS) {
			if len(m.Files) == 0 {
				lines = append(lines, strings.Count(m.Raw(), "Slow · ")+strings.Count(m.Raw(), "DiskFull · "))
				continue
			}
			lines = append(lines, strings.Count(string(m.Files[0].Content), "\n"))
		}
		return lines
	}
	for _, step := range []struct {
		doubt []*alert.Notification
		want  []int
	}{{ns[:30], []int{30}}, {ns[:30], []int{30}}, {ns[30:75], []int{30, 45}}, {ns[75:], []int{30, 45, 5}}, {ns[75:], []int{30, 45, 5}}} {
		mustDigest(t, bot(t, s, nil), step.doubt)
		if got := lists(); !slices.Equal(got, step.want) {
			t.Fatalf("the lists have %v lines, expected %v", got, step.want)
		}
	}
	// One that is looked for alone is listed too, and one whose digest has its list is not.
	s.Fail(slacktest.Fault{Method: "chat.postMessage", Cut: true, Done: true})
	others := stormOf(90)[80:]
	tryDigest(t, bot(t, s, nil), others)
	top = s.Messages(slacktest.Channel)[1]
	mustNotify(t, bot(t, s, nil), again(others[0]))
	mustDigest(t, bot(t, s, nil), []*alert.Notification{again(others[0]), again(others[1])})
	if got := lists(); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("the lists have %v lines", got)
	}
	clean(t, s)
}

// A list that Slack does not take at first is made all the same, whole and once.
func TestListThatFailsAtFirst(t *testing.T) {
	for name, fault := range map[string]slacktest.Fault{
		"refused":        {Method: "files.completeUploadExternal", Status: 500},
		"not answered":   {Method: "files.completeUploadExternal", Cut: true, Done: true},
		"no place":       {Method: "files.getUploadURLExternal", Status: 503},
		"rate, at first": slacktest.Limited("files.completeUploadExternal", 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := slacktest.New(t)
			s.Fail(fault)
			mustDigest(t, bot(t, s, nil), stormOf(300))
			thread := s.Thread(slacktest.Channel, s.Messages(slacktest.Channel)[0].TS)
			if len(thread) != 1 || len(thread[0].Files) != 1 || strings.Count(string(thread[0].Files[0].Content), "\n") != 300 {
				t.Errorf("the thread holds %+v", thread)
			}
		})
	}
}

// Where Slack takes no files for now, or for long, the list is text; it is made once though its answer is lost and the thread
// cannot be looked at.
func TestListInTrouble(t *testing.T) {
	always := func(f slacktest.Fault) func(string) *slacktest.Fault {
		return func(method string) *slacktest.Fault {
			if method == f.Method {
				return &f
			}
			return nil
		}
	}
	for name, c := range map[string]struct {
		fault  func(method string) *slacktest.Fault
		groups int
	}{
		"files are to wait for long": {always(slacktest.Limited("files.getUploadURLExternal", 60)), 300},
		"files are refused":          {always(slacktest.Error("files.getUploadURLExternal", "file_uploads_disabled")), 300},
		"the thread cannot be read": {func() func(string) *slacktest.Fault {
			lists, reads := 0, 0
			return func(method string) *slacktest.Fault {
				switch method {
				case "chat.postMessage":
					if lists++; lists == 2 { // after the digest
						return &slacktest.Fault{Cut: true, Done: true}
					}
				case "conversations.replies":
					if reads++; reads == 1 {
						return &slacktest.Fault{Status: 503}
					}
				}
				return nil
			}
		}(), 12},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := slacktest.New(t)
			s.FailBy(c.fault)
			begin := time.Now()
			mustDigest(t, bot(t, s, nil), stormOf(c.groups))
			if took := time.Since(begin); took > patience {
				t.Errorf("others waited %s", took)
			}
			thread := s.Thread(slacktest.Channel, s.Messages(slacktest.Channel)[0].TS)
			if len(thread) != 1 || !strings.Contains(thread[0].Raw(), "service-1 ") {
				t.Errorf("the thread holds %+v", thread)
			}
		})
	}
}

// That somebody deletes a message says nothing about whether others can be found.
func TestDeletedThread(t *testing.T) {
	s := slacktest.New(t)
	n := bot(t, s, nil)
	message := notification("begin", alert.FirstNotification, "", fires("service-0"))
	ref := mustNotify(t, n, message)
	s.Delete(slacktest.Channel, s.Messages(slacktest.Channel)[0].TS)
	end := again(notification("end", alert.AllResolved, ref, over(fires("service-0"))))
	if outcomes := mustDigest(t, n, []*alert.Notification{end}); outcomes[0].Ref == ref || len(s.Messages(slacktest.Channel)) != 1 {
		t.Errorf("told in %+v", outcomes)
	}
	c, err := n.channel(&message.Data)
	if err != nil || !c.searchable() {
		t.Errorf("the channel is not searched any more, %v", err)
	}
}

// A channel that is configured by its name is looked at once its ID is known.
func TestDoubtInANamedChannel(t *testing.T) {
	s := slacktest.New(t)
	n := bot(t, s, func(c *alert.SlackConfig, _ *Options) { c.Channel = "#alerts" })
	mustNotify(t, n, notification("first", alert.FirstNotification, "", fires("first")))
	s.Fail(slacktest.Fault{Method: "chat.postMessage", Cut: true, Done: true})
	ns := stormOf(30)
	if _, errs := tryDigest(t, n, ns); errs[0] == nil {
		t.Fatal("a lost answer is no error")
	}
	for i := range ns {
		ns[i] = again(ns[i])
	}
	mustDigest(t, n, ns)
	if top := s.Messages(slacktest.Channel); len(top) != 2 || len(s.Thread(slacktest.Channel, top[1].TS)) != 1 {
		t.Errorf("the channel has %d messages", len(top))
	}
	clean(t, s)
}
