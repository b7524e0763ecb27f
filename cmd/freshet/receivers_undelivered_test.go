package main

import (
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/alert"
)

func TestPrintUndelivered(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	alerts := alert.Alerts{
		{Status: "firing", Labels: alert.KV{"alertname": "ErrorSpike", "service_name": "cart\x1b[2J"}},
		{Status: "resolved", Labels: alert.KV{"alertname": "Slow"}}, {Status: "firing"}, {Status: "firing"}, {Status: "firing"},
	}
	var out strings.Builder
	err := printUndelivered(&out, []alert.DeadLetter{
		{At: at, Integration: "ops/webhook[0]", Reason: "given up after 24h0m0s: 404 Not Found", Data: &alert.Data{Alerts: alerts}, Omitted: 7},
		{At: at.Add(time.Minute), Integration: "team/slack[0]", Reason: "all of its alerts are muted by now", Data: &alert.Data{}},
	})
	want := `2026-03-01T10:00:00Z  ops/webhook[0]  given up after 24h0m0s: 404 Not Found
  firing ErrorSpike{service_name="cart\x1b[2J"}
  resolved Slow{}
  firing {}
  and 9 more
2026-03-01T10:01:00Z  team/slack[0]  all of its alerts are muted by now
`
	if err != nil || out.String() != want {
		t.Errorf("%v, got\n%s\nexpected\n%s", err, out.String(), want)
	}
}
