package event

import (
	"testing"
	"time"

	"github.com/freshet-dev/freshet/ingest"
)

func TestTimes(t *testing.T) {
	at := func(s string) int64 {
		parsed, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return parsed.UnixNano()
	}
	noon := at("2026-08-01T12:00:00Z")
	for _, c := range []struct {
		value ingest.Value
		raw   string
		want  int64
	}{
		{ingest.IntValue(0), "1785585600", noon},
		{ingest.IntValue(0), "1785585600123", noon + 123e6},
		{ingest.IntValue(0), "1785585600123456", noon + 123456e3},
		{ingest.IntValue(0), "1785585600123456789", noon + 123456789},
		{ingest.DoubleValue(0), "1785585600.123456789123", noon + 123456789},
		{ingest.DoubleValue(0), "1785585600123.5", noon + 123.5e6},
		{ingest.DoubleValue(0), "1.7855856e9", noon},
		{ingest.IntValue(0), "804571200", at("1995-07-01T04:00:00Z")},
		{ingest.IntValue(0), "12", 0},
		{ingest.IntValue(0), "-1785585600", 0},
		{ingest.IntValue(0), "99999999999999999999", 0},
		{ingest.DoubleValue(0), "1e300", 0},
		{ingest.BoolValue(true), "true", 0},
		{ingest.ListValue("[1]"), "[1]", 0},
	} {
		if got := timeOf(c.value, c.raw); got != c.want {
			t.Errorf("%s is %d, expected %d", c.raw, got, c.want)
		}
	}
	for _, c := range []struct {
		text  string
		want  int64
		zoned bool
	}{
		{"1785585600", noon, true},
		{"1785585600.5", noon + 5e8, true},
		{"2026-08-01T12:00:00Z", noon, true},
		{"2026-08-01t12:00:00z", noon, true},
		{" 2026-08-01 12:00:00 UTC ", noon, true},
		{"2026-08-01T14:00:00+02:00", noon, true},
		{"2026-08-01T14:00:00.000+0200", noon, true},
		{"2026-08-01T06:30:00-05:30", noon, true},
		{"2026-08-01 14:00:00 +0200 CEST", noon, true},
		{"2026-08-01T14:00:00+02:00[Europe/Paris]", noon, true},
		{"2026-08-01 12:00:00.123456789 +0000 UTC", noon + 123456789, true},
		{"2026-08-01T12:00:00.1234567891Z", noon + 123456789, true},
		{"2026-08-01 12:00:00,123", noon + 123e6, false},
		{"2026/08/01 12:00:00", noon, false},
		{"2026-08-01T12:00", noon, false},
		{"2026-08-01T12:00Z", noon, true},
		{"20260801T120000Z", noon, true},
		{"01/Aug/2026:14:00:00 +0200", noon, true},
		{"Sat, 01 Aug 2026 12:00:00 GMT", noon, true},
		{"Sat, 01 Aug 2026 14:00:00 +0200", noon, true},
		{"Sat Aug  1 12:00:00 2026", noon, false},
		{"Sat Aug  1 12:00:00 UTC 2026", noon, true},
		{"Aug 1, 2026 12:00:00", noon, false},
		{"2026-12-31T23:59:60Z", at("2027-01-01T00:00:00Z"), true},
		{"2026-08-01", 0, false},
		{"12:00:00", 0, false},
		{"2026-02-31T12:00:00Z", 0, false},
		{"2026-13-01T12:00:00Z", 0, false},
		{"2026-08-01T24:00:00Z", 0, false},
		{"2026-08-01T12:00:00 or so", 0, false},
		{"2026-08-01T12:00:00+2", 0, false},
		{"Sat Aug  1 12:00:00 CET 2026", 0, false},
		{"yesterday", 0, false},
		{"May the fourth be with you", 0, false},
	} {
		got, zoned := textTime(c.text)
		if got != c.want || got != 0 && zoned != c.zoned {
			t.Errorf("%q is %d, zoned %v, expected %d, %v", c.text, got, zoned, c.want, c.zoned)
		}
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"2026-08-01T12:00:00.5Z ERROR no card", "2026-08-01T12:00:00.5Z severity=17 level=ERROR"},
		{"2026-08-01 14:00:00 +0200 [warn] slow", "2026-08-01T12:00:00Z severity=13 level=warn"},
		{"2026-08-01 12:00:00,123 - root - CRITICAL - down", "severity=18 level=CRITICAL"},
		{"[2026-08-01T12:00:00Z] app.INFO: ready", "2026-08-01T12:00:00Z"},
		{"[2026-08-01T12:00:00Z][INFO ] ready", "2026-08-01T12:00:00Z severity=9 level=INFO"},
		{"E0102 15:04:05.000000   1 a.go:12] cannot sync", "severity=17 level=E"},
		{"time=2026-08-01T12:00:00Z level=warning msg=\"no error found\"", "severity=13 level=warning"},
		{`ts=1 level="error" msg=x`, "severity=17 level=error"},
		{"error: no such file", "severity=17 level=error"},
		{"\x1b[31mERROR\x1b[0m failed", "severity=17 level=ERROR"},
		{"\x1b[1;33mwarning\x1b[0m careful", "severity=13 level=warning"},
		{`10.0.0.1 - - [01/Aug/2026:14:00:00 +0200] "GET /error HTTP/1.1" 500 12`, "2026-08-01T12:00:00Z"},
		{"no error found in the warning list", ""},
		{"GET /ERROR HTTP/1.1", ""},
		{"<3>kernel: panic", ""},
		{"FATAL|main|gone", "severity=21 level=FATAL"},
		{"Exception in thread main\n\tat a.B.c(B.java:1)", ""},
		{"42", ""},
	} {
		var b ingest.Batch
		if err := (&Text{Signal: ingest.Logs}).Decode([]byte("  "+c.line+"\r\n"), &b); err != nil || len(b.Records) != 1 {
			t.Fatalf("%q: %v, %d records", c.line, err, len(b.Records))
		}
		r := b.Records[0]
		if r.Body.Text() != c.line || r.Signal != ingest.Logs {
			t.Errorf("the body is %q of %s, expected %q", r.Body.Text(), r.Signal, c.line)
		}
		r.Body = ingest.Value{}
		if got := summary(r); got != c.want {
			t.Errorf("%q\n got %s\nwant %s", c.line, got, c.want)
		}
	}
	var b ingest.Batch
	for _, binary := range []string{"a\x00b", "\xff\xfe", "\x01"} {
		if err := new(Text).Decode([]byte(binary), &b); ingest.FaultOf(err) != ingest.Malformed {
			t.Errorf("%q: %v, expected the fault malformed", binary, err)
		}
	}
	if err := new(Text).Decode([]byte(" \n"), &b); err != nil || len(b.Records) != 0 {
		t.Errorf("white space: %v, %d records", err, len(b.Records))
	}
}
