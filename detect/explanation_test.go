package detect

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest"
)

// logOf is a record of pay with a severity, a version and a secret.
func logOf(seconds float64, severity int32, version string) ingest.Record {
	r := errorAt("pay", seconds)
	r.Severity = severity
	r.Body = ingest.StringValue(fmt.Sprintf("order %d", int(seconds*1000)))
	r.Resource.Attributes = append(r.Resource.Attributes,
		ingest.Attr{Key: "service.version", Value: ingest.StringValue(version)},
		ingest.Attr{Key: "db.password", Value: ingest.StringValue("hunter2")})
	r.Attributes = ingest.Attrs{
		{Key: "level", Value: ingest.StringValue(fmt.Sprint(severity))},
		{Key: "http.request.header.authorization", Value: ingest.StringValue("hunter2")},
		{Key: "dsn", Value: ingest.StringValue("postgres://app:hunter2@db/shop")},
	}
	return r
}

// TestFindingExplains is a deploy after which a service logs errors, which it never did before: the early finding and the
// settled one say which version does it, and nothing that was written anywhere holds a secret.
func TestFindingExplains(t *testing.T) {
	b := newBed(t, errorRule())
	var written bytes.Buffer
	var found []*finding.Finding
	step := func(r ingest.Record) {
		add(b.acc, b.offset, float64(r.Time-at0)/1e9, r)
		b.offset++
		for _, s := range b.acc.Take() {
			written.Write(s.Value)
			res, err := b.eval.Apply(b.offset, s.Value)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, res.Findings...)
		}
		for _, c := range b.eval.Changes() {
			written.Write(c.Value)
		}
	}
	for i := range 80 {
		step(logOf(float64(i), 9, "1.4.1"))
	}
	for i := range 40 {
		step(logOf(80+float64(i)/4, 17, "1.4.2"))
	}
	b.idle(0)
	for i := range 30 {
		step(logOf(90+float64(i), 9, "1.4.2"))
	}
	if len(found) < 2 || found[0].Settled || !found[1].Settled {
		t.Fatalf("%d findings, expected an early and a settled one: %s", len(found), story(found))
	}
	// The early finding comes with the second error, which is too little to say anything.
	if e := found[0].Explanation; e != nil {
		t.Errorf("two records are explained: %s", e)
	}
	e := found[1].Explanation
	if e.String() != "service.version=1.4.2: 100 % now, 0 % before" || e.Against != finding.AgainstAll || e.Since.IsZero() {
		t.Errorf("explained by %q against %+v", e, e)
	}
	for _, f := range found {
		value, err := finding.Encode(f)
		if err != nil {
			t.Fatal(err)
		}
		written.Write(value)
	}
	if strings.Contains(written.String(), "hunter2") {
		t.Error("a secret is in the panes, the state or a finding")
	}
	if !strings.Contains(written.String(), "1.4.1") {
		t.Error("nothing was sampled")
	}
}

// TestSamplesAreBounded has one step of very many records of very many groups.
func TestSamplesAreBounded(t *testing.T) {
	for _, c := range []struct {
		rules, messages, limit int
	}{{1, 700, 100_000}, {200, 4, 2_000_000}} {
		set := ruleSet()
		for i := range c.rules {
			r := errorRule()
			r.ID += uint64(i)
			set.Rules = append(set.Rules, r)
		}
		a := accumulatorOf(t, set, 4)
		records := make([]ingest.Record, 100)
		for offset := range int64(c.messages) {
			for i := range records {
				records[i] = errorAt(fmt.Sprint("service-", offset, "-", i), 0)
				records[i].Attributes = ingest.Attrs{{Key: "k", Value: ingest.StringValue(strings.Repeat("x", 100))}}
			}
			add(a, offset, 0, records...)
		}
		bytes := 0
		for _, t := range a.tallies {
			for _, cell := range t.cells {
				bytes += len(t.appendCell(nil, cell))
			}
		}
		if bytes > c.limit || bytes == 0 {
			t.Errorf("the samples of %d rules have %d bytes, expected at most %d", c.rules, bytes, c.limit)
		}
		// When the step is over they are let go.
		a.Idle(at0 + 100*sec)
		a.Take()
		for _, tally := range a.tallies {
			if len(tally.cells) > 0 {
				t.Fatalf("%d cells of a step that is over", len(tally.cells))
			}
		}
	}
}

// TestLateRecordsAreNotSampled: stage 2 has closed their step, or not, which must not show.
func TestLateRecordsAreNotSampled(t *testing.T) {
	a := accumulatorOf(t, ruleSet(errorRule()), 1)
	add(a, 0, 100, logOf(100, 9, "new"))
	add(a, 1, 100, logOf(10, 9, "late"))
	add(a, 2, 100, logOf(10, 17, "late"))
	add(a, 3, 100, logOf(95, 17, "new"))
	var out strings.Builder
	for _, s := range a.Take() {
		out.Write(s.Value)
	}
	if !strings.Contains(out.String(), "new") || strings.Contains(out.String(), "late") {
		t.Errorf("the sections hold %q", out.String())
	}
}

// TestSampleOfAllRecordsStandsForEachMessage: of a message without an error one record is sampled, whichever it is.
func TestSampleOfAllRecordsStandsForEachMessage(t *testing.T) {
	sampled := map[string]bool{}
	for offset := range int64(200) {
		a := accumulatorOf(t, ruleSet(errorRule()), 1)
		add(a, offset, 100, logOf(100, 9, "first"), logOf(100, 9, "second"), logOf(100, 9, "third"))
		var out strings.Builder
		for _, s := range a.Take() {
			out.Write(s.Value)
		}
		n := 0
		for _, version := range []string{"first", "second", "third"} {
			if strings.Contains(out.String(), version) {
				sampled[version] = true
				n++
			}
		}
		if n != 1 {
			t.Fatalf("%d of 3 records are sampled, expected 1", n)
		}
	}
	if len(sampled) != 3 {
		t.Errorf("only %v are ever sampled", sampled)
	}
}

func TestMentions(t *testing.T) {
	const text = `count(http.response.status_code >= 500 && tenant == "acme")`
	for name, want := range map[string]bool{
		"http.response.status_code": true, "tenant": true, "status_code": false, "http": false, "ten": false, "": false, "count": true, "acme2": false,
	} {
		if got := mentions(text, name); got != want {
			t.Errorf("%q: %v, expected %v", name, got, want)
		}
	}
}
