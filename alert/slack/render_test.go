package slack

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/slack/slacktest"
	"github.com/freshet-dev/freshet/detect/finding"
)

// rich is an alert of which everything is known.
func rich() alert.Alert {
	a := fires("cart")
	a.Annotations["description"] = "The 99th percentile of `GET /cart` is above its threshold."
	a.Peak, a.Values = new(2.5), map[string]float64{"requests": 1200, "errors": 3}
	a.Expected = &finding.Band{Value: new(0.4), Lower: new(0.2), Upper: new(0.8)}
	a.Flapping = 7
	a.Muted = "silenced by ada until 2026-03-01 12:00 UTC (silence 1)"
	a.Acknowledged = &alert.Acknowledgement{By: "anna (U012AB3CD)", At: start.Add(30 * time.Second), Comment: "looking"}
	a.Links = []alert.Link{{Name: "dashboard", URL: "https://grafana.example.org/d/shop?from=1&to=2"},
		{Name: "runbook", URL: "https://runbooks.example.org/slow"}, {Name: "silence", URL: "http://freshet.example.org/silence"},
		{Name: "trace", URL: "javascript:alert(1)"}}
	return a
}

// The messages of testdata can be looked at in Slack's Block Kit Builder.
func TestGolden(t *testing.T) {
	s := slacktest.New(t)
	n := bot(t, s, func(_ *alert.SlackConfig, o *Options) { o.Buttons, o.FlappingWindow = true, 30*time.Minute })
	full := notification("1", alert.FirstNotification, "", rich())
	mustNotify(t, n, full)
	golden(t, "firing", s.Messages(slacktest.Channel)[0])
	golden(t, "thread", s.Thread(slacktest.Channel, s.Messages(slacktest.Channel)[0].TS)[0])
	gone := over(fires("cart"))
	gone.Belated, gone.Reason = true, "no data"
	mustNotify(t, n, notification("2", alert.AllResolved, "", gone))
	golden(t, "resolved", s.Messages(slacktest.Channel)[1])
	many := alert.Alerts{}
	for i := range 40 {
		a := fires(fmt.Sprint("service-", i))
		if i%3 == 0 {
			a.Labels["severity"] = "warning"
		}
		many = append(many, a)
	}
	mustNotify(t, n, notification("3", alert.FirstNotification, "", many...))
	golden(t, "many", s.Messages(slacktest.Channel)[2])
	mustDigest(t, n, stormOf(60))
	golden(t, "digest", s.Messages(slacktest.Channel)[3])
	clean(t, s)
}

func golden(t *testing.T, name string, m slacktest.Message) {
	t.Helper()
	shown := map[string]any{}
	for key, raw := range map[string]json.RawMessage{"blocks": m.Blocks, "attachments": m.Attachments} {
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatal(err)
		}
		shown[key] = v
	}
	var pretty strings.Builder
	e := json.NewEncoder(&pretty)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(shown); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", name+".json")
	if os.Getenv("FRESHET_UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, []byte(pretty.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if pretty.String() != string(want) {
		t.Errorf("%s differs; got\n%s\nexpected\n%s", file, pretty.String(), want)
	}
}

// moved is an alert that another route takes since it became more severe.
func moved(name string) alert.Alert {
	a := fires(name)
	a.Moved, a.New = "moved to critical, told to pager", true
	return a
}

// The message of an alert that moved is edited for the last time: it says where the alert went, has no buttons and claims
// neither that it fires here nor that it is over.
func TestMoved(t *testing.T) {
	s := slacktest.New(t)
	n := bot(t, s, func(_ *alert.SlackConfig, o *Options) { o.Buttons = true })
	first := mustNotify(t, n, notification("1", alert.FirstNotification, "", fires("cart")))
	mustNotify(t, n, notification("2", alert.SeverityRaised, first, moved("cart")))
	golden(t, "moved", s.Messages(slacktest.Channel)[0])
	thread := s.Thread(slacktest.Channel, s.Messages(slacktest.Channel)[0].TS)
	if last := thread[len(thread)-1].Text; !strings.Contains(last, "Worse than before:") || !strings.HasSuffix(last, "moved to critical, told to pager") {
		t.Errorf("the thread ends with %q", last)
	}
}

// The first line of the preview says how bad, what, where and how much.
func TestPreview(t *testing.T) {
	warning := fires("cart")
	warning.Labels["severity"] = "warning"
	bare := alert.Alert{Status: "firing", Labels: alert.KV{"alertname": "Silent"}}
	for want, alerts := range map[string][]alert.Alert{
		"🔴 CRITICAL: Slow · cart – cart is slow (1.24 s, threshold 1 s)":                 {fires("cart")},
		"🟠 WARNING: Slow · cart – cart is slow (1.24 s, threshold 1 s)":                  {warning},
		"🟢 RESOLVED: Slow · cart – cart is slow":                                         {over(fires("cart"))},
		"🔴 CRITICAL: Slow (2 alerts) – cart is slow (1.24 s, threshold 1 s)":             {fires("cart"), fires("checkout")},
		"🔴 CRITICAL: Slow (1 firing, 1 resolved) – cart is slow (1.24 s, threshold 1 s)": {fires("cart"), over(fires("checkout"))},
		"🔴 FIRING: Silent": {bare},
		"➡️ MOVED TO CRITICAL: Slow · cart – cart is slow (1.24 s, threshold 1 s)": {moved("cart")},
		"🔴 CRITICAL: Slow (2 alerts) – search is slow (1.24 s, threshold 1 s)":     {moved("search"), fires("cart")},
	} {
		if got := preview(&notification("1", alert.FirstNotification, "", alerts...).Data); got != want {
			t.Errorf("got      %s\nexpected %s", got, want)
		}
	}
}

func TestColors(t *testing.T) {
	with := func(severities ...string) *alert.Data {
		var alerts alert.Alerts
		for _, s := range severities {
			a := fires("x")
			a.Labels = alert.KV{"severity": s}
			if s == "over" {
				a.Status = "resolved"
			}
			alerts = append(alerts, a)
		}
		return &alert.Data{Alerts: alerts}
	}
	for want, d := range map[string][]*alert.Data{
		red:    {with("critical"), with("info", "Critical", "warning"), with(""), with("over", "page")},
		orange: {with("warning"), with("info", "Warning"), with("over", "warning")},
		blue:   {with("info"), with("over", "info")},
		green:  {with("over"), with("over", "over")},
	} {
		for _, d := range d {
			if got := color(d); got != want {
				t.Errorf("%v is %s, expected %s", d.Alerts, got, want)
			}
		}
	}
}

// hostile is what a label, an annotation, a record or a user's name may hold.
var hostile = []string{
	"<!channel> <@U012> <#C012|general> <https://evil.example|Open in freshet>", "```\n<!here>\n```", "& &amp; &lt;!channel&gt;",
	strings.Repeat("<", 5000), strings.Repeat("&", 5000), strings.Repeat("`", 5000), strings.Repeat("é日", 3000), strings.Repeat("🔥", 4000),
	"\x00\x1b[2J\u202e\xff", "", " ", "\n\n", "|>", "@channel @here", strings.Repeat("a b ", 2000), "x",
}

// hostileAlert is an alert of which any text may be hostile.
func hostileAlert(r *rand.Rand, texts []string) alert.Alert {
	text := func() string {
		if r.IntN(3) == 0 {
			return "word"
		}
		return texts[r.IntN(len(texts))]
	}
	number := func() *float64 {
		if r.IntN(3) == 0 {
			return nil
		}
		return new((r.Float64() - 0.3) * float64(uint64(1)<<r.IntN(60)))
	}
	a := alert.Alert{Status: "firing", Labels: alert.KV{"alertname": text(), "severity": text()}, Annotations: alert.KV{"summary": text(),
		"description": text(), "runbook_url": "https://x.example/" + text()}, StartsAt: start, GeneratorURL: "http://freshet.example.org/" + text(),
		Fingerprint: text()}
	for range r.IntN(30) {
		a.Labels[text()+fmt.Sprint(r.IntN(100))] = text()
	}
	a.Value, a.Threshold, a.Peak, a.Unit, a.Condition, a.New = number(), number(), number(), text(), text(), r.IntN(4) > 0
	a.Flapping, a.Values = r.IntN(2)*r.IntN(100), map[string]float64{}
	for range r.IntN(20) {
		a.Values[text()+fmt.Sprint(r.IntN(100))] = r.Float64()
	}
	a.Expected = &finding.Band{Value: number(), Lower: number(), Upper: number()}
	for range r.IntN(10) {
		a.Samples = append(a.Samples, alert.Sample{Text: text(), Topic: text(), TraceID: text()})
		a.Links = append(a.Links, alert.Link{Name: text(), URL: "https://x.example/" + text()})
	}
	if r.IntN(2) == 0 {
		a.Acknowledged = &alert.Acknowledgement{By: text(), Comment: text(), At: start}
		a.Explanation = &finding.Explanation{Against: text(), Traits: slices.Repeat([]finding.Trait{{Attribute: text(), Value: text(), Now: 0.001, Before: 0.999,
			Also: slices.Repeat([]finding.Attribute{{Name: text(), Value: text()}}, r.IntN(5))}}, r.IntN(8))}
	}
	if r.IntN(3) == 0 {
		a.Moved, a.Muted = text(), text()
	}
	if r.IntN(3) == 0 {
		a = over(a)
		a.Reason, a.Belated = text(), r.IntN(2) == 0
	}
	return a
}

func hostileNotification(r *rand.Rand, texts []string, most int) *alert.Notification {
	count := min(most, []int{1, 1, 2, 3, 4, 12, 50}[r.IntN(7)])
	alerts := make([]alert.Alert, count)
	for i := range alerts {
		alerts[i] = hostileAlert(r, texts)
	}
	n := notification(fmt.Sprint(r.Uint64()), alert.FirstNotification, "", alerts...)
	for range r.IntN(30) {
		n.Data.Notes = append(n.Data.Notes, alert.Note{At: start, Text: texts[r.IntN(len(texts))]})
	}
	n.Group = texts[r.IntN(len(texts))] + fmt.Sprint(r.Uint64())
	n.Integration.Receiver = texts[r.IntN(len(texts))]
	return n
}

// reasons are all why a group is notified.
var reasons = []alert.Reason{alert.FirstNotification, alert.NewAlerts, alert.SomeResolved, alert.AllResolved, alert.RepeatElapsed,
	alert.ContentChanged, alert.NoteAdded, alert.SeverityRaised}

// everyForm sends a notification in every form, and fails when Slack would refuse one or something is forged.
func everyForm(t *testing.T, r *rand.Rand, texts []string, most int) {
	t.Helper()
	s := slacktest.New(t)
	own := func(c *alert.SlackConfig, _ *Options) {
		c.Title = `{{ .CommonLabels.alertname }}{{ .GroupLabels }}`
		c.Text = `{{ range .Alerts }}{{ .Annotations.summary }} {{ .Labels }} {{ .Annotations }} {{ .GeneratorURL }} {{ range .Samples }}{{ .Text }}{{ .Topic }}{{ end }}` +
			`{{ .Explanation }}{{ .Reason }}{{ .Condition }}{{ range .Links }}{{ .Name }}{{ .URL }}{{ end }}{{ with .Acknowledged }}{{ .By }}{{ .Comment }}{{ end }}` +
			`{{ range $k, $v := .Values }}{{ $k }}{{ end }}{{ end }}`
		c.Pretext, c.Footer, c.MessageText = `{{ range .Alerts }}{{ .Labels.severity }}{{ end }}`, `{{ .CommonAnnotations.summary }}`, `{{ .CommonAnnotations }}`
		c.Fields = slices.Repeat([]alert.SlackField{{Title: "{{ .CommonLabels.severity }}", Value: "{{ range .Alerts }}{{ .Labels }}{{ end }}"}}, 6)
		c.LinkNames = true
	}
	buttons := func(_ *alert.SlackConfig, o *Options) { o.Buttons = true }
	n := hostileNotification(r, texts, most)
	for _, c := range []func(*alert.SlackConfig, *Options){buttons, own} {
		b := bot(t, s, c)
		ref := mustNotify(t, b, n)
		edit := *n
		edit.Ref, edit.Reason, edit.ID = ref, reasons[r.IntN(len(reasons))], n.ID+"/edit"
		mustNotify(t, b, &edit)
	}
	mustNotify(t, hook(t, s), n)
	storm := make([]*alert.Notification, 2+r.IntN(most))
	for i := range storm {
		storm[i] = hostileNotification(r, texts, most)
		storm[i].Group = fmt.Sprint(i)
	}
	for _, d := range []*Notifier{bot(t, s, nil), hook(t, s)} {
		mustDigest(t, d, storm)
	}
	clean(t, s)
	for _, m := range append(append(s.Messages(slacktest.Channel), s.Messages(slacktest.Hook)...), threads(s)...) {
		harmless(t, m)
	}
}

func threads(s *slacktest.Server) (out []slacktest.Message) {
	for _, m := range s.Messages(slacktest.Channel) {
		out = append(out, s.Thread(slacktest.Channel, m.TS)...)
	}
	return out
}

// harmless checks every text of a message.
func harmless(t *testing.T, m slacktest.Message) {
	t.Helper()
	noForgery(t, m.Text)
	for _, raw := range []json.RawMessage{m.Blocks, m.Attachments} {
		if len(raw) == 0 {
			continue
		}
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatal(err)
		}
		walk(t, v, "")
	}
}

func walk(t *testing.T, v any, key string) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		kind, _ := v["type"].(string)
		for k, inner := range v {
			if text, ok := inner.(string); ok && kind == "plain_text" && k == "text" {
				if strings.ContainsAny(text, "<>\n") {
					t.Errorf("forged in plain text: %.100q", text)
				}
				continue
			}
			if k == "value" && kind == "button" || k == "block_id" {
				continue // nobody sees them
			}
			walk(t, inner, k)
		}
	case []any:
		for _, inner := range v {
			walk(t, inner, key)
		}
	case string:
		if key == "image_url" || key == "title_link" {
			return
		}
		noForgery(t, v)
		if n := strings.Count(v, "```"); n != 0 && n != 2 {
			t.Errorf("a code block is not closed, or broken out of: %.200q", v)
		}
	}
}

// noForgery checks that every < begins one of freshet's own links or dates, and that every & is an entity.
func noForgery(t *testing.T, text string) {
	t.Helper()
	for i, r := range text {
		rest := text[i:]
		switch r {
		case '<':
			end := strings.IndexByte(rest, '>')
			own := strings.HasPrefix(rest, "<!date^") || strings.HasPrefix(rest, "<http://freshet.example.org") || strings.HasPrefix(rest, "<https://x.example/")
			if !own || end < 0 || strings.Count(rest[:end], "|") != 1 || strings.Contains(rest[1:end], "<") {
				t.Errorf("forged: %.100q", rest)
				return
			}
		case '&':
			if !strings.HasPrefix(rest, "&amp;") && !strings.HasPrefix(rest, "&lt;") && !strings.HasPrefix(rest, "&gt;") {
				t.Errorf("an entity is cut: %.60q", rest)
				return
			}
		}
	}
}

// Whatever labels and records hold, messages keep within Slack's limits and forge nothing.
func TestHostileContent(t *testing.T) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 1))
		everyForm(t, r, hostile, 30)
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
}

// Every text of every form, without a server between.
func FuzzContent(f *testing.F) {
	for i, s := range hostile[:3] {
		f.Add(uint64(i), s, hostile[len(hostile)-1-i])
	}
	own, err := New(alert.SlackConfig{Token: "x", Channel: "c", Title: `{{ .CommonLabels.alertname }}`, Pretext: `{{ .CommonLabels }}`,
		Text: `{{ range .Alerts }}{{ .Annotations.summary }} {{ .Labels }}{{ range .Samples }}{{ .Text }}{{ end }}{{ end }}`}, Options{})
	if err != nil {
		f.Fatal(err)
	}
	n, err := New(alert.SlackConfig{Token: "x", Channel: "c"}, Options{Buttons: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, seed uint64, a, b string) {
		a, b = a[:min(len(a), 500)], b[:min(len(b), 500)]
		texts := []string{a, b, a + b, strings.Repeat(a, 1+4000/(1+len(a)))}
		r := rand.New(rand.NewPCG(seed, 2))
		some := []*alert.Notification{hostileNotification(r, texts, 4), hostileNotification(r, texts, 4), hostileNotification(r, texts, 4)}
		some[0].Reason = reasons[r.IntN(len(reasons))]
		messages := []message{digestMessage(some, true), {preview: "list", blocks: listReply(some).blocks}}
		for _, p := range hookParts(some) {
			messages = append(messages, p.message)
		}
		for _, of := range []func() (message, error){
			func() (message, error) { return n.render(some[0], true) },
			func() (message, error) { return n.render(some[0], false) },
			func() (message, error) { return own.render(some[0], true) },
		} {
			m, err := of()
			if err != nil {
				t.Fatal(err)
			}
			messages = append(messages, m, m.bare())
		}
		for _, of := range []func(*alert.Notification) (reply, bool){beginning, followUp} {
			if said, ok := of(some[0]); ok {
				messages = append(messages, message{preview: said.text, blocks: said.blocks})
			}
		}
		for _, m := range messages {
			shown := slacktest.Message{Text: m.preview}
			if len(m.blocks) > 0 {
				shown.Blocks = encode(t, m.blocks)
			}
			if m.attachment.Color != "" {
				shown.Attachments = encode(t, []any{m.attachment})
			}
			if err := shown.Check(); err != nil {
				t.Error(err)
			}
			harmless(t, shown)
		}
	})
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A group of thousands of alerts is one message too.
func TestThousandsOfAlerts(t *testing.T) {
	s := slacktest.New(t)
	alerts := make([]alert.Alert, 5000)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range alerts {
		alerts[i] = hostileAlert(r, []string{"a", "<!channel>", "service"})
	}
	n := bot(t, s, nil)
	ref := mustNotify(t, n, notification("1", alert.FirstNotification, "", alerts...))
	for _, reason := range reasons {
		mustNotify(t, n, notification(string(reason), reason, ref, alerts...))
	}
	contains(t, s.Messages(slacktest.Channel)[0].Raw(), "and 4988 more alerts")
	clean(t, s)
}
