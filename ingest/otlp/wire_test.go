package otlp

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/freshet-dev/freshet/ingest"
)

// reader is a decoder under test and pdata's way to the same records, which returns an error where pdata rejects.
type reader struct {
	signal  ingest.Signal
	decoder ingest.Decoder
	oracle  func(value []byte, b *ingest.Batch) error
	message string // its request in the schema of wire messages
}

func readers() []reader {
	return []reader{
		{ingest.Logs, new(Logs), func(value []byte, b *ingest.Batch) error {
			ld, err := new(plog.ProtoUnmarshaler).UnmarshalLogs(value)
			if err == nil {
				FromLogs(ld, b)
			}
			return err
		}, "logs"},
		{ingest.Metrics, new(Metrics), func(value []byte, b *ingest.Batch) error {
			md, err := new(pmetric.ProtoUnmarshaler).UnmarshalMetrics(value)
			if err == nil {
				FromMetrics(md, b)
			}
			return err
		}, "metrics"},
		{ingest.Spans, new(Traces), func(value []byte, b *ingest.Batch) error {
			td, err := new(ptrace.ProtoUnmarshaler).UnmarshalTraces(value)
			if err == nil {
				FromTraces(td, b)
			}
			return err
		}, "spans"},
	}
}

// agree checks that both accept or both reject, with the same records.
func (r *reader) agree(t *testing.T, value []byte, b *ingest.Batch) {
	t.Helper()
	var want ingest.Batch
	oracleErr := r.oracle(value, &want)
	err := r.decoder.Decode(value, b)
	if (err == nil) != (oracleErr == nil) {
		t.Fatalf("%s of %x\n view: %v\npdata: %v", r.signal, value, err, oracleErr)
	}
	if err != nil {
		if len(b.Records) != 0 {
			t.Fatalf("%d records left in the batch after %v", len(b.Records), err)
		}
		var e *ingest.DecodeError
		if !errors.As(err, &e) || e.Fault != ingest.Malformed && e.Fault != ingest.Truncated || len(e.Message) > 200 {
			t.Fatalf("%v is no short error with the fault malformed or truncated", err)
		}
		return
	}
	equal(t, dump(b.Records), dump(want.Records))
	for i := range b.Records {
		r := &b.Records[i]
		for _, attrs := range []ingest.Attrs{r.Attributes, r.Scope.Attributes, r.Resource.Attributes} {
			for _, a := range attrs {
				validJSON(t, a.Value)
			}
		}
		validJSON(t, r.Body)
	}
}

func validJSON(t *testing.T, v ingest.Value) {
	t.Helper()
	if (v.Kind == ingest.List || v.Kind == ingest.Map) && !json.Valid([]byte(v.Str)) {
		t.Fatalf("%q is no JSON", v.Str)
	}
}

// schema says what the fields of OTLP's messages hold: v varint, 8 fixed64, 4 fixed32, s text, t and p the ids of traces
// and spans, F packed or unpacked fixed64, V packed or unpacked varints, else the name of a message.
var schema = map[string]map[int]string{
	"logs": {1: "rl"}, "rl": {1: "resource", 2: "sl", 3: "s", 1000: "sl"}, "sl": {1: "scope", 2: "log", 3: "s"},
	"log": {1: "8", 2: "v", 3: "s", 5: "value", 6: "kv", 7: "v", 8: "4", 9: "t", 10: "p", 11: "8", 12: "s"},

	"spans": {1: "rs"}, "rs": {1: "resource", 2: "ss", 3: "s", 1000: "ss"}, "ss": {1: "scope", 2: "span", 3: "s"},
	"span": {
		1: "t", 2: "p", 3: "s", 4: "p", 5: "s", 6: "v", 7: "8", 8: "8", 9: "kv", 10: "v", 11: "event", 12: "v", 13: "link",
		14: "v", 15: "status", 16: "4",
	},
	"event": {1: "8", 2: "s", 3: "kv", 4: "v"}, "link": {1: "t", 2: "p", 3: "s", 4: "kv", 5: "v", 6: "4"},
	"status": {2: "s", 3: "v"},

	"metrics": {1: "rm"}, "rm": {1: "resource", 2: "sm", 3: "s", 1000: "sm"}, "sm": {1: "scope", 2: "metric", 3: "s"},
	"metric": {
		1: "s", 2: "s", 3: "s", 5: "gauge", 7: "sum", 9: "histogram", 10: "exponential", 11: "summary", 12: "kv",
	},
	"gauge": {1: "number"}, "sum": {1: "number", 2: "v", 3: "v"}, "histogram": {1: "hpoint", 2: "v"},
	"exponential": {1: "epoint", 2: "v"}, "summary": {1: "spoint"},
	"number": {2: "8", 3: "8", 4: "8", 5: "exemplar", 6: "8", 7: "kv", 8: "v"},
	"hpoint": {
		2: "8", 3: "8", 4: "8", 5: "8", 6: "F", 7: "F", 8: "exemplar", 9: "kv", 10: "v", 11: "8", 12: "8",
	},
	"epoint": {
		1: "kv", 2: "8", 3: "8", 4: "8", 5: "8", 6: "v", 7: "8", 8: "buckets", 9: "buckets", 10: "v", 11: "exemplar",
		12: "8", 13: "8", 14: "8",
	},
	"buckets": {1: "v", 2: "V"}, "spoint": {2: "8", 3: "8", 4: "8", 5: "8", 6: "quantile", 7: "kv", 8: "v"},
	"quantile": {1: "8", 2: "8"}, "exemplar": {2: "8", 3: "8", 4: "p", 5: "t", 6: "8", 7: "kv"},

	"resource": {1: "kv", 2: "v", 3: "entity"}, "entity": {1: "s", 2: "s", 3: "s", 4: "s"},
	"scope": {1: "s", 2: "s", 3: "kv", 4: "v"}, "kv": {1: "s", 2: "value", 3: "v"},
	"value": {1: "s", 2: "v", 3: "v", 4: "8", 5: "list", 6: "map", 7: "s", 8: "v"}, "list": {1: "value"}, "map": {1: "kv"},
}

// generator writes random messages after the schema, in any order and number of fields, with now and then something
// that a producer should not send.
type generator struct {
	*rand.Rand
	odd  float64 // how often
	left int     // fields that may still be written
}

func (g *generator) message(name string, depth int) []byte {
	fields := schema[name]
	numbers := make([]int, 0, len(fields))
	for n := range 1001 {
		if fields[n] != "" {
			numbers = append(numbers, n)
		}
	}
	var b []byte
	count := g.IntN(2 * len(numbers))
	if len(numbers) <= 3 {
		count = 1 + g.IntN(4)
	}
	if name == "value" && g.IntN(8) > 0 {
		count = 1
	}
	for range count {
		if g.left--; g.left < 0 {
			return b
		}
		if g.Float64() < g.odd {
			b = g.oddity(b)
			continue
		}
		n := numbers[g.IntN(len(numbers))]
		switch fields[2] {
		case "sl", "log", "ss", "span", "sm", "metric":
			if g.IntN(2) == 0 {
				n = 2
			}
		}
		b = g.field(b, protowire.Number(n), fields[n], depth)
	}
	return b
}

func (g *generator) field(b []byte, n protowire.Number, kind string, depth int) []byte {
	bytes := func(v []byte) []byte { return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v) }
	switch kind {
	case "v":
		return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), g.number())
	case "8":
		return protowire.AppendFixed64(protowire.AppendTag(b, n, protowire.Fixed64Type), g.number())
	case "4":
		return protowire.AppendFixed32(protowire.AppendTag(b, n, protowire.Fixed32Type), g.Uint32())
	case "s":
		return bytes(g.text())
	case "t", "p":
		size := 16
		if kind == "p" {
			size = 8
		}
		switch {
		case g.Float64() < g.odd:
			size = g.IntN(20)
		case g.IntN(4) == 0:
			size = 0
		}
		id := make([]byte, size)
		for i := range id {
			id[i] = byte(g.IntN(3))
		}
		return bytes(id)
	case "F":
		if g.IntN(3) == 0 {
			return protowire.AppendFixed64(protowire.AppendTag(b, n, protowire.Fixed64Type), g.number())
		}
		var packed []byte
		for range g.IntN(4) {
			packed = protowire.AppendFixed64(packed, g.number())
		}
		if g.Float64() < g.odd {
			packed = append(packed, 1)
		}
		return bytes(packed)
	case "V":
		if g.IntN(3) == 0 {
			return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), g.number())
		}
		var packed []byte
		for range g.IntN(4) {
			packed = protowire.AppendVarint(packed, g.number())
		}
		if g.Float64() < g.odd {
			packed = append(packed, 0x80)
		}
		return bytes(packed)
	default:
		if depth > 14 {
			return bytes(nil)
		}
		return bytes(g.message(kind, depth+1))
	}
}

func (g *generator) number() uint64 {
	switch g.IntN(4) {
	case 0:
		return uint64(g.IntN(4))
	case 1:
		return g.Uint64()
	default:
		return g.Uint64() >> g.IntN(64)
	}
}

func (g *generator) text() []byte {
	texts := []string{"", "a", "error", "WARN", "service.name", "é", "\xff\xfe", "a\"b\\c\n\x01", "\u2028<", "sixteen bytes ok!"}
	return []byte(texts[g.IntN(len(texts))])
}

// oddity adds a field that no message should have here: unknown, of a wrong type, a group, an overlong or broken tag.
func (g *generator) oddity(b []byte) []byte {
	n := protowire.Number(1 + g.IntN(20))
	switch g.IntN(10) {
	case 0:
		return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), g.number())
	case 1:
		return protowire.AppendFixed64(protowire.AppendTag(b, n, protowire.Fixed64Type), 1)
	case 2:
		return protowire.AppendFixed32(protowire.AppendTag(b, n, protowire.Fixed32Type), 1)
	case 3:
		return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), g.text())
	case 4:
		b = protowire.AppendTag(b, n, protowire.StartGroupType)
		for range g.IntN(3) {
			b = protowire.AppendTag(b, n, protowire.StartGroupType)
			b = protowire.AppendTag(b, n, protowire.EndGroupType)
		}
		if g.IntN(2) == 0 {
			b = g.oddity(b)
		}
		return protowire.AppendTag(b, n, protowire.EndGroupType)
	case 5: // a tag that is cut to 32 bits, so that its field may be a known one
		return protowire.AppendVarint(protowire.AppendVarint(b, uint64(n)<<3|1<<uint(35+g.IntN(20))), 1)
	case 6: // a varint of eleven bytes, or ten that overflow
		b = protowire.AppendTag(b, n, protowire.VarintType)
		for range 9 + g.IntN(2) {
			b = append(b, 0xff)
		}
		return append(b, 0x7f)
	case 7:
		return append(b, byte(g.IntN(256)))
	case 8: // an overlong length
		return append(protowire.AppendTag(b, n, protowire.BytesType), 0x81, 0x80, 0x00, 'x')
	default:
		if len(b) == 0 {
			return b
		}
		return b[:g.IntN(len(b))]
	}
}

// TestAgreesWithPdataOnRandomMessages and the fuzz targets know no corner in which the view and pdata differ: a limit on
// records is set by the caller. It also shows that one batch may be used again after any message.
func TestAgreesWithPdataOnRandomMessages(t *testing.T) {
	for _, r := range readers() {
		t.Run(r.signal.String(), func(t *testing.T) {
			g := &generator{Rand: rand.New(rand.NewPCG(1, uint64(r.signal)))}
			var b ingest.Batch
			accepted, records := 0, 0
			for range 5000 {
				g.odd = []float64{0, 0.001, 0.02}[g.IntN(3)]
				g.left = 20 + g.IntN(200)
				value := g.message(r.message, 0)
				r.agree(t, value, &b)
				records += len(b.Records)
				if len(b.Records) > 0 {
					accepted++
				}
			}
			if accepted < 2000 || accepted > 4500 {
				t.Fatalf("%d of 5,000 messages gave records (%d in all): the generator no longer tries both", accepted, records)
			}
		})
	}
}

// TestAgreesWithPdataOnDamage cuts and damages messages at every byte.
func TestAgreesWithPdataOnDamage(t *testing.T) {
	for _, r := range readers() {
		t.Run(r.signal.String(), func(t *testing.T) {
			g := &generator{Rand: rand.New(rand.NewPCG(2, uint64(r.signal)))}
			var b ingest.Batch
			for range 40 {
				g.left = 40
				value := g.message(r.message, 0)
				for i := range value {
					r.agree(t, value[:i], &b)
					damaged := append([]byte(nil), value...)
					damaged[i] ^= byte(1 << g.IntN(8))
					r.agree(t, damaged, &b)
				}
			}
		})
	}
}

// TestDepth nests lists and maps around pdata's limit.
func TestDepth(t *testing.T) {
	for _, r := range readers()[:1] {
		for depth := range 110 {
			list, entries := []byte(nil), []byte(nil)
			for range depth {
				list = lenField(5, lenField(1, list))
				entries = lenField(6, lenField(1, lenField(2, entries)))
			}
			var b ingest.Batch
			for _, value := range [][]byte{list, entries} {
				r.agree(t, lenField(1, lenField(2, lenField(2, lenField(5, value)))), &b)
				r.agree(t, lenField(1, lenField(2, lenField(2, lenField(6, lenField(2, value))))), &b)
			}
		}
	}
}

func lenField(n protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), v)
}

// TestHostileMessages are small but dear to decode carelessly: they must take time and memory in proportion.
func TestHostileMessages(t *testing.T) {
	kv := lenField(1, nil)
	for name, inner := range map[string][]byte{
		"empty attributes":              repeat(lenField(6, nil), 200_000),
		"empty body lists":              repeat(lenField(5, lenField(5, nil)), 200_000),
		"a body of many values in turn": lenField(5, repeat(lenField(5, lenField(1, lenField(1, []byte("x")))), 100_000)),
	} {
		t.Run(name, func(t *testing.T) {
			var b ingest.Batch
			if err := new(Logs).Decode(lenField(1, lenField(2, lenField(2, inner))), &b); err != nil {
				t.Fatal(err)
			}
		})
	}
	t.Run("a resource in many parts, with scopes between", func(t *testing.T) {
		part := append(lenField(1, kv), lenField(2, lenField(1, lenField(3, nil)))...)
		var b ingest.Batch
		if err := new(Logs).Decode(lenField(1, repeat(part, 200_000)), &b); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("more records than allowed", func(t *testing.T) {
		var b ingest.Batch
		err := (&Logs{MaxRecords: 1000}).Decode(lenField(1, lenField(2, repeat(lenField(2, nil), 1001))), &b)
		if ingest.FaultOf(err) != ingest.TooLarge || len(b.Records) != 0 {
			t.Fatalf("got %v and %d records, expected the fault too_large and none", err, len(b.Records))
		}
	})
}

func repeat(b []byte, n int) []byte {
	out := make([]byte, 0, n*len(b))
	for range n {
		out = append(out, b...)
	}
	return out
}

func FuzzLogsAgainstPdata(f *testing.F)    { fuzz(f, 0) }
func FuzzMetricsAgainstPdata(f *testing.F) { fuzz(f, 1) }
func FuzzTracesAgainstPdata(f *testing.F)  { fuzz(f, 2) }

func fuzz(f *testing.F, signal int) {
	r := readers()[signal]
	g := &generator{Rand: rand.New(rand.NewPCG(3, uint64(signal))), odd: 0.01}
	for range 50 {
		g.left = 100
		f.Add(g.message(r.message, 0))
	}
	var b ingest.Batch
	f.Fuzz(func(t *testing.T, value []byte) { r.agree(t, value, &b) })
}
