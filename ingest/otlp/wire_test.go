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

// TestAgreesWithPdataOnRandomMessages and the fuzz targets know no corner in which the view and pdata differ: a limit on
// records is set by the caller. It also shows that one batch may be used again after any message.
func TestAgreesWithPdataOnRandomMessages(t *testing.T) {
	for _, r := range readers() {
		t.Run(r.signal.String(), func(t *testing.T) {
			g := &generator{Rand: rand.New(rand.NewPCG(1, uint64(r.signal)))}
			var b ingest.Batch
			accepted, records := 0, 0
			for range 2000 {
				g.odd = []float64{0, 0.001, 0.02}[g.IntN(3)]
				g.left = 20 + g.IntN(200)
				value := g.message(r.message, 0)
				r.agree(t, value, &b)
				records += len(b.Records)
				if len(b.Records) > 0 {
					accepted++
				}
			}
			if accepted < 800 || accepted > 1800 {
				t.Fatalf("%d of 2,000 messages gave records (%d in all): the generator no longer tries both", accepted, records)
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
