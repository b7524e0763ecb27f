package explain

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/ingest"
)

func read(b []byte) map[string]string {
	out := map[string]string{}
	for {
		name, value, rest, ok := next(b)
		if !ok {
			return out
		}
		out[string(name)] = string(value)
		b = rest
	}
}

func TestProfile(t *testing.T) {
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	text, number := ingest.StringValue, ingest.IntValue
	attributes := ingest.Attrs{
		{Key: "error.type", Value: text("timeout")}, {Key: "retries", Value: number(3)}, {Key: "cached", Value: ingest.BoolValue(false)},
		{Key: "twice", Value: text("first")}, {Key: "twice", Value: text("second")}, {Key: "zero", Value: number(0)},
		// None of these is sampled.
		{Key: "took", Value: ingest.DoubleValue(0.123)}, {Key: "tags", Value: ingest.ListValue(`["a"]`)}, {Key: "map", Value: ingest.MapValue(`{"a":1}`)},
		{Key: "raw", Value: ingest.BytesValue("xyz")}, {Key: "empty", Value: text("")}, {Key: "long", Value: text(strings.Repeat("x", maxValue+1))},
		{Key: strings.Repeat("n", maxName+1), Value: text("v")}, {Key: "timestamp", Value: text("noon")}, {Key: "@timestamp", Value: number(1)},
		{Key: "started", Value: number(at.Unix() - 3600)}, {Key: "at_ms", Value: number(at.UnixMilli())}, {Key: "at_ns", Value: number(at.UnixNano())},
		{Key: "day", Value: text("2026-05-01")}, {Key: "received", Value: text("2026-05-01T11:59:59Z")}, {Key: "trace_id", Value: text("abc")},
	}
	r := &ingest.Record{
		Signal: ingest.Logs, Name: "charge", Body: text("no free connection"), Attributes: attributes,
		Resource: &ingest.Resource{Attributes: ingest.Attrs{{Key: "service.version", Value: text("1.4.2")}}},
		Scope:    &ingest.Scope{Name: "shop/http", Attributes: ingest.Attrs{{Key: "library", Value: text("x")}}},
	}
	var p Profile
	p.Begin(at.UnixNano())
	shared, own := p.Of(r)
	check := func(what string, b []byte, want map[string]string) {
		t.Helper()
		if got := read(b); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, expected %v", what, got, want)
		}
	}
	check("shared", shared, map[string]string{"service.version": "1.4.2", "scope.name": "shop/http", "library": "x"})
	check("own", own, map[string]string{
		"error.type": "timeout", "retries": "3", "cached": "false", "twice": "second", "zero": "0", "name": "charge", "body": "no free connection",
	})
	// The memory of a message may be used again for the next.
	r.Attributes, r.Resource.Attributes = nil, nil
	p.Begin(at.UnixNano())
	shared, own = p.Of(r)
	check("shared", shared, map[string]string{"scope.name": "shop/http", "library": "x"})
	check("own", own, map[string]string{"name": "charge", "body": "no free connection"})

	span := &ingest.Record{Signal: ingest.Spans, Name: "GET /", SpanKind: 2, StatusMessage: "refused", Resource: r.Resource, Scope: &ingest.Scope{}}
	_, own = p.Of(span)
	check("span", own, map[string]string{"name": "GET /", "kind": "SERVER", "status_message": "refused"})
}

// TestSecretsAreNotSampled is about names of attributes, and about values that hold a secret under a harmless name.
func TestSecretsAreNotSampled(t *testing.T) {
	secretNames := []string{
		"password", "db.password", "user_passwd", "PASSWORD", "Pass-Phrase", "client.secret", "X-Auth-Token", "access_token", "refreshToken",
		"authorization", "http.request.header.authorization", "http.request.header.cookie", "Set-Cookie", "aws.secret_access_key", "api_key",
		"apiKey", "X-API-Key", "credentials", "private.key", "session.id", "jwt", "signature", "pwd",
	}
	secretValues := []string{
		"postgres://app:hunter2@db:5432/shop", "https://x.example/?id=1&token=hunter2", "Bearer hunter2hunter2", "Basic aHVudGVyMg==",
		"eyJhbGciOiJIUzI1NiJ9.e30.hunter2", "user=app password=hunter2", `{"user":"a","password": "hunter2"}`, "-----BEGIN PRIVATE KEY-----",
		"Server=db;Pwd=hunter2",
	}
	attributes := ingest.Attrs{}
	for _, n := range secretNames {
		attributes = append(attributes, ingest.Attr{Key: n, Value: ingest.StringValue("hunter2")}, ingest.Attr{Key: n, Value: ingest.IntValue(1234)})
	}
	for i, v := range secretValues {
		attributes = append(attributes, ingest.Attr{Key: fmt.Sprint("note", i), Value: ingest.StringValue(v)})
	}
	for _, a := range attributes {
		var p Profile
		one := ingest.Attrs{a}
		r := &ingest.Record{Signal: ingest.Events, Attributes: one, Resource: &ingest.Resource{Attributes: one}, Scope: &ingest.Scope{Attributes: one}}
		if shared, own := p.Of(r); len(shared)+len(own) > 0 {
			t.Errorf("%s=%s is sampled: %v %v", a.Key, a.Value.Text(), read(shared), read(own))
		}
	}
	for _, a := range [][2]string{
		{"user.name", "ann"}, {"http.route", "/login"}, {"error.type", "invalid"}, {"url.full", "https://x.example/cart?page=2"}, {"author", "x"},
		{"email", "ann@x.example"}, {"k8s.pod.name", "token-0"}, {"path", "a=b, c: d"},
	} {
		if got := read(list(a[0], a[1])); got[a[0]] != a[1] {
			t.Errorf("%s=%s is no secret, but not sampled", a[0], a[1])
		}
	}
}

func TestProfileIsBounded(t *testing.T) {
	var attributes ingest.Attrs
	for i := range 1000 {
		attributes = append(attributes, ingest.Attr{Key: fmt.Sprint("name-", i), Value: ingest.StringValue(strings.Repeat("x", maxValue))})
	}
	r := &ingest.Record{Signal: ingest.Logs, Attributes: attributes, Resource: &ingest.Resource{Attributes: attributes}, Scope: &ingest.Scope{Attributes: attributes}}
	var p Profile
	for i := range 10_000 {
		p.shows(fmt.Sprint("verdict-", i))
	}
	shared, own := p.Of(r)
	if len(shared) > maxList || len(own) > maxList || len(own) < maxList/2 || len(p.shown) > maxVerdicts {
		t.Errorf("%d bytes shared, %d own, %d verdicts", len(shared), len(own), len(p.shown))
	}
}

func TestProfileDoesNotAllocate(t *testing.T) {
	a := ingest.Attrs{
		{Key: "http.response.status_code", Value: ingest.IntValue(502)}, {Key: "error.type", Value: ingest.StringValue("timeout")},
		{Key: "User-Agent", Value: ingest.StringValue("curl/8.0 (x=y)")}, {Key: "password", Value: ingest.StringValue("hunter2")},
	}
	r := &ingest.Record{Signal: ingest.Logs, Attributes: a, Resource: &ingest.Resource{Attributes: a}, Scope: &ingest.Scope{Name: "s"},
		Body: ingest.StringValue("payment of order 4711 declined by the bank: insufficient funds")}
	var p Profile
	p.Of(r)
	if n := testing.AllocsPerRun(100, func() { p.Begin(1); p.Of(r) }); n > 0 {
		t.Errorf("%v allocations, expected none", n)
	}
}

// TestChoice: every short message gives one record, others one in 512; with very many rules not all are looked at.
func TestChoice(t *testing.T) {
	h := NewHasher("otlp_logs", 3)
	for _, n := range []int{1, 2, 7, 31, 32, 100, 512, 513, 1000, 10_000} {
		first, all := map[int]int{}, 0
		for offset := range int64(200) {
			c, chosen := NewPlan(1, true).Choose(h.Message(offset), n), 0
			for i := range n {
				if c.Has(i) {
					if chosen++; chosen == 1 {
						first[i]++
					}
				}
			}
			if chosen < n/stride || chosen > n/stride+1 || n < short && chosen != 1 {
				t.Fatalf("%d of %d records are chosen", chosen, n)
			}
			all += chosen
		}
		if want := 200 * n / stride; n >= short && (all < want*7/10-3 || all > want*13/10+3) {
			t.Errorf("of 200 messages of %d records %d records were chosen, expected about %d", n, all, want)
		}
		if want := min(n, 8); len(first) < want {
			t.Errorf("of 200 messages of %d records one of only %d places was chosen", n, len(first))
		}
	}
	looked := 0
	for offset := range int64(10_000) {
		if NewPlan(1000, true).Choose(h.Message(offset), 1).Has(0) {
			looked++
		}
	}
	if looked < 100 || looked > 220 {
		t.Errorf("%d of 10000 messages are looked at with 1000 rules, expected one in 63", looked)
	}
	if NewPlan(1, true).Choose(1, 0).Has(0) {
		t.Error("a record of an empty message is chosen")
	}
}

func TestHashesDiffer(t *testing.T) {
	seen := map[uint64]bool{}
	for _, h := range []Hasher{NewHasher("a", 0), NewHasher("a", 1), NewHasher("b", 0), NewHasher("", 0)} {
		for offset := range int64(200) {
			for i := range 200 {
				seen[Hash(h.Message(offset), i)] = true
			}
		}
	}
	if len(seen) != 4*200*200 {
		t.Errorf("%d different hashes of %d records", len(seen), 4*200*200)
	}
}
