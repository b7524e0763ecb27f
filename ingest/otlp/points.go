package otlp

import (
	"encoding/binary"
	"math"

	"github.com/freshet-dev/freshet/ingest"
)

// numberPoint reads a NumberDataPoint.
func (d *decoder) numberPoint(b []byte, r *ingest.Record, p *ingest.Point) bool {
	attrs := &d.arena.Attrs
	run := attrs.Run()
	var f field
	for len(b) > 0 {
		at := b
		if b = f.next(b); f.fault != 0 {
			return d.broken(&f, at, "data point")
		}
		switch {
		case f.num == 7 && f.typ == bytesType:
			run = attrs.Extend(run)
			if !d.attribute(f.data, &run[len(run)-1]) {
				return false
			}
		case f.num == 2 && f.typ == fixed64Type:
			p.StartTime = unixNano(f.number)
		case f.num == 3 && f.typ == fixed64Type:
			r.Time = unixNano(f.number)
		case f.num == 4 && f.typ == fixed64Type:
			p.Value = ingest.DoubleValue(math.Float64frombits(f.number))
		case f.num == 6 && f.typ == fixed64Type:
			p.Value = ingest.IntValue(int64(f.number))
		case f.num == 5 && f.typ == bytesType:
			if !d.exemplar(f.data) {
				return false
			}
		case f.num == 8 && f.typ == varintType:
			p.NoValue = f.number&noRecordedValue != 0
		case f.num >= 2 && f.num <= 8:
			return d.wrongType(&f, at, "data point")
		}
	}
	r.Attributes = attrs.Keep(run)
	if p.NoValue {
		p.Value = ingest.Value{}
	}
	return true
}

// histogramPoint reads a HistogramDataPoint.
func (d *decoder) histogramPoint(b []byte, r *ingest.Record, p *ingest.Point) bool {
	attrs, counts, bounds := &d.arena.Attrs, &d.arena.Counts, &d.arena.Bounds
	run, buckets, limits := attrs.Run(), counts.Run(), bounds.Run()
	var f field
	for len(b) > 0 {
		at := b
		if b = f.next(b); f.fault != 0 {
			return d.broken(&f, at, "histogram point")
		}
		switch {
		case f.num == 9 && f.typ == bytesType:
			run = attrs.Extend(run)
			if !d.attribute(f.data, &run[len(run)-1]) {
				return false
			}
		case f.num == 2 && f.typ == fixed64Type:
			p.StartTime = unixNano(f.number)
		case f.num == 3 && f.typ == fixed64Type:
			r.Time = unixNano(f.number)
		case f.num == 4 && f.typ == fixed64Type:
			p.Count = f.number
		case f.num == 5 && f.typ == fixed64Type:
			p.Sum, p.HasSum = math.Float64frombits(f.number), true
		case (f.num == 6 || f.num == 7) && f.typ == bytesType:
			// A packed field replaces what came before, as in pdata; an unpacked one adds to it.
			if len(f.data)%8 != 0 {
				return d.fail(ingest.Truncated, "field %d of a histogram point at byte %d of %d has %d bytes, no multiple of 8",
					f.num, d.offset(at), len(d.value), len(f.data))
			}
			if f.num == 6 {
				buckets = buckets[:0]
				for n := f.data; len(n) > 0; n = n[8:] {
					buckets = counts.Extend(buckets)
					buckets[len(buckets)-1] = binary.LittleEndian.Uint64(n)
				}
			} else {
				limits = limits[:0]
				for n := f.data; len(n) > 0; n = n[8:] {
					limits = bounds.Extend(limits)
					limits[len(limits)-1] = math.Float64frombits(binary.LittleEndian.Uint64(n))
				}
			}
		case f.num == 6 && f.typ == fixed64Type:
			buckets = counts.Extend(buckets)
			buckets[len(buckets)-1] = f.number
		case f.num == 7 && f.typ == fixed64Type:
			limits = bounds.Extend(limits)
			limits[len(limits)-1] = math.Float64frombits(f.number)
		case f.num == 8 && f.typ == bytesType:
			if !d.exemplar(f.data) {
				return false
			}
		case f.num == 10 && f.typ == varintType:
			p.NoValue = f.number&noRecordedValue != 0
		case f.num == 11 && f.typ == fixed64Type:
			p.Min, p.HasMin = math.Float64frombits(f.number), true
		case f.num == 12 && f.typ == fixed64Type:
			p.Max, p.HasMax = math.Float64frombits(f.number), true
		case f.num >= 2 && f.num <= 12:
			return d.wrongType(&f, at, "histogram point")
		}
	}
	r.Attributes = attrs.Keep(run)
	if len(buckets) == len(limits)+1 {
		p.Buckets, p.Bounds = counts.Keep(buckets), bounds.Keep(limits)
	}
	return true
}

// exponentialPoint reads an ExponentialHistogramDataPoint.
func (d *decoder) exponentialPoint(b []byte, r *ingest.Record, p *ingest.Point) bool {
	e := d.arena.Exponentials.New()
	p.Exponential = e
	attrs := &d.arena.Attrs
	run := attrs.Run()
	var f field
	for len(b) > 0 {
		at := b
		if b = f.next(b); f.fault != 0 {
			return d.broken(&f, at, "exponential histogram point")
		}
		switch {
		case f.num == 1 && f.typ == bytesType:
			run = attrs.Extend(run)
			if !d.attribute(f.data, &run[len(run)-1]) {
				return false
			}
		case f.num == 2 && f.typ == fixed64Type:
			p.StartTime = unixNano(f.number)
		case f.num == 3 && f.typ == fixed64Type:
			r.Time = unixNano(f.number)
		case f.num == 4 && f.typ == fixed64Type:
			p.Count = f.number
		case f.num == 5 && f.typ == fixed64Type:
			p.Sum, p.HasSum = math.Float64frombits(f.number), true
		case f.num == 6 && f.typ == varintType:
			e.Scale = zigzag(f.number)
		case f.num == 7 && f.typ == fixed64Type:
			e.ZeroCount = f.number
		case f.num == 8 && f.typ == bytesType:
			if !d.exponentialBuckets(f.data, &e.PositiveOffset, &e.Positive) {
				return false
			}
		case f.num == 9 && f.typ == bytesType:
			if !d.exponentialBuckets(f.data, &e.NegativeOffset, &e.Negative) {
				return false
			}
		case f.num == 10 && f.typ == varintType:
			p.NoValue = f.number&noRecordedValue != 0
		case f.num == 11 && f.typ == bytesType:
			if !d.exemplar(f.data) {
				return false
			}
		case f.num == 12 && f.typ == fixed64Type:
			p.Min, p.HasMin = math.Float64frombits(f.number), true
		case f.num == 13 && f.typ == fixed64Type:
			p.Max, p.HasMax = math.Float64frombits(f.number), true
		case f.num == 14 && f.typ == fixed64Type:
			e.ZeroThreshold = math.Float64frombits(f.number)
		case f.num <= 14:
			return d.wrongType(&f, at, "exponential histogram point")
		}
	}
	r.Attributes = attrs.Keep(run)
	return true
}

// exponentialBuckets reads Buckets. Counts add to those of an earlier message of the same field, as in pdata.
func (d *decoder) exponentialBuckets(b []byte, offset *int32, buckets *[]uint64) bool {
	counts := &d.arena.Counts
	repeated := len(*buckets) > 0
	run := *buckets
	if !repeated {
		run = counts.Run()
	}
	add := func(n uint64) {
		if repeated {
			run = append(run, n)
			return
		}
		run = counts.Extend(run)
		run[len(run)-1] = n
	}
	var f, item field
	for len(b) > 0 {
		at := b
		if b = f.next(b); f.fault != 0 {
			return d.broken(&f, at, "histogram's buckets")
		}
		switch {
		case f.num == 1 && f.typ == varintType:
			*offset = zigzag(f.number)
		case f.num == 2 && f.typ == varintType:
			add(f.number)
		case f.num == 2 && f.typ == bytesType:
			for rest := f.data; len(rest) > 0; {
				var n uint64
				if n, rest = item.varint(rest); item.fault != 0 {
					return d.broken(&item, rest, "histogram's bucket list")
				}
				add(n)
			}
		case f.num <= 2:
			return d.wrongType(&f, at, "histogram's buckets")
		}
	}
	if !repeated {
		run = counts.Keep(run)
	}
	*buckets = run
	return true
}

// summaryPoint reads a SummaryDataPoint.
func (d *decoder) summaryPoint(b []byte, r *ingest.Record, p *ingest.Point) bool {
	p.HasSum = true
	attrs, quantiles := &d.arena.Attrs, &d.arena.Quantiles
	run, values := attrs.Run(), quantiles.Run()
	var f field
	for len(b) > 0 {
		at := b
		if b = f.next(b); f.fault != 0 {
			return d.broken(&f, at, "summary point")
		}
		switch {
		case f.num == 7 && f.typ == bytesType:
			run = attrs.Extend(run)
			if !d.attribute(f.data, &run[len(run)-1]) {
				return false
			}
		case f.num == 2 && f.typ == fixed64Type:
			p.StartTime = unixNano(f.number)
		case f.num == 3 && f.typ == fixed64Type:
			r.Time = unixNano(f.number)
		case f.num == 4 && f.typ == fixed64Type:
			p.Count = f.number
		case f.num == 5 && f.typ == fixed64Type:
			p.Sum = math.Float64frombits(f.number)
		case f.num == 6 && f.typ == bytesType:
			values = quantiles.Extend(values)
			if !d.quantile(f.data, &values[len(values)-1]) {
				return false
			}
		case f.num == 8 && f.typ == varintType:
			p.NoValue = f.number&noRecordedValue != 0
		case f.num >= 2 && f.num <= 8:
			return d.wrongType(&f, at, "summary point")
		}
	}
	r.Attributes = attrs.Keep(run)
	p.Quantiles = quantiles.Keep(values)
	return true
}

// quantile reads a ValueAtQuantile.
func (d *decoder) quantile(b []byte, q *ingest.Quantile) bool {
	*q = ingest.Quantile{}
	var f field
	for len(b) > 0 {
		at := b
		if b = f.next(b); f.fault != 0 {
			return d.broken(&f, at, "quantile")
		}
		switch {
		case f.num == 1 && f.typ == fixed64Type:
			q.Quantile = math.Float64frombits(f.number)
		case f.num == 2 && f.typ == fixed64Type:
			q.Value = math.Float64frombits(f.number)
		case f.num <= 2:
			return d.wrongType(&f, at, "quantile")
		}
	}
	return true
}

// exemplar checks an Exemplar.
func (d *decoder) exemplar(b []byte) bool {
	var f field
	for len(b) > 0 {
		at := b
		if b = f.next(b); f.fault != 0 {
			return d.broken(&f, at, "exemplar")
		}
		switch {
		case f.num == 7 && f.typ == bytesType:
			if !d.attribute(f.data, &d.unused) {
				return false
			}
		case (f.num == 2 || f.num == 3 || f.num == 6) && f.typ == fixed64Type:
		case f.num == 4 && f.typ == bytesType:
			if !d.checkID(f.data, 8) {
				return false
			}
		case f.num == 5 && f.typ == bytesType:
			if !d.checkID(f.data, 16) {
				return false
			}
		case f.num >= 2 && f.num <= 7:
			return d.wrongType(&f, at, "exemplar")
		}
	}
	return true
}

// zigzag decodes a sint32 from its varint.
func zigzag(n uint64) int32 { return int32(uint32(n>>1)) ^ -int32(n&1) }
