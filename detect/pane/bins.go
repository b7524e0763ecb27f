package pane

import "math/bits"

// The bins lie in pages of pageBins, so that values of very different size cost two pages and not what lies between.
const (
	pageShift = 6
	pageBins  = 1 << pageShift
)

type page [pageBins]uint64

// bins counts by bin number. Pages are sorted by their number and none of the held ones is all zero, except after a
// subtraction.
type bins struct {
	numbers []int32
	pages   []*page
	total   uint64
	spare   []*page
}

// binBounds returns the least and the greatest bin number that a value may have.
func binBounds() (least, greatest int64) {
	return int64(binMapping.Index(binMapping.MinIndexableValue())), int64(binMapping.Index(binMapping.MaxIndexableValue()))
}

func (b *bins) add(bin int, n uint64) {
	b.total += n
	b.page(int32(bin >> pageShift))[bin&(pageBins-1)] += n
}

// page returns the page of a number, made when it is not there.
func (b *bins) page(number int32) *page {
	// A search by hand: pages are few, and the newest value is near the last one.
	i := len(b.numbers)
	for i > 0 && b.numbers[i-1] > number {
		i--
	}
	if i > 0 && b.numbers[i-1] == number {
		return b.pages[i-1]
	}
	var p *page
	if n := len(b.spare); n > 0 {
		p, b.spare = b.spare[n-1], b.spare[:n-1]
		*p = page{}
	} else {
		p = new(page)
	}
	b.numbers = append(b.numbers, 0)
	copy(b.numbers[i+1:], b.numbers[i:])
	b.numbers[i] = number
	b.pages = append(b.pages, nil)
	copy(b.pages[i+1:], b.pages[i:])
	b.pages[i] = p
	return p
}

func (b *bins) reset() {
	b.spare = append(b.spare, b.pages...)
	clear(b.pages)
	b.numbers, b.pages, b.total = b.numbers[:0], b.pages[:0], 0
}

func (b *bins) merge(o *bins) {
	for i, p := range o.pages {
		into := b.page(o.numbers[i])
		for j, n := range p {
			into[j] += n
		}
	}
	b.total += o.total
}

func (b *bins) subtract(o *bins) {
	for i, p := range o.pages {
		into := b.page(o.numbers[i])
		for j, n := range p {
			into[j] -= n
		}
	}
	b.total -= o.total
	// Pages that became empty are given up, so that a long-lived window holds what its values need.
	kept := 0
	for i, p := range b.pages {
		if *p == (page{}) {
			b.spare = append(b.spare[:0], p)
			continue
		}
		b.numbers[kept], b.pages[kept] = b.numbers[i], p
		kept++
	}
	clear(b.pages[kept:])
	b.numbers, b.pages = b.numbers[:kept], b.pages[:kept]
}

// at returns the bin that holds the value of a rank, counted from 0; the last bin when the rank is too large.
func (b *bins) at(rank uint64) int {
	bin := 0
	for i, p := range b.pages {
		for j, n := range p {
			if n == 0 {
				continue
			}
			bin = int(b.numbers[i])<<pageShift + j
			if rank < n {
				return bin
			}
			rank -= n
		}
	}
	return bin
}

// appendTo appends the number of used bins, then for each the distance to the one before and the count.
func (b *bins) appendTo(out []byte) []byte {
	used := 0
	for _, p := range b.pages {
		for _, n := range p {
			if n != 0 {
				used++
			}
		}
	}
	out = appendUvarint(out, uint64(used))
	before := 0
	for i, p := range b.pages {
		for j, n := range p {
			if n == 0 {
				continue
			}
			bin := int(b.numbers[i])<<pageShift + j
			out = appendVarint(out, int64(bin-before))
			out = appendUvarint(out, n)
			before = bin
		}
	}
	return out
}

func (b *bins) decodeFrom(in []byte) (_ []byte, err error) {
	b.reset()
	used, in, err := readUvarint(in)
	if err != nil {
		return nil, err
	}
	bin := int64(0)
	least, greatest := binBounds()
	for range used {
		var step int64
		var n uint64
		if step, in, err = readVarint(in); err != nil {
			return nil, err
		}
		if n, in, err = readUvarint(in); err != nil {
			return nil, err
		}
		bin += step
		if bin < least || bin > greatest {
			return nil, faultf("sketch with bin %d, expected %d to %d", bin, least, greatest)
		}
		if _, carry := bits.Add64(b.total, n, 0); carry != 0 {
			return nil, faultf("sketch counts more than 2^64 values")
		}
		b.add(int(bin), n)
	}
	return in, nil
}
