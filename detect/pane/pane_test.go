package pane

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// backwards orders sources by falling number: an order that is not that of the numbers.
func backwards(a, b uint32) int { return cmp.Compare(b, a) }

func randomEvidence(rnd *rand.Rand, records int) []Sample {
	out := make([]Sample, records)
	for i := range out {
		out[i] = Sample{
			Source: uint32(rnd.IntN(3)), Time: rnd.Int64N(10), Offset: rnd.Int64N(4), Index: int32(i),
			Text: fmt.Appendf(nil, "record %d", i), Trace: []byte("abc"),
		}
	}
	return out
}

func take(e *Evidence, records []Sample) {
	for _, r := range records {
		e.Add(r.Source, r.Time, r.Offset)
		if s := e.Sample(r, backwards); s != nil {
			s.Text = append(s.Text, r.Text...)
			s.Trace = append(s.Trace, r.Trace...)
		}
	}
	slices.SortFunc(e.Ranges, func(a, b Range) int { return cmp.Compare(a.Source, b.Source) })
}

func TestEvidenceMergesInAnyOrder(t *testing.T) {
	for seed := range uint64(500) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		records := randomEvidence(rnd, rnd.IntN(20))
		var all Evidence
		take(&all, records)
		want := all.Append(nil, 5)

		parts := make([]Evidence, 4)
		for _, r := range records {
			take(&parts[rnd.IntN(4)], []Sample{r})
		}
		rnd.Shuffle(4, func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		var merged Evidence
		for i := range parts {
			before := parts[i].Append(nil, 0)
			merged.Merge(&parts[i], backwards)
			if !bytes.Equal(before, parts[i].Append(nil, 0)) {
				t.Fatalf("seed %d: Merge changed what it read", seed)
			}
		}
		slices.SortFunc(merged.Ranges, func(a, b Range) int { return cmp.Compare(a.Source, b.Source) })
		if got := merged.Append(nil, 5); !bytes.Equal(got, want) {
			t.Fatalf("seed %d: merged\n%q, all at once\n%q", seed, got, want)
		}
		sorted := slices.Clone(records)
		slices.SortFunc(sorted, func(a, b Sample) int { return a.compare(&b, backwards) })
		for i, s := range merged.Samples {
			if string(s.Text) != string(sorted[i].Text) {
				t.Fatalf("seed %d: sample %d is %s, expected %s", seed, i, s.Text, sorted[i].Text)
			}
		}
		if len(merged.Samples) != min(len(records), MaxSamples) {
			t.Fatalf("seed %d: %d samples of %d records", seed, len(merged.Samples), len(records))
		}
	}
}

func TestFlushedSamplesAreWrittenOnce(t *testing.T) {
	var e, reader Evidence
	reading := func() int {
		var delta Evidence
		if rest, err := delta.Decode(e.Append(nil, 0), 0, nil); err != nil || len(rest) > 0 {
			t.Fatal(err, rest)
		}
		e.Flushed()
		reader.Merge(&delta, nil)
		return len(delta.Samples)
	}
	add := func(times ...int64) {
		for _, at := range times {
			take(&e, []Sample{{Time: at, Offset: at, Text: fmt.Appendf(nil, "at %d", at)}})
		}
	}
	add(50, 60, 70, 80)
	if n := reading(); n != 3 {
		t.Errorf("%d samples written first, expected 3", n)
	}
	add(90, 95)
	if n := reading(); n != 0 {
		t.Errorf("%d samples written for later records, expected none", n)
	}
	add(55)
	if n := reading(); n != 1 {
		t.Errorf("%d samples written for an earlier record, expected 1", n)
	}
	var texts []string
	for _, s := range reader.Samples {
		texts = append(texts, string(s.Text))
	}
	if got := strings.Join(texts, ", "); got != "at 50, at 55, at 60" || reader.Records != 7 {
		t.Errorf("the reader has %d records and samples %s", reader.Records, got)
	}
}

func TestKeyPartitionSpreadsAndStays(t *testing.T) {
	counts := make([]int, 8)
	for i := range 8000 {
		counts[Key{Rule: uint64(i % 3), Group: fmt.Sprint(i)}.Partition(8)]++
	}
	for p, n := range counts {
		if n < 800 || n > 1200 {
			t.Errorf("partition %d has %d of 8000 groups", p, n)
		}
	}
	// Changing this moves groups between partitions and loses their state.
	if p := (Key{Rule: 42, Group: "\x08checkout"}).Partition(16); p != 1 {
		t.Errorf("partition %d, expected 1 as ever", p)
	}
}

func TestPaneOfOtherKindsIsRefused(t *testing.T) {
	p, err := NewPane([]Kind{KindCount, KindMax})
	if err != nil {
		t.Fatal(err)
	}
	b := p.Append(nil, 0)
	other, _ := NewPane([]Kind{KindCount, KindMin})
	if err := other.Decode(b, 0, nil); !errors.Is(err, ErrEncoding) {
		t.Errorf("decoding a pane of other kinds: %v, expected ErrEncoding", err)
	}
	if err := p.Decode(append(b, 0), 0, nil); !errors.Is(err, ErrEncoding) {
		t.Errorf("decoding with a byte too many: %v, expected ErrEncoding", err)
	}
	if _, err := NewPane([]Kind{99}); err == nil {
		t.Error("a pane of an unknown kind was made")
	}
}

func FuzzPane(f *testing.F) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 4 {
		p, _ := NewPane(allKinds)
		take(&p.Evidence, randomEvidence(rnd, 6))
		values := randomValues(rnd, 20)
		for i, k := range allKinds {
			p.Aggregates[i].Merge(fill(f, k, values))
		}
		f.Add(p.Append(nil, 3))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, _ := NewPane(allKinds)
		if err := p.Decode(b, 3, nil); err != nil {
			if !errors.Is(err, ErrEncoding) {
				t.Fatalf("error %v does not wrap ErrEncoding", err)
			}
			return
		}
		first := p.Append(nil, 3)
		again, _ := NewPane(allKinds)
		if err := again.Decode(first, 3, nil); err != nil || !bytes.Equal(first, again.Append(nil, 3)) {
			t.Fatalf("what was read is not read back: %v", err)
		}
		again.Merge(p, nil)
	})
}

func BenchmarkAdd(b *testing.B) {
	values := randomValues(rand.New(rand.NewPCG(4, 4)), 1024)
	for i := range values {
		values[i].x = float64(i%97)/7 + 0.1
	}
	var m Moments
	var s Sketch
	b.Run("moments", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			m.Add(values[i&1023].x)
		}
	})
	b.Run("sketch", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			s.Add(values[i&1023].x)
		}
	})
}

// Sums read alone are those that come with the evidence, and bytes that were cut are refused.
func TestSumsAlone(t *testing.T) {
	kinds := []Kind{KindCount, KindMoments, KindMax}
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 5))
		written, whole, alone := newTestPane(t, kinds), newTestPane(t, kinds), newTestPane(t, kinds)
		take(&written.Evidence, randomEvidence(rnd, rnd.IntN(10)))
		for range rnd.IntN(5) {
			written.Aggregates[0].(*Count).Add()
			written.Aggregates[1].(*Moments).Add(rnd.Float64())
			written.Aggregates[2].(*Max).Add(rnd.Float64())
		}
		b := written.Append(nil, 7)
		if err := errors.Join(whole.Decode(b, 7, nil), alone.DecodeSums(b)); err != nil {
			t.Fatal(err)
		}
		alone.Evidence = whole.Evidence
		if got, want := alone.Append(nil, 7), whole.Append(nil, 7); !bytes.Equal(got, want) {
			t.Fatalf("seed %d: sums %q, with the evidence %q", seed, got, want)
		}
		for n := range b {
			if err := alone.DecodeSums(b[:n]); !errors.Is(err, ErrEncoding) {
				t.Fatalf("seed %d: %d bytes of %d give %v", seed, n, len(b), err)
			}
		}
	}
}

func newTestPane(t *testing.T, kinds []Kind) *Pane {
	t.Helper()
	p, err := NewPane(kinds)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
