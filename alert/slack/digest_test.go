package slack

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/slack/slacktest"
)

// stormOf returns notifications of as many groups: most fire, every tenth is over.
func stormOf(count int) []*alert.Notification {
	ns := make([]*alert.Notification, count)
	for i := range ns {
		a := fires(fmt.Sprint("service-", i))
		reason := alert.FirstNotification
		switch {
		case i%10 == 9:
			a, reason = over(a), alert.AllResolved
		case i%4 == 1:
			a.Labels["alertname"], a.Labels["severity"] = "DiskFull", "warning"
		}
		ns[i] = notification(fmt.Sprint("id-", i), reason, "", a)
		ns[i].Group, ns[i].GroupKey = fmt.Sprint("group-", i), fmt.Sprintf(`{}:{service_name="service-%d"}`, i)
	}
	return ns
}

// tryDigest returns what came of each notification, and has them keep the names of digests.
func tryDigest(t *testing.T, n *Notifier, ns []*alert.Notification) ([]alert.Outcome, []error) {
	t.Helper()
	at := map[string]int{}
	for i, notification := range ns {
		at[notification.ID] = i
	}
	outcomes, errs, answers := make([]alert.Outcome, len(ns)), make([]error, len(ns)), make([]int, len(ns))
	n.Digest(t.Context(), ns, alert.DigestProgress{
		Name: func(_ context.Context, some []*alert.Notification, name string) error {
			for _, notification := range some {
				ns[at[notification.ID]].Digest = name
			}
			return nil
		},
		Done: func(notification *alert.Notification, o alert.Outcome, err error) {
			i := at[notification.ID]
			outcomes[i], errs[i] = o, err
			answers[i]++
		},
	})
	for i, count := range answers {
		if count != 1 {
			t.Fatalf("notification %s is answered for %d times", ns[i].ID, count)
		}
	}
	return outcomes, errs
}

func mustDigest(t *testing.T, n *Notifier, ns []*alert.Notification) []alert.Outcome {
	t.Helper()
	outcomes, errs := tryDigest(t, n, ns)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return outcomes
}

func TestDigestOfAStorm(t *testing.T) {
	s := slacktest.New(t)
	n := bot(t, s, nil)
	ns := stormOf(5000)
	outcomes := mustDigest(t, n, ns)
	top := s.Messages(slacktest.Channel)
	if len(top) != 1 {
		t.Fatalf("a storm is %d messages", len(top))
	}
	contains(t, top[0].Raw(), "5000 groups of alerts: 4500 firing, 500 resolved", "*Slow* 3500 firing, 500 resolved", "*DiskFull* 1000 firing", "critical 3500",
		"warning 1000", "All groups are in the thread")
	thread := s.Thread(slacktest.Channel, top[0].TS)
	if len(thread) != 1 || len(thread[0].Files) != 1 {
		t.Fatalf("the thread has %+v", thread)
	}
	list := string(thread[0].Files[0].Content)
	if got := strings.Count(list, "\n"); got != 5000 {
		t.Errorf("the list has %d lines", got)
	}
	contains(t, list, "RESOLVED: Slow · service-9 |", "WARNING: DiskFull · service-1 |")
	// Later news of a group gets a message of its own, and what does not ring stays silent.
	for reason, messages := range map[alert.Reason]int{alert.ContentChanged: 0, alert.NoteAdded: 0, alert.AllResolved: 1, alert.NewAlerts: 1, alert.RepeatElapsed: 1} {
		before := len(s.Messages(slacktest.Channel))
		later := notification("later "+string(reason), reason, outcomes[0].Ref, fires("service-0"))
		later.Data.Notes = []alert.Note{{At: start, Text: "acknowledged by anna"}}
		ref := mustNotify(t, n, later)
		if got := len(s.Messages(slacktest.Channel)) - before; got != messages {
			t.Errorf("%s made %d messages, expected %d", reason, got, messages)
		}
		if own := ref != outcomes[0].Ref; own != (messages > 0) {
			t.Errorf("%s: the message is named %q", reason, ref)
		}
	}
	if thread := s.Thread(slacktest.Channel, top[0].TS); len(thread) != 2 || !strings.Contains(thread[1].Text, "acknowledged by anna") {
		t.Errorf("a note about a group of a digest is said as %+v", thread)
	}
	clean(t, s)
}

func TestDigestAgain(t *testing.T) {
	s := slacktest.New(t)
	n := bot(t, s, nil)
	ns := stormOf(20)
	own := mustNotify(t, n, notification("own", alert.FirstNotification, "", fires("service-0")))
	ns[0].Ref, ns[0].Reason = own, alert.NewAlerts
	ended := notification("ended", alert.AllResolved, own, over(fires("service-0")))
	ended.Group, ended.GroupKey = ns[0].Group, ns[0].GroupKey // the end of the same group waits too
	outcomes := mustDigest(t, n, append(ns, ended))
	if outcomes[0].Ref != own || outcomes[20].Ref != own {
		t.Errorf("a group with a message of its own lost it: %q", outcomes[0].Ref)
	}
	top := s.Messages(slacktest.Channel)
	if len(top) != 2 || !strings.Contains(top[0].Raw(), "RESOLVED") {
		t.Fatalf("the channel has %d messages; the group's own is %s", len(top), top[0].Raw())
	}
	contains(t, top[1].Raw(), "20 groups of alerts: 17 firing, 3 resolved")
	// All told of in one digest: the next is in its thread, and rings only for what fires.
	var next []*alert.Notification
	for i, o := range outcomes[1:11] {
		again := notification(fmt.Sprint("again-", i), alert.AllResolved, o.Ref, over(fires(fmt.Sprint("service-", i+1))))
		again.Group = fmt.Sprint("group-", i+1)
		next = append(next, again)
	}
	for i, o := range mustDigest(t, n, next) {
		if o.Ref != next[i].Ref {
			t.Errorf("after a digest in the thread the message is named %q", o.Ref)
		}
	}
	thread := s.Thread(slacktest.Channel, top[1].TS)
	if len(s.Messages(slacktest.Channel)) != 2 || len(thread) != 3 || thread[1].Broadcast {
		t.Fatalf("the thread has %d replies: %+v", len(thread), thread)
	}
	contains(t, thread[1].Text, "10 groups of alerts: all resolved")
	// What nobody is told of makes no message.
	for _, again := range next {
		again.Reason = alert.ContentChanged
	}
	mustDigest(t, n, next)
	if len(s.Messages(slacktest.Channel)) != 2 || len(s.Thread(slacktest.Channel, top[1].TS)) != 3 {
		t.Error("changed values of groups in a digest made a message")
	}
	clean(t, s)
}

func TestDoubtfulDigest(t *testing.T) {
	for _, count := range []int{30, 2000} {
		s := slacktest.New(t)
		n := bot(t, s, nil)
		ns := stormOf(count)
		s.Fail(slacktest.Fault{Method: "chat.postMessage", Cut: true, Done: true})
		outcomes, errs := tryDigest(t, n, ns)
		if err := errors.Join(errs...); err == nil || len(outcomes) != count || outcomes[0].Permanent {
			t.Fatalf("got %d outcomes, %v", len(outcomes), errs)
		}
		for i := range ns {
			ns[i] = again(ns[i])
		}
		fresh := notification("fresh", alert.FirstNotification, "", fires("new"))
		fresh.Group = "fresh"
		outcomes = mustDigest(t, bot(t, s, nil), append(ns, fresh))
		top := s.Messages(slacktest.Channel)
		if len(top) != 2 || outcomes[0].Ref != "C012/"+top[0].TS+"/digest" || outcomes[count].Ref != "C012/"+top[1].TS {
			t.Errorf("%d: the channel has %d messages; told in %q and %q", count, len(top), outcomes[0].Ref, outcomes[count].Ref)
		}
		// The list, which was not made, is made now, and only once.
		for range 2 {
			list := s.Thread(slacktest.Channel, top[0].TS)
			if len(list) != 1 || len(list[0].Files) != 1 || strings.Count(string(list[0].Files[0].Content), "\n") != count {
				t.Fatalf("%d: the thread holds %+v", count, list)
			}
			mustDigest(t, bot(t, s, nil), ns)
		}
		// Alone, one of the first is found too.
		if ref := mustNotify(t, n, ns[3]); len(s.Messages(slacktest.Channel)) != 2 || ref != outcomes[0].Ref {
			t.Errorf("%d: one of a digest is told again as %q", count, ref)
		}
		clean(t, s)
	}
}

// Edits that Slack wants to wait are given back for as long as it says, and not at once again.
func TestQuietEditsRest(t *testing.T) {
	s := slacktest.New(t)
	n := bot(t, s, nil)
	var changes []*alert.Notification
	for i := range 12 {
		name := fmt.Sprint("service-", i)
		change := notification("change-"+name, alert.ContentChanged, mustNotify(t, n, notification("begin-"+name, alert.FirstNotification, "", fires(name))), fires(name))
		change.Group = name
		changes = append(changes, change)
	}
	s.Fail(slacktest.Limited("chat.update", 60))
	outcomes, errs := tryDigest(t, n, changes)
	for i, o := range outcomes {
		if errs[i] == nil || errors.Is(errs[i], alert.ErrTooLate) || o.RetryAfter.Seconds() < 59 || !o.Partly || o.Ref != changes[i].Ref {
			t.Fatalf("got %+v, %v", o, errs[i])
		}
	}
	if calls := len(s.Calls("chat.update")); calls != 1 {
		t.Errorf("%d edits were tried", calls)
	}
}

// What is out of date gives way also when it cannot be written at all.
func TestStaleThatHasNoForm(t *testing.T) {
	s := slacktest.New(t)
	for name, n := range map[string]*Notifier{
		"text":    bot(t, s, func(c *alert.SlackConfig, _ *Options) { c.Text = `{{ template "nowhere" }}` }),
		"channel": bot(t, s, func(c *alert.SlackConfig, _ *Options) { c.Channel = `{{ template "nowhere" }}` }),
		"hook":    hook(t, s),
	} {
		stale := again(notification("stale", alert.FirstNotification, "", fires("service-0")))
		stale.Stale = true
		if _, err := n.Notify(t.Context(), stale); !errors.Is(err, alert.ErrStale) {
			t.Errorf("%s: got %v", name, err)
		}
		if _, errs := tryDigest(t, n, []*alert.Notification{stale, again(stormOf(1)[0])}); !errors.Is(errs[0], alert.ErrStale) {
			t.Errorf("%s, with others: got %v", name, errs)
		}
	}
}

// What is out of date is told no more, and if it was told before, that is known: in a digest, a message and a reply.
func TestStaleIsOnlyLookedFor(t *testing.T) {
	s := slacktest.New(t)
	told := stormOf(4)
	mustDigest(t, bot(t, s, nil), told[:2])
	own := mustNotify(t, bot(t, s, nil), told[2])
	end := notification("end", alert.AllResolved, own, over(fires("service-2")))
	mustNotify(t, bot(t, s, nil), end)
	alone := mustNotify(t, bot(t, s, nil), told[3])
	untold := stormOf(12)[10:]
	untold[1].Ref, untold[1].Reason = own, alert.NewAlerts
	before := len(s.Writes(slacktest.Channel))
	want := map[string]string{told[0].ID: "C012/" + s.Messages(slacktest.Channel)[0].TS + "/digest", end.ID: own, told[3].ID: alone}
	for _, n := range []*alert.Notification{told[0], end, told[3], untold[0], untold[1]} {
		stale := again(n)
		stale.Stale = true
		o, err := bot(t, s, nil).Notify(t.Context(), stale)
		if o.Ref != want[n.ID] || (err == nil) != (want[n.ID] != "") || err != nil && !errors.Is(err, alert.ErrStale) {
			t.Errorf("%s alone: %+v, %v", n.ID, o, err)
		}
		outcomes, errs := tryDigest(t, bot(t, s, nil), []*alert.Notification{stale, again(told[1])})
		if o, err := outcomes[0], errs[0]; o.Ref != want[n.ID] || (err == nil) != (want[n.ID] != "") || err != nil && !errors.Is(err, alert.ErrStale) {
			t.Errorf("%s with others: %+v, %v", n.ID, o, err)
		}
	}
	if n := len(s.Writes(slacktest.Channel)); n != before {
		t.Errorf("%d writes were made", n-before)
	}
	clean(t, s)
}

// What is known to be told is answered for before anything else is said, and nothing is said without a name.
func TestWhatIsFoundIsAnsweredForFirst(t *testing.T) {
	s := slacktest.New(t)
	n := bot(t, s, nil)
	ns := stormOf(30)
	mustDigest(t, n, ns)
	for i := range ns {
		ns[i] = again(ns[i])
	}
	found, refused := 0, 0
	n.Digest(t.Context(), append(ns, stormOf(60)[30:]...), alert.DigestProgress{
		Name: func(_ context.Context, some []*alert.Notification, _ string) error {
			if found != 30 || len(some) != 30 {
				t.Errorf("before %d others are told, %d of 30 are answered for", len(some), found)
			}
			return alert.ErrNotBegun
		},
		Done: func(_ *alert.Notification, o alert.Outcome, err error) {
			switch {
			case err == nil && o.Ref != "":
				found++
			case errors.Is(err, alert.ErrNotBegun):
				refused++
			default:
				t.Errorf("got %+v, %v", o, err)
			}
		},
	})
	if found != 30 || refused != 30 || len(s.Messages(slacktest.Channel)) != 1 {
		t.Errorf("%d are told, %d are not begun, and the channel has %d messages", found, refused, len(s.Messages(slacktest.Channel)))
	}
	clean(t, s)
}

// A digest in the thread of another is found again too.
func TestDoubtfulDigestInAThread(t *testing.T) {
	s := slacktest.New(t)
	n := bot(t, s, nil)
	first := mustDigest(t, n, stormOf(12))
	var ends []*alert.Notification
	for i, o := range first {
		end := notification(fmt.Sprint("end-", i), alert.AllResolved, o.Ref, over(fires(fmt.Sprint("service-", i))))
		end.Group = fmt.Sprint("group-", i)
		ends = append(ends, end)
	}
	s.Fail(slacktest.Fault{Method: "chat.postMessage", Status: 504, Done: true})
	if _, errs := tryDigest(t, n, ends); errs[0] == nil {
		t.Fatal("a lost answer is no error")
	}
	for i := range ends {
		ends[i] = again(ends[i])
	}
	digests := func() (count int) {
		for _, m := range s.Thread(slacktest.Channel, s.Messages(slacktest.Channel)[0].TS) {
			if strings.Contains(m.Text, "all resolved") {
				count++
			}
		}
		return count
	}
	for i, o := range mustDigest(t, bot(t, s, nil), ends) {
		if o.Ref != first[i].Ref {
			t.Errorf("told in %q, expected %q", o.Ref, first[i].Ref)
		}
	}
	mustDigest(t, bot(t, s, nil), ends)
	if lists := s.Thread(slacktest.Channel, s.Messages(slacktest.Channel)[0].TS); len(lists) != 3 {
		t.Errorf("the thread holds %d messages, expected the list of the first digest, the second digest and its list", len(lists))
	}
	if digests() != 1 || len(s.Messages(slacktest.Channel)) != 1 {
		t.Errorf("the digest stands %d times, the channel has %d messages", digests(), len(s.Messages(slacktest.Channel)))
	}
	clean(t, s)
}

func TestDigestThatFails(t *testing.T) {
	s := slacktest.New(t)
	n := bot(t, s, nil)
	s.Fail(slacktest.Limited("chat.postMessage", 30))
	outcomes, errs := tryDigest(t, n, stormOf(12))
	if err := errors.Join(errs...); err == nil || len(outcomes) != 12 || outcomes[11].RetryAfter.Seconds() != 30 || outcomes[11].Ref != "" {
		t.Errorf("got %+v, %v", outcomes, errs)
	}
	// Without the scope for files the list is text.
	s = slacktest.New(t)
	s.Revoke("files:write")
	mustDigest(t, bot(t, s, nil), stormOf(300))
	top := s.Messages(slacktest.Channel)
	thread := s.Thread(slacktest.Channel, top[0].TS)
	if len(thread) != 1 {
		t.Fatalf("the thread has %+v", thread)
	}
	contains(t, thread[0].Raw(), "service-1 ", "more groups")
	mustDigest(t, hook(t, s), stormOf(300))
	contains(t, s.Messages(slacktest.Hook)[0].Raw(), "300 groups of alerts")
	clean(t, s)
}

// Where the channel is a template, each channel has its own digest.
func TestDigestsOfChannels(t *testing.T) {
	s := slacktest.New(t)
	s.AddChannel("C777", "#disks")
	n := bot(t, s, func(c *alert.SlackConfig, _ *Options) {
		c.Channel = `{{ if eq .CommonLabels.alertname "DiskFull" }}#disks{{ else }}#alerts{{ end }}`
	})
	outcomes := mustDigest(t, n, stormOf(20))
	if len(s.Messages("C777")) != 1 || len(s.Messages(slacktest.Channel)) != 1 || !strings.HasPrefix(outcomes[1].Ref, "C777/") || !strings.HasPrefix(outcomes[0].Ref, "C012/") {
		t.Errorf("told in %q and %q", outcomes[0].Ref, outcomes[1].Ref)
	}
	clean(t, s)
}

// A channel that does not exist, or that no template names, takes nothing from those that do.
func TestDigestOfSeveralChannels(t *testing.T) {
	s := slacktest.New(t)
	n := bot(t, s, func(c *alert.SlackConfig, _ *Options) {
		c.Channel = `{{ with .CommonLabels.channel }}{{ . }}{{ else }}{{ template "nowhere" }}{{ end }}`
	})
	ns := stormOf(9)
	for i, at := range []string{slacktest.Channel, "C0GONE", ""} {
		for _, notification := range ns[3*i : 3*i+3] {
			if at != "" {
				notification.Data.CommonLabels["channel"] = at
			}
		}
	}
	ns[0], ns[8] = ns[8], ns[0] // those that cannot be told are not the last
	outcomes, errs := tryDigest(t, n, ns)
	told := 0
	for i := range ns {
		if ns[i].Data.CommonLabels["channel"] == slacktest.Channel {
			told++
			if errs[i] != nil || outcomes[i].Ref == "" {
				t.Errorf("%s: told in %q, %v", ns[i].ID, outcomes[i].Ref, errs[i])
			}
		} else if errs[i] == nil || !outcomes[i].Permanent || outcomes[i].Ref != "" {
			t.Errorf("%s of %q: %+v, %v", ns[i].ID, ns[i].Data.CommonLabels["channel"], outcomes[i], errs[i])
		}
	}
	if messages := s.Messages(slacktest.Channel); told != 3 || len(messages) != 1 {
		t.Errorf("%d groups are told in %d messages", told, len(messages))
	}
}

// Every message of an alert that is over says so in the end, however many a digest tells of.
func TestDigestOfManyOwnMessages(t *testing.T) {
	const count = 3 * maxEdits
	s := slacktest.New(t)
	n := bot(t, s, nil)
	var ends, changes []*alert.Notification
	for i := range count {
		name := fmt.Sprint("service-", i)
		ref := mustNotify(t, n, notification("begin-"+name, alert.FirstNotification, "", fires(name)))
		end := notification("end-"+name, alert.AllResolved, ref, over(fires(name)))
		change := notification("change-"+name, alert.ContentChanged, ref, fires(name))
		end.Group, change.Group = name, name
		ends, changes = append(ends, end), append(changes, change)
	}
	outcomes, errs := tryDigest(t, n, changes)
	late := 0
	for i := range changes {
		if errors.Is(errs[i], alert.ErrTooLate) {
			late++
		} else if errs[i] != nil {
			t.Fatal(errs[i])
		}
	}
	if late != count-maxEdits || outcomes[0].Ref != changes[0].Ref {
		t.Errorf("%d of %d edits are given back, expected all but %d", late, count, maxEdits)
	}
	mustDigest(t, n, ends)
	says := func() (fire int) {
		for _, m := range s.Messages(slacktest.Channel)[:count] {
			if !strings.Contains(m.Raw(), "RESOLVED") {
				fire++
			}
		}
		return fire
	}
	until(t, "no message says that its alert fires", func() bool { return says() == 0 })
	clean(t, s)
}
