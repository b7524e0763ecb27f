package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/ingest"
)

// oracle flattens JSON with the standard library, a field a line in the order they come. ok is false where the standard
// library rejects the message, or it is no sequence of objects and arrays of objects.
func oracle(value []byte) (text string, ok bool) {
	var b strings.Builder
	dec := json.NewDecoder(bytes.NewReader(value))
	for {
		var raw json.RawMessage
		switch err := dec.Decode(&raw); {
		case errors.Is(err, io.EOF):
			return b.String(), true
		case err != nil:
			return "", false
		}
		objects := []json.RawMessage{raw}
		if raw[0] == '[' {
			if json.Unmarshal(raw, &objects) != nil {
				return "", false
			}
		}
		for _, object := range objects {
			if object[0] != '{' {
				return "", false
			}
			b.WriteString("record\n")
			flatten(&b, "", object, 0)
		}
	}
}

func flatten(b *strings.Builder, prefix string, object json.RawMessage, depth int) {
	dec := json.NewDecoder(bytes.NewReader(object))
	_, _ = dec.Token()
	empty := true
	for dec.More() {
		empty = false
		key, _ := dec.Token()
		var raw json.RawMessage
		_ = dec.Decode(&raw)
		path := prefix + key.(string)
		switch c := raw[0]; {
		case c == '{' && depth < maxFlat:
			flatten(b, path+".", raw, depth+1)
		case c == '{' || c == '[':
			fmt.Fprintf(b, "%q json %q\n", path, valid(string(raw)))
		case c == 'n':
		case c == '"':
			var s string
			_ = json.Unmarshal(raw, &s)
			fmt.Fprintf(b, "%q text %q\n", path, s)
		case c == 't' || c == 'f':
			fmt.Fprintf(b, "%q bool %s\n", path, raw)
		default:
			if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
				fmt.Fprintf(b, "%q int %d\n", path, n)
				continue
			}
			f, _ := strconv.ParseFloat(string(raw), 64)
			fmt.Fprintf(b, "%q double %v\n", path, f)
		}
	}
	if empty && depth > 0 {
		fmt.Fprintf(b, "%q json %q\n", strings.TrimSuffix(prefix, "."), "{}")
	}
}

// describe writes records as oracle does.
func describe(records []ingest.Record) string {
	var b strings.Builder
	for _, r := range records {
		b.WriteString("record\n")
		for _, a := range r.Attributes {
			key := valid(a.Key)
			switch v := a.Value; v.Kind {
			case ingest.List, ingest.Map:
				fmt.Fprintf(&b, "%q json %q\n", key, valid(v.Str))
			case ingest.String:
				fmt.Fprintf(&b, "%q text %q\n", key, valid(v.Str))
			case ingest.Bool:
				fmt.Fprintf(&b, "%q bool %s\n", key, v.Text())
			case ingest.Int:
				fmt.Fprintf(&b, "%q int %d\n", key, v.Int())
			default:
				f, _ := v.Number()
				fmt.Fprintf(&b, "%q double %v\n", key, f)
			}
		}
	}
	return b.String()
}

// valid replaces each byte that is not UTF-8, as the standard library does and this package leaves to the reader.
func valid(s string) string { return string([]rune(s)) }

// agree checks a message against the oracle. What differs by intent: NaN and Infinity are accepted, nesting beyond
// maxDepth and paths that take too much memory are not.
func agree(t *testing.T, value []byte, b *ingest.Batch) {
	t.Helper()
	err := (&JSON{Signal: ingest.Events}).Decode(value, b)
	want, ok := oracle(value)
	switch {
	case err == nil && ok:
		if got := describe(b.Records); got != want {
			t.Fatalf("%q\n got: %s\nwant: %s", value, got, want)
		}
	case err == nil:
		if !bytes.Contains(value, []byte("NaN")) && !bytes.Contains(value, []byte("Infinity")) {
			t.Fatalf("%q was accepted, the standard library rejects it", value)
		}
	case ok:
		if ingest.FaultOf(err) != ingest.TooLarge && bytes.Count(value, []byte("{"))+bytes.Count(value, []byte("[")) < maxDepth {
			t.Fatalf("%q was rejected: %v", value, err)
		}
	}
	if err != nil && len(b.Records) != 0 {
		t.Fatalf("%d records left after %v", len(b.Records), err)
	}
	for _, r := range b.Records {
		for _, a := range r.Attributes {
			if (a.Value.Kind == ingest.List || a.Value.Kind == ingest.Map) && !json.Valid([]byte(a.Value.Str)) {
				t.Fatalf("%q is no JSON", a.Value.Str)
			}
		}
		if len(r.AppendText(nil, 80)) > 80 {
			t.Fatalf("a text of more than 80 bytes")
		}
	}
}

// randomJSON writes a value with every kind of token, odd spacing and escapes.
func randomJSON(g *rand.Rand, depth int) string {
	space := []string{"", "", "", " ", "\n\t", "\r\n"}[g.IntN(6)]
	kind := g.IntN(12)
	if depth == 0 {
		kind = 0
	}
	switch {
	case kind < 2 && depth < 5:
		var fields []string
		for range g.IntN(6) {
			fields = append(fields, space+randomString(g)+space+":"+randomJSON(g, depth+1)+space)
		}
		return space + "{" + space + strings.Join(fields, ",") + "}"
	case kind < 4 && depth < 5:
		var items []string
		for range g.IntN(4) {
			items = append(items, randomJSON(g, depth+1))
		}
		return "[" + strings.Join(items, ",") + space + "]"
	case kind < 8:
		return randomString(g)
	default:
		scalars := []string{
			"0", "-0", "17", "-9223372036854775808", "9223372036854775807", "9223372036854775808", "1.5", "1e3", "2E-7", "1.7e308",
			"1e999", "true", "false", "null", "1700000000.1234567", "0.1", "-12.50",
		}
		return scalars[g.IntN(len(scalars))]
	}
}

func randomString(g *rand.Rand) string {
	parts := []string{
		"a", "time", "level", "é", "\\n", "\\\"", "\\\\", "\\/", "\\u00e9", "\\ud83d\\ude00", "\\ud83d", "\\ude00x", "\xff", "😀", ".", " ",
		"message", "\\b\\f\\r\\t", "ERROR", "\\u0000",
	}
	var b strings.Builder
	for range g.IntN(4) {
		b.WriteString(parts[g.IntN(len(parts))])
	}
	return `"` + b.String() + `"`
}

func TestAgreesWithTheStandardLibrary(t *testing.T) {
	g := rand.New(rand.NewPCG(5, 5))
	var b ingest.Batch
	for range 5000 {
		var value []byte
		for range 1 + g.IntN(3) {
			value = append(value, randomJSON(g, 0)...)
		}
		if g.IntN(4) == 0 {
			value = []byte("[" + randomJSON(g, 0) + "," + randomJSON(g, 0) + "]")
		}
		agree(t, value, &b)
		if len(value) > 1 {
			agree(t, value[:g.IntN(len(value))], &b)
			damaged := bytes.Clone(value)
			damaged[g.IntN(len(value))] = "{}[]\",:\\0-+.eEtfn \n\x01x"[g.IntN(21)]
			agree(t, damaged, &b)
		}
	}
}

func FuzzJSONAgainstStandardLibrary(f *testing.F) {
	g := rand.New(rand.NewPCG(6, 6))
	for range 30 {
		f.Add([]byte(randomJSON(g, 0)))
	}
	f.Add([]byte(`[{"a":NaN,"b":[Infinity,-Infinity]}]` + "\n{}"))
	var b ingest.Batch
	f.Fuzz(func(t *testing.T, value []byte) { agree(t, value, &b) })
}

func FuzzText(f *testing.F) {
	for _, line := range []string{
		"2026-08-01T12:00:00Z ERROR x", "E0102 15:04:05.000 f.go:1] m", "[02/Jan/2006:15:04:05 -0700] GET", "\x1b[31mERROR\x1b[0m x",
	} {
		f.Add([]byte(line))
	}
	var b ingest.Batch
	f.Fuzz(func(t *testing.T, value []byte) {
		err := (&Text{Signal: ingest.Logs}).Decode(value, &b)
		if (err == nil) != IsText(value) || len(b.Records) > 1 {
			t.Fatalf("%q: %v, %d records", value, err, len(b.Records))
		}
		textTime(string(value))
		epoch(string(value))
	})
}
