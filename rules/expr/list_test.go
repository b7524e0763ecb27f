package expr

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/ingest"
)

// written returns a value as an expression has it.
func written(v ingest.Value) string {
	if v.Kind == ingest.String {
		return strconv.Quote(v.Str)
	}
	return v.Text()
}

// TestListIsAsIfWrittenOut compares `x in lists.l` with `x == a || x == b || …`, and with `x in [a, b, …]`.
func TestListIsAsIfWrittenOut(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	pool := []ingest.Value{
		ingest.StringValue("a"), ingest.StringValue("A"), ingest.StringValue("ärger"), ingest.StringValue("ÄRGER"), ingest.StringValue("503"),
		ingest.StringValue("1e3"), ingest.StringValue("true"), ingest.IntValue(503), ingest.IntValue(-1), ingest.IntValue(0),
		ingest.IntValue(9007199254740993), ingest.IntValue(9007199254740992), ingest.DoubleValue(0.5), ingest.DoubleValue(1000),
		ingest.BoolValue(true), ingest.BoolValue(false), ingest.StringValue("9007199254740993"), ingest.DoubleValue(9007199254740992), {},
	}
	held := 0
	for range 2000 {
		var values []ingest.Value
		var each, all []string
		for range 1 + rnd.IntN(6) {
			v := pool[rnd.IntN(len(pool)-3)]
			values = append(values, v)
			all = append(all, written(v))
		}
		x := []string{"x.y", "x.y.lower()", "x.y.upper()", "body", "severity", `attributes["x.y"]`, "severity_text", "has(x.y)", "x.y == 503"}[rnd.IntN(9)]
		for _, text := range all {
			each = append(each, "("+x+") == "+text)
		}
		lists := Lists{"l": NewList(values)}
		w, faults := CompileWhere("("+x+") in lists.l", ingest.Logs, lists)
		literal, more := CompileWhere("("+x+") in ["+strings.Join(all, ", ")+"]", ingest.Logs, nil)
		if (faults == nil) != (more == nil) {
			t.Fatalf("%s in lists.l of %s has the faults %v, written out %v", x, all, faults, more)
		}
		if faults != nil {
			continue
		}
		either, _ := CompileWhere(strings.Join(each, " || "), ingest.Logs, nil) // which may compare what cannot be compared
		for _, v := range pool {
			r := &ingest.Record{Signal: ingest.Logs, Resource: &ingest.Resource{}, Scope: &ingest.Scope{}, Body: v, Severity: int32(rnd.IntN(3))}
			r.Attributes = ingest.Attrs{{Key: "x.y", Value: v}}
			r.SeverityText = v.Text()
			got := w.Holds(r)
			if got {
				held++
			}
			if want := literal.Holds(r); got != want {
				t.Fatalf("%s is %s: in lists.l of %s is %v, written out %v", x, written(v), all, got, want)
			}
			if either != nil && got != either.Holds(r) {
				t.Fatalf("%s is %s: in lists.l of %s is %v, one by one it is %v", x, written(v), all, got, !got)
			}
		}
	}
	if held < 1000 {
		t.Errorf("%d held: the cases test too little", held)
	}
}

// The text of a list says which values it has, not how it is called nor in which order they come.
func TestListText(t *testing.T) {
	text := func(name string, values ...ingest.Value) string {
		t.Helper()
		w, faults := CompileWhere("user.name in lists."+name, ingest.Logs, Lists{name: NewList(values)})
		if faults != nil {
			t.Fatal(faults)
		}
		return w.Text
	}
	a, b, one, yes := ingest.StringValue("a"), ingest.StringValue("b"), ingest.IntValue(1), ingest.BoolValue(true)
	if got := text("x", b, a, b); got != `user.name in ["a", "b"]` || got != text("y", a, b) {
		t.Errorf("%s", got)
	}
	for _, other := range [][]ingest.Value{{a}, {a, b, one}, {a, b, yes}, {a, ingest.StringValue(`b", "c`)}} {
		if got := text("x", other...); got == text("x", a, b) {
			t.Errorf("%v has the text %s of another list", other, got)
		}
	}
	var long []ingest.Value
	for i := range 1000 {
		long = append(long, ingest.StringValue(fmt.Sprint("user", i)))
	}
	got := text("x", long...)
	if len(got) > 100 || got == text("x", long[1:]...) {
		t.Errorf("%s", got)
	}
	long[0], long[999] = long[999], long[0]
	if text("x", long...) != got {
		t.Error("the order of the values shows")
	}
}

// A list of ten thousand values takes no memory per record, wherever it stands.
func TestLongListsDoNotAllocate(t *testing.T) {
	values := []ingest.Value{ingest.IntValue(9007199254740993)}
	for i := range 10_000 {
		values = append(values, ingest.StringValue(fmt.Sprint("user", i)), ingest.IntValue(int64(i)))
	}
	lists := Lists{"l": NewList(values), "texts": NewList([]ingest.Value{ingest.StringValue("payment"), ingest.StringValue("error")})}
	r := logRecord()
	for _, where := range []string{
		"service.name in lists.texts", "service.name in lists.l", "http.response.status_code in lists.l", "!(user.id in lists.l)",
		"log.level.lower() in lists.texts", "service.name.upper() in lists.l", "severity in lists.l", "no.such in lists.l",
	} {
		w, faults := CompileWhere(where, ingest.Logs, lists)
		if faults != nil {
			t.Fatalf("%s: %v", where, faults)
		}
		if n := testing.AllocsPerRun(100, func() { w.Holds(r) }); n != 0 {
			t.Errorf("%s allocates %v times a record", where, n)
		}
		if len(w.Bounds) > 0 && len(w.Bounds[0].Texts) > mostBound {
			t.Errorf("%s is bound by %d texts", where, len(w.Bounds[0].Texts))
		}
	}
	if w, _ := CompileWhere("service.name in lists.texts", ingest.Logs, lists); len(w.Bounds) != 1 || !w.Holds(r) {
		t.Errorf("a short list is no bound: %+v", w)
	}
}

func BenchmarkLongList(b *testing.B) {
	var values []ingest.Value
	for i := range 10_000 {
		values = append(values, ingest.StringValue(fmt.Sprint("user", i)))
	}
	lists := Lists{"l": NewList(values)}
	for b.Loop() {
		if _, faults := CompileWhere("service.name in lists.l && !(user.id in lists.l)", ingest.Logs, lists); faults != nil {
			b.Fatal(faults)
		}
	}
}
