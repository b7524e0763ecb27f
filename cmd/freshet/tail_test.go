package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTailLines(t *testing.T) {
	m := newMarket(t)
	m.open()
	out, errOut := m.must("otlp_logs")
	const trace = " trace_id=01020300000000000000000000000000 host.name=node-1\n"
	expectText(t, out, ""+
		at(0)+`  payment  ERROR  card declined  http.route="/pay now" http.response.status_code=502`+trace+
		at(1)+"  payment  INFO2  �[31mpaid�[0m at� �once  host.name=node-1\n"+
		at(1)+"  undecodable  otlp_logs/0@1  unknown_format: decoding auto: 6 bytes that begin with 0x00011b5b324a, expected OTLP logs as protobuf or JSON, flat JSON or text\n"+
		at(2)+`  cart     ERROR  card declined  http.route="/pay now" http.response.status_code=502`+trace+
		at(3)+"  cart     INFO2  �[31mpaid�[0m at� �once  host.name=node-1\n")
	expectText(t, errOut, "4 records read, 4 matched, 1 Kafka record could not be decoded\n")

	out, errOut = m.must("otlp_spans")
	expectText(t, out, at(0)+"  cart  GET /cart 1.5s ERROR too late  kind=SERVER\n"+at(0)+"  cart  exception: boom  exception.message=boom\n")
	expectText(t, errOut, "2 records read, 2 matched, 0 Kafka records could not be decoded\n")
	// Expressions are about one signal.
	out, errOut = m.must("otlp_spans", "--where", "duration > 1")
	expectText(t, out, at(0)+"  cart  GET /cart 1.5s ERROR too late  kind=SERVER\n")
	expectText(t, errOut, "1 record read, 1 matched, 0 Kafka records could not be decoded\n")
	out, _ = m.must("otlp_spans", "--signal", "span_events", "--where", `exception.message == "boom"`)
	expectText(t, out, at(0)+"  cart  exception: boom  exception.message=boom\n")

	out, _ = m.must("otlp_metrics")
	expectText(t, out, at(0)+"  host  queue.size 17 {job}  queue=mail\n"+at(0)+"  host  latency count=3 sum=1.5 s\n")

	// The partitions of a topic come in the order of time. What has no service or level has no column for it.
	out, errOut = m.must("orders", "--where", "total >= 20", "--limit", "3")
	var want strings.Builder
	for i := 2; i < 5; i++ {
		fmt.Fprintf(&want, "%s  order %d  user=u%d total=%d tags=[\"a b\",    \"c\"]\n", at(i), i, i%2, 10*i)
	}
	expectText(t, out, want.String())
	expectText(t, errOut, "5 records read, 3 matched, 0 Kafka records could not be decoded\n")

	out, _ = m.must("otlp_logs", "--where", "severity >= ERROR", "--color", "always", "--limit", "1")
	for _, coloured := range []string{faint + at(0) + reset, bold + "payment" + reset, red + "ERROR" + reset} {
		if !strings.Contains(out, coloured) {
			t.Errorf("colours: %q lacks %q", out, coloured)
		}
	}
}

func TestTailSource(t *testing.T) {
	m := newMarket(t)
	m.open()
	for _, test := range []struct{ args, out, note string }{
		{"nginx", "GET / HTTP/1.1", ""},
		{"nginx --signal logs", "GET / HTTP/1.1", ""},
		{"nginx --signal events", "GET / HTTP/1.1", "note: the detector reads topic nginx as logs, not as events"},
		{"elsewhere", "number=1", "note: the detector does not read topic elsewhere yet; it is shown as a rule with from: events"},
		{"elsewhere --signal logs", "number=1", "note: the detector does not read topic elsewhere yet; an entry of ingest.topics with signal: logs"},
		// Its format is text, which no metrics have: it is left aside.
		{"nginx --signal metrics", "undecodable", "note: the detector reads topic nginx as logs, not as metrics"},
	} {
		out, errOut := m.must(strings.Fields(test.args)...)
		if !strings.Contains(out, test.out) || !strings.HasPrefix(errOut, test.note) || (test.note == "") != !strings.Contains(errOut, "note:") {
			t.Errorf("%s: %q, %q; want %q, %q", test.args, out, errOut, test.out, test.note)
		}
	}
	// A rule names the topic, so the detector reads it.
	dir := filepath.Dir(m.config)
	rule := "groups: [{name: a, rules: [{alert: A, from: events, topic: elsewhere, when: count() > 1}]}]\n"
	if err := os.WriteFile(filepath.Join(dir, "rules.yaml"), []byte(rule), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(m.config)
	if err == nil {
		err = os.WriteFile(m.config, fmt.Appendf(text, "rules: {files: [%s]}\n", filepath.Join(dir, "rules.yaml")), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, errOut := m.must("elsewhere"); strings.Contains(errOut, "note:") {
		t.Errorf("a topic that a rule names: %q", errOut)
	}
}

func TestTailJSON(t *testing.T) {
	m := newMarket(t)
	m.open()
	out, _ := m.must("otlp_logs", "--json")
	if strings.ContainsAny(out, "\x1b\u009b\u202e\u007f") {
		t.Errorf("the terminal is steered by %q", out)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 5 {
		t.Fatalf("%d lines, want 5:\n%s", len(lines), out)
	}
	expectText(t, lines[0], `{"signal":"logs","time":"2026-05-01T12:00:00.123Z",`+
		`"resource":{"attributes":{"service.name":"payment","host.name":"node-1"}},"scope":{"name":"shop","attributes":{}},`+
		`"attributes":{"http.route":"/pay now","http.response.status_code":502},`+
		`"severity":17,"severity_text":"ERROR","body":"card declined","trace_id":"01020300000000000000000000000000",`+
		`"origin":{"topic":"otlp_logs","partition":0,"offset":0,"index":0,"timestamp":"2026-05-01T12:00:00.123Z"}}`)
	var second struct {
		Body   string
		Origin struct{ Offset, Index int }
	}
	if err := json.Unmarshal([]byte(lines[1]), &second); err != nil {
		t.Fatal(err)
	}
	if second.Body != "\x1b[31mpaid\x1b[0m\nat\u202e \u009bonce" || second.Origin.Index != 1 {
		t.Errorf("second record %+v", second)
	}
	expectText(t, lines[2], `{"fault":"unknown_format","error":"decoding auto: 6 bytes that begin with 0x00011b5b324a, expected OTLP logs as protobuf or JSON, flat JSON or text",`+
		`"origin":{"topic":"otlp_logs","partition":0,"offset":1,"timestamp":"2026-05-01T12:00:01.123Z"}}`)

	out, _ = m.must("otlp_spans", "--json", "--where", "true")
	expectText(t, out, `{"signal":"spans","time":"2026-05-01T12:00:00.123Z","resource":{"attributes":{"service.name":"cart"}},"scope":{"attributes":{}},"attributes":{},`+
		`"name":"GET /cart","kind":"SERVER","status":"ERROR","status_message":"too late","duration":1.5,`+
		`"origin":{"topic":"otlp_spans","partition":0,"offset":0,"index":0,"timestamp":"2026-05-01T12:00:00.123Z"}}`+"\n")

	out, _ = m.must("otlp_metrics", "--json")
	for _, part := range []string{
		`"attributes":{"queue":"mail"},"metric":{"name":"queue.size","unit":"{job}","type":"gauge"},"value":17,"origin":`,
		`"metric":{"name":"latency","unit":"s","type":"histogram","temporality":"cumulative"},"count":3,"sum":1.5,"bounds":[1],"buckets":[2,1],"origin":`,
	} {
		if !strings.Contains(out, part) {
			t.Errorf("%s lacks %s", out, part)
		}
	}
	out, _ = m.must("orders", "--json", "--limit", "1")
	if !strings.Contains(out, `"attributes":{"user":"u0","total":0,"msg":"order 0","tags":["a b","c"]},"body":"order 0","origin":`) {
		t.Error(out)
	}
}

func TestTailGroups(t *testing.T) {
	m := newMarket(t)
	m.open()
	out, errOut := m.must("orders", "--by", `user, total >= 30 ? "much, much" : "little"`)
	expectLines(t, out, `
		COUNT SHARE PER SECOND user total >= 30 ? "much, much" : "little"
		2 28.6 % 0.286 u0 little
		2 28.6 % 0.286 u0 "much, much"
		2 28.6 % 0.286 u1 "much, much"
		1 14.3 % 0.143 u1 little`)
	expectText(t, errOut, "7 records read, 7 matched, 1 Kafka record could not be decoded\n")
	out, _ = m.must("orders", "--where", `extract(body, "[0-9]+") < 4`, "--by", `extract(msg, "order ([0-2]),?"), user`)
	expectLines(t, out, `
		COUNT SHARE PER SECOND extract(msg, "order ([0-2]),?") user
		1 25.0 % 0.143 0 u0
		1 25.0 % 0.143 1 u1
		1 25.0 % 0.143 2 u0
		1 record in no group, for want of a value`)
	out, _ = m.must("otlp_logs", "--where", "severity >= ERROR", "--by", `severity_text,attributes["nothing"]`)
	expectLines(t, out, `
		COUNT SHARE PER SECOND severity_text attributes["nothing"]
		2 records in no group, for want of a value`)
	out, _ = m.must("orders", "--by", "user", "--where", "total < 30", "--json")
	expectText(t, out, `{"read":7,"matched":3,"undecodable":1,"ungrouped":0,"overflow":0,"seconds":7,"groups":[`+
		`{"by":{"user":"u0"},"count":2,"share":0.6666666666666666,"per_second":0.2857142857142857},`+
		`{"by":{"user":"u1"},"count":1,"share":0.3333333333333333,"per_second":0.14285714285714285}]}`+"\n")
}

func TestTailRefuses(t *testing.T) {
	m := newMarket(t)
	for _, test := range []struct {
		args []string
		hint string
	}{
		{[]string{}, "expected one topic, found 0 arguments"},
		{[]string{"a", "b"}, "expected one topic, found 2 arguments"},
		{[]string{"ordres"}, `topic "ordres" does not exist; did you mean orders?`},
		{[]string{"xyz"}, `topic "xyz" does not exist; there are elsewhere, nginx, orders, otlp_logs, otlp_metrics, otlp_spans`},
		{[]string{"orders", "--from", "yesterday"}, "--from: expected oldest, newest"},
		{[]string{"orders", "--limit", "-1"}, "--limit: expected"},
		{[]string{"orders", "--color", "red"}, "--color: expected auto, always or never"},
		{[]string{"orders", "--signal", "log"}, "--signal: unknown signal"},
	} {
		if _, _, err := m.run(test.args...); err == nil || !strings.Contains(err.Error(), test.hint) {
			t.Errorf("%q: %v, want %s", test.args, err, test.hint)
		}
	}
	out, errOut, err := m.run("otlp_logs", "--where", "body.contains(\"ü\") &&\n severty >= ERROR", "--by", "service.name, lower(body")
	if !errors.Is(err, statusError(1)) || out != "" {
		t.Errorf("%v, %q", err, out)
	}
	for _, part := range []string{
		"--where:2:2: error: logs have no field `severty`\n    2 |  severty >= ERROR\n      |  ^~~~~~~\n      = did you mean severity?",
		"--by:1:", "error: ", "    1 | service.name, lower(body\n",
	} {
		if !strings.Contains(errOut, part) {
			t.Errorf("faults\n%s\nlack\n%s", errOut, part)
		}
	}
}

// Followed, a topic shows what arrives, and an interrupt ends it with a summary.
func TestTailFollows(t *testing.T) {
	m := newMarket(t)
	m.open()
	for _, test := range []struct {
		args string
		old  bool // whether old records come first
	}{{"orders --from 1 --where total>=0", true}, {"orders", false}} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var out, errOut page
		done := make(chan error, 1)
		go func() { done <- m.tail(ctx, &out, &errOut, strings.Fields(test.args)...) }()
		// What is written before it has begun is not seen. Partitions are read side by side.
		old := func() bool { return strings.Contains(out.String(), "  order 5  ") }
		for !strings.Contains(out.String(), "  new  total=1\n") || test.old && !old() {
			if ctx.Err() != nil {
				t.Fatalf("%s: nothing came: %s%s", test.args, out.String(), errOut.String())
			}
			m.put("orders", 1, `{"total": 1, "msg": "new"}`)
			time.Sleep(20 * time.Millisecond)
		}
		if old() && !test.old {
			t.Errorf("%s: old records are shown:\n%s", test.args, out.String())
		}
		cancel()
		if err := <-done; err != nil || !strings.Contains(errOut.String(), " could not be decoded\n") {
			t.Errorf("%s: %v, %q", test.args, err, errOut.String())
		}
	}
	// A limit ends it without an interrupt.
	out, errOut, err := m.run("orders", "--from", "oldest", "--limit", "2")
	if err != nil || strings.Count(out, "  order ") != 2 || !strings.Contains(errOut, " 2 matched") {
		t.Errorf("%v, %q, %q", err, out, errOut)
	}
	out, _, err = m.run("orders", "--from", "oldest", "--by", "user", "--where", "has(user)", "--limit", "7", "--json")
	if err != nil || !strings.Contains(out, `{"by":{"user":"u0"},"count":4,`) {
		t.Errorf("%v, %q", err, out)
	}
}
