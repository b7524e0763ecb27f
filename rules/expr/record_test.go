package expr

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/ingest"
)

// logRecord is what the tests of predicates judge.
func logRecord() *ingest.Record {
	return &ingest.Record{
		Signal: ingest.Logs,
		Resource: &ingest.Resource{Attributes: ingest.Attrs{
			{Key: "service.name", Value: ingest.StringValue("payment")},
			{Key: "deployment.environment", Value: ingest.StringValue("prod")},
			{Key: "both", Value: ingest.StringValue("resource")},
		}},
		Scope: &ingest.Scope{Name: "http", Version: "1.2", Attributes: ingest.Attrs{{Key: "lib.only", Value: ingest.IntValue(7)}}},
		Attributes: ingest.Attrs{
			{Key: "http.response.status_code", Value: ingest.IntValue(503)},
			{Key: "http.status_text", Value: ingest.StringValue("503")},
			{Key: "ratio.half", Value: ingest.DoubleValue(0.5)},
			{Key: "flag.on", Value: ingest.BoolValue(true)},
			{Key: "flag.text", Value: ingest.StringValue("true")},
			{Key: "user.id", Value: ingest.IntValue(9007199254740993)},
			{Key: "both", Value: ingest.StringValue("record")},
			{Key: "log.level", Value: ingest.StringValue("Error")},
			{Key: "empty.text", Value: ingest.StringValue("")},
			{Key: "odd.number", Value: ingest.StringValue("0x10")},
			{Key: "tags.list", Value: ingest.ListValue(`["a","b"]`)},
			{Key: "http.request.header.content-type", Value: ingest.StringValue("text/html")},
			{Key: "plain", Value: ingest.IntValue(1)},
		},
		Severity: 17, SeverityText: "Error",
		Body: ingest.StringValue("upstream timeout after 2000ms"),
	}
}

func TestWhere(t *testing.T) {
	tests := []struct {
		where string
		want  bool
	}{
		// Fields and constants.
		{`severity >= ERROR`, true},
		{`severity == 17 && severity < FATAL`, true},
		{`severity_text == "Error"`, true},
		{`body.contains("timeout")`, true},
		{`body.startsWith("upstream") && body.endsWith("ms")`, true},
		{`body.matches("after [0-9]+ms$")`, true},
		{`body.matches("^after")`, false},
		{`scope.name == "http"`, true},
		{`size(body) == 29`, true},
		// Names are looked up in the record, the scope, the resource.
		{`service.name == "payment"`, true},
		{`lib.only == 7`, true},
		{`attributes["both"] == "record" && resource["both"] == "resource"`, true},
		{`attributes["service.name"] == "payment"`, false},
		{`resource["service.name"] == "payment"`, true},
		{`attributes["plain"] == 1`, true},
		{"http.request.header.`content-type` == 'text/html'", true},
		// Numbers compare whatever their kind; a text that holds one compares with numbers only.
		{`http.response.status_code == 503.0`, true},
		{`http.status_text == 503`, true},
		{`http.status_text >= 500 && http.status_text < 600`, true},
		{`http.status_text == "503"`, true},
		{`http.response.status_code == "503"`, false},
		{`http.response.status_code == http.status_text`, true},
		{`odd.number == 16`, false},
		{`user.id == 9007199254740993`, true},
		{`user.id == 9007199254740992`, false},
		{`user.id > 9007199254740992`, true},
		{`http.response.status_code / 100 == 5.03`, true},
		{`http.response.status_code % 100 == 3`, true},
		{`-ratio.half == -0.5`, true},
		// Missing: every comparison is false but !=, which is the negation of ==.
		{`no.such == 1`, false},
		{`no.such != 1`, true},
		{`no.such == "x"`, false},
		{`no.such != "x"`, true},
		{`no.such < 1`, false},
		{`no.such >= 1`, false},
		{`no.such == no.such`, false},
		{`no.such != no.such`, true},
		{`!(no.such < 1)`, true},
		{`no.such + 1 == 1`, false},
		{`no.such + 1 != 1`, true},
		{`no.such.contains("")`, false},
		{`no.such in ["x", 1]`, false},
		{`!(no.such in ["x", 1])`, true},
		{`size(no.such) == 0`, false},
		{`has(no.such)`, false},
		{`has(service.name) && has(severity) && !has(trace_id)`, true},
		{`has(attributes["service.name"])`, false},
		{`trace_id == ""`, false},
		{`empty.text == ""`, true},
		{`http.response.status_code / 0 > 0`, false},
		{`http.response.status_code % 0 != 0`, true},
		// Conditions.
		{`flag.on`, true},
		{`!flag.on`, false},
		{`flag.on == true`, true},
		{`flag.text == true`, false},
		{`flag.text`, false},
		{`no.such`, false},
		{`!no.such`, true},
		{`flag.on && severity >= ERROR || false`, true},
		{`(flag.on ? severity : 0) == 17`, true},
		{`(no.such ? "a" : service.name) == "payment"`, true},
		// Parts of a text: the group of the first match, all of it without a group, missing where there is none.
		{`extract(body, "after (\\S+)") == "2000ms"`, true},
		{`extract(body, "[a-z]+") == "upstream"`, true},
		{`extract(body, r"after (\d+)ms$") == 2000 && extract(body, r"(\d+)") + 1 == 2001`, true},
		{`extract(body, r"after (\d+)") == "2000" && extract(body, r"\d+") in [1, 2000]`, true},
		{`extract(body, r"after (\d+)") > 1999 && extract(body, r"after (\d+)") < 1e4`, true},
		{`extract(body, "before (.*)") == "" || extract(body, "before (.*)") > 0`, false},
		{`extract(body, "before (.*)") != "x" && !has(extract(body, "before (.*)"))`, true},
		{`has(extract(body, "upstream ()")) && extract(body, "upstream ()") == ""`, true},
		{`has(extract(body, "upstream (down)?"))`, false},
		{`has(extract(body, "x*"))`, true},
		{`extract(body, "(?:down|up)(?:[a-z]+) (?P<what>[a-z]+)").upper() == "TIMEOUT"`, true},
		{`extract(no.such, ".*") == "" || has(extract(http.response.status_code, "5"))`, false},
		{`extract(tags.list, '"(b)"') == "b" && extract(attributes["both"], "c(.)") == resource["no.such"]`, false},
		{`extract(extract(body, "after (.*)"), r"\d") == 2`, true},
		{`(has(no.such) ? no.such : extract(service.name, "^pay")) == "pay"`, true},
		// Lists and texts.
		{`service.name in ["checkout", "payment"]`, true},
		{`http.response.status_code in [502, 503, 504]`, true},
		{`http.status_text in [503]`, true},
		{`severity in [ERROR, FATAL]`, true},
		{`service.name in []`, false},
		{`log.level.lower() == "error"`, true},
		{`log.level.upper() == "ERROR"`, true},
		{`log.level.lower() == "Error"`, false},
		{`log.level.lower() in ["warn", "error"]`, true},
		{`log.level.lower().startsWith("err")`, true},
		{`service.name < "q"`, true},
		{`service.name >= service.name`, true},
		{`tags.list.contains("\"a\"")`, true},
		{`tags.list == "[\"a\",\"b\"]"`, false},
	}
	for _, test := range tests {
		w, faults := CompileWhere(test.where, ingest.Logs, nil)
		if faults != nil {
			t.Errorf("%s: %v", test.where, faults)
			continue
		}
		if got := w.Holds(logRecord()); got != test.want {
			t.Errorf("%s is %t, want %t", test.where, got, test.want)
		}
		again, faults := CompileWhere(w.Text, ingest.Logs, nil)
		if faults != nil || again.Text != w.Text {
			t.Errorf("%s is written as %s, which is read as %v, %v", test.where, w.Text, again, faults)
		} else if got := again.Holds(logRecord()); got != test.want {
			t.Errorf("%s, written as %s, is %t, want %t", test.where, w.Text, got, test.want)
		}
	}
}

func TestWhereOfOtherSignals(t *testing.T) {
	none := ingest.Resource{}
	scope := ingest.Scope{}
	span := &ingest.Record{Signal: ingest.Spans, Resource: &none, Scope: &scope, Name: "GET /", SpanKind: 2, StatusCode: 2, StatusMessage: "boom", Duration: 0.25}
	point := &ingest.Record{Signal: ingest.Metrics, Resource: &none, Scope: &scope, Name: "queue.size", Point: &ingest.Point{Unit: "{order}", Value: ingest.IntValue(7)}}
	event := func(attrs ...ingest.Attr) *ingest.Record {
		return &ingest.Record{Signal: ingest.Events, Resource: &none, Scope: &scope, Attributes: attrs, Severity: 17, Body: ingest.StringValue("hello")}
	}
	tests := []struct {
		where  string
		record *ingest.Record
		want   bool
	}{
		{`kind == SERVER && status == ERROR && duration > 0.2`, span, true},
		{`kind in [CLIENT, PRODUCER] || status in [OK, UNSET]`, span, false},
		{`status_message == "boom" && name.startsWith("GET")`, span, true},
		{`has(parent_span_id)`, span, false},
		{`has(duration)`, span, true},
		{`metric.name == "queue.size" && value > 5 && metric.unit == "{order}"`, point, true},
		{`metric("queue.size") == 7`, point, true},
		{`metric("other") == 7`, point, false},
		{`metric("other") != 7`, point, true},
		{`has(metric("queue.size"))`, point, true},
		{`number > 41`, event(ingest.Attr{Key: "number", Value: ingest.IntValue(42)}), true},
		{`order.total > 41 && user == "x"`, event(ingest.Attr{Key: "order.total", Value: ingest.IntValue(42)}, ingest.Attr{Key: "user", Value: ingest.StringValue("x")}), true},
		{`severity >= ERROR`, event(), true},
		{`severity >= ERROR`, event(ingest.Attr{Key: "severity", Value: ingest.StringValue("ERROR")}), true},
		{`severity == "ERROR"`, event(ingest.Attr{Key: "severity", Value: ingest.StringValue("ERROR")}), true},
		{`severity == 3`, event(ingest.Attr{Key: "severity", Value: ingest.IntValue(3)}), true},
		{`body == "hello"`, event(), true},
		{`body == "own"`, event(ingest.Attr{Key: "body", Value: ingest.StringValue("own")}), true},
		{`count > 1`, event(ingest.Attr{Key: "count", Value: ingest.IntValue(2)}), true},
	}
	for _, test := range tests {
		w, faults := CompileWhere(test.where, test.record.Signal, nil)
		if faults != nil {
			t.Errorf("%s: %v", test.where, faults)
			continue
		}
		if got := w.Holds(test.record); got != test.want {
			t.Errorf("%s is %t, want %t", test.where, got, test.want)
		}
	}
}

func TestKey(t *testing.T) {
	tests := []struct{ key, label, want string }{
		{`service.name`, "service_name", "payment"},
		{`resource["both"]`, "both", "resource"},
		{"http.request.header.`content-type`", "http_request_header_content_type", "text/html"},
		{`http.response.status_code`, "http_response_status_code", "503"},
		{`severity_text`, "severity_text", "Error"},
		{`no.such`, "no_such", ""},
		{`http.response.status_code >= 500 ? "bad" : "good"`, "", "bad"},
		{`http.response.status_code - 3`, "", "500"},
		{`flag.on`, "flag_on", "true"},
		{`log.level.lower()`, "", "error"},
		{`has(no.such)`, "", "false"},
		{`extract(body, "([0-9]+)ms")`, "", "2000"},
		{`extract(body, "([0-9]+)h")`, "", ""},
		{`has(no.such) ? no.such : extract(body, "upstream|downstream")`, "", "upstream"},
	}
	for _, test := range tests {
		k, faults := CompileKey(test.key, ingest.Logs, nil)
		if faults != nil {
			t.Errorf("%s: %v", test.key, faults)
			continue
		}
		if got := k.Value(logRecord()).Text(); got != test.want || k.Label != test.label {
			t.Errorf("%s gives %q for label %q, want %q for %q", test.key, got, k.Label, test.want, test.label)
		}
	}
}

// typicalWhere is the three-term predicate of which all terms are evaluated.
const typicalWhere = `severity >= ERROR && service.name == "payment" && http.response.status_code >= 500`

func TestPredicatesDoNotAllocate(t *testing.T) {
	r := logRecord()
	for _, where := range []string{
		typicalWhere,
		`http.status_text >= 500 || odd.number > 3 || no.such == 1`,
		`body.matches("time.*after") && body.contains("2000") && service.name in ["a", "b", "payment"]`,
		`log.level.lower() == "error" && size(body) > 3 && (flag.on ? severity : 0) / 2 > 3`,
		`user.id == 9007199254740993 && http.status_text == http.response.status_code`,
		`extract(body, "[0-9]+ms") == "2000ms" && extract(body, "a* ") != "x" && !has(extract(body, "for (.*) from")) && body.matches("(stream|flow) time")`,
	} {
		w, faults := CompileWhere(where, ingest.Logs, nil)
		if faults != nil {
			t.Fatalf("%s: %v", where, faults)
		}
		if n := testing.AllocsPerRun(100, func() { w.Holds(r) }); n != 0 && (!raced || !strings.Contains(where, "extract")) {
			t.Errorf("%s allocates %v times a record", where, n)
		}
	}
	k, faults := CompileKey("http.response.status_code", ingest.Logs, nil)
	if faults != nil {
		t.Fatal(faults)
	}
	if n := testing.AllocsPerRun(100, func() { k.Value(r) }); n != 0 {
		t.Errorf("a key allocates %v times a record", n)
	}
}

// What a group has costs the four numbers in which package regexp gives a match, and nothing where there is no match.
func TestExtractAllocates(t *testing.T) {
	k, faults := CompileKey(`extract(body, "after ([0-9]+)")`, ingest.Logs, nil)
	if faults != nil {
		t.Fatal(faults)
	}
	r := logRecord()
	for body, want := range map[string]float64{"timeout after 2000ms": 1, "timeout after a while": 0, "started": 0} {
		r.Body = ingest.StringValue(body)
		if n := testing.AllocsPerRun(100, func() { k.Value(r) }); n != want && !raced {
			t.Errorf("%q allocates %v times, expected %v", body, n, want)
		}
	}
}

// BenchmarkExtract has package regexp beside it, for the ratio, on a line of sshd and on one of something else.
func BenchmarkExtract(b *testing.B) {
	const source = `(?:Failed|Accepted) \S+ for (?:invalid user )?\S* from (\S+) port`
	k, faults := CompileKey("extract(body, r'"+source+"')", ingest.Logs, nil)
	if faults != nil {
		b.Fatal(faults)
	}
	re := regexp.MustCompile(source)
	plain := func(r *ingest.Record) ingest.Value {
		if at := re.FindStringSubmatchIndex(r.Body.Str); at != nil {
			return ingest.StringValue(r.Body.Str[at[2]:at[3]])
		}
		return ingest.Value{}
	}
	for name, body := range map[string]string{
		"match":    "Oct  1 12:00:00 a sshd[4711]: Failed password for invalid user oracle from 203.0.113.7 port 50022 ssh2",
		"no_match": "Oct  1 12:00:00 a systemd[1]: Started Session 4711 of User ann, which began 17 seconds after it was asked",
	} {
		r := logRecord()
		r.Body = ingest.StringValue(body)
		for of, value := range map[string]RecordValue{"compiled": k.Value, "regexp": plain} {
			b.Run(of+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if (value(r).Kind == ingest.Missing) != (name == "no_match") {
						b.Fatal("wrong")
					}
				}
			})
		}
	}
}

// BenchmarkWhere has the same predicate in Go beside it, for the ratio: the machine's noise is in both.
func BenchmarkWhere(b *testing.B) {
	w, faults := CompileWhere(typicalWhere, ingest.Logs, nil)
	if faults != nil {
		b.Fatal(faults)
	}
	written := func(r *ingest.Record) bool {
		if r.Severity < 17 || r.Lookup("service.name").Str != "payment" {
			return false
		}
		code, _ := r.Lookup("http.response.status_code").Number()
		return code >= 500
	}
	for _, fails := range []bool{false, true} {
		r := logRecord()
		r.Attributes = r.Attributes[:5]
		if fails {
			r.Severity = 9
		}
		for _, p := range []struct {
			name  string
			holds Predicate
		}{{"compiled", w.Holds}, {"go", written}} {
			b.Run(fmt.Sprintf("%s/fails_at_first=%t", p.name, fails), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if p.holds(r) == fails {
						b.Fatal("wrong")
					}
				}
			})
		}
	}
}

func BenchmarkCompileCondition(b *testing.B) {
	for b.Loop() {
		if _, faults := CompileCondition(`count() >= 50 && p99(duration, kind == SERVER) > 1.5 * p99(duration).offset("1d")`, Options{Signal: ingest.Spans}); faults != nil {
			b.Fatal(faults)
		}
	}
}

func TestFindIsLookup(t *testing.T) {
	one, two := ingest.IntValue(1), ingest.IntValue(2)
	for _, r := range []*ingest.Record{
		{Attributes: ingest.Attrs{{Key: "k", Value: one}, {Key: "k", Value: two}}},
		{Attributes: ingest.Attrs{{Key: "k", Value: one}, {Key: "k"}}},
		{Attributes: ingest.Attrs{{Key: "k"}}},
		{Attributes: ingest.Attrs{{Key: "other", Value: one}}},
		{},
	} {
		for _, outer := range []ingest.Attrs{nil, {{Key: "k", Value: two}}} {
			r.Scope, r.Resource = &ingest.Scope{}, &ingest.Resource{Attributes: outer}
			want := r.Lookup("k")
			var got ingest.Value
			if v := find(r, "k"); v != nil {
				got = *v
			}
			if got != want {
				t.Errorf("%v and %v: found %v, want %v", r.Attributes, outer, got, want)
			}
		}
	}
}

// What a predicate requires to be one of some texts, and nothing that it does not.
func TestBounds(t *testing.T) {
	for where, want := range map[string]string{
		`service.name == "shop"`:                                       "attribute service.name [shop]",
		`"shop" == service.name && severity >= ERROR`:                  "attribute service.name [shop]",
		`service.name in ["b", "a"] && resource["env"] == "p"`:         "attribute service.name [a b]; resource env [p]",
		`(service.name == "a" && has(app.x)) && attributes["y"] == ""`: "attribute service.name [a]; own y []",
		`severity_text == "WARN"`:                                      "field severity_text [WARN]",
		`service.name == "a" || service.name == "b"`:                   "",
		`!(service.name == "a")`:                                       "",
		`service.name != "a"`:                                          "",
		`service.name in ["a", 1]`:                                     "",
		`service.name == 5`:                                            "",
		`service.name.lower() == "a"`:                                  "",
		`service.name == host.name`:                                    "",
		`has(app.x) ? service.name == "a" : true`:                      "",
	} {
		w, faults := CompileWhere(where, ingest.Logs, nil)
		if faults != nil {
			t.Errorf("%s: %v", where, faults)
			continue
		}
		var got []string
		for _, b := range w.Bounds {
			got = append(got, fmt.Sprintf("%s %v", b.Name, b.Texts))
		}
		if text := strings.Join(got, "; "); text != want {
			t.Errorf("%s requires %q, expected %q", where, text, want)
		}
	}
}
