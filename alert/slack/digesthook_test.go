package slack

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/slack/slacktest"
)

var service = regexp.MustCompile(`service-\d+`)

// named returns the services that messages name, and all that they say.
func named(messages []slacktest.Message) (services map[string]bool, all string) {
	services = map[string]bool{}
	for _, m := range messages {
		all += m.Raw() + "\n"
	}
	for _, s := range service.FindAllString(all, -1) {
		services[s] = true
	}
	return services, all
}

// An incoming webhook has no thread for the list of a storm: its messages name each group, what is over before what is less bad.
func TestDigestOfAWebhook(t *testing.T) {
	for count, messages := range map[int]int{12: 1, 60: 1, 300: 1, 3000: 8, 20_000: maxHookMessages} {
		s := slacktest.New(t)
		mustDigest(t, hook(t, s), stormOf(count))
		got := s.Messages(slacktest.Hook)
		services, all := named(got)
		if len(got) > messages {
			t.Errorf("%d groups are told in %d messages, expected %d", count, len(got), messages)
		}
		for i := range count {
			// Of a storm of thousands what is over is named and less of what fires.
			if name := fmt.Sprint("service-", i); !services[name] && (i%10 == 9 || count < 20_000) {
				t.Errorf("%s of %d is not named", name, count)
			}
		}
		contains(t, got[0].Raw(), fmt.Sprintf("%d groups of alerts", count), "*Worst*", "*Over*")
		contains(t, got[len(got)-1].Raw(), "See all in freshet")
		if left := strings.Contains(all, "more groups: Slow "); left != (count == 20_000) {
			t.Errorf("of %d groups some are left out: %v", count, left)
		}
		if len(got) > 1 {
			contains(t, got[1].Text, fmt.Sprintf("… 2 of %d about %d groups of alerts", len(got), count))
		}
		clean(t, s)
	}
}

// All that is told once is not told again when a later message of the same digest fails.
func TestDigestOfAWebhookThatFails(t *testing.T) {
	s := slacktest.New(t)
	posts := 0
	s.FailBy(func(string) *slacktest.Fault {
		if posts++; posts == 3 {
			return &slacktest.Fault{Status: http.StatusInternalServerError}
		}
		return nil
	})
	n := mustNew(t, alert.SlackConfig{APIURL: alert.Secret(s.HookURL())}, Options{Limiter: NewLimiter(time.Microsecond)})
	ns := stormOf(3000)
	_, errs := tryDigest(t, n, ns)
	told, _ := named(s.Messages(slacktest.Hook))
	var again []*alert.Notification
	for i, err := range errs {
		if err != nil {
			again = append(again, ns[i])
		}
		if name := fmt.Sprint("service-", i); told[name] == (err != nil) {
			t.Fatalf("%s is told: %v, and the error is %v", name, told[name], err)
		}
	}
	if len(again) == 0 || len(again) == len(ns) || len(s.Messages(slacktest.Hook)) != 2 {
		t.Fatalf("%d of %d are to be told again after %d messages", len(again), len(ns), len(s.Messages(slacktest.Hook)))
	}
	mustDigest(t, n, again)
	if told, _ := named(s.Messages(slacktest.Hook)); len(told) != len(ns) {
		t.Errorf("%d of %d are told in the end", len(told), len(ns))
	}
	clean(t, s)
}
