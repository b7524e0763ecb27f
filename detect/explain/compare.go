package explain

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/freshet-dev/freshet/detect/finding"
)

const (
	// confidence is the quantile of the normal distribution for intervals of 99.9 %: many values are looked at, and few
	// may be shown by chance.
	confidence = 3.29
	// leastDifference is by how much a share must have grown at least, with that confidence.
	leastDifference = 0.05
	// maxTraits bounds what is shown, maxAlso what is shown beside one of them.
	maxTraits = 5
	maxAlso   = 5
	// alike is the share of records on which two values must agree to say the same.
	alike = 0.95
)

// trait is a value of an attribute and which of the records have it.
type trait struct {
	name, value string
	has         []bool // per record, those of now first
	now, before int
	score       float64
}

// compare returns the values that are over-represented in some records against others, the most telling first. Names
// for which skip says so are left out.
func compare(now, before []*Record, skip func(name string) bool) []finding.Trait {
	if len(now) == 0 || len(before) == 0 {
		return nil
	}
	traits := tally(now, before, skip)
	for _, t := range traits {
		t.score = difference(t.now, len(now), t.before, len(before), confidence)
	}
	traits = slices.DeleteFunc(traits, func(t *trait) bool { return t.score < leastDifference })
	slices.SortFunc(traits, func(a, b *trait) int {
		return cmp.Or(cmp.Compare(b.score, a.score), comparePlain(a, b))
	})
	var out []finding.Trait
	for len(traits) > 0 && len(out) < maxTraits {
		same := []*trait{traits[0]}
		var rest []*trait
		for _, t := range traits[1:] {
			if traits[0].saysTheSame(t, len(now)) {
				same = append(same, t)
			} else {
				rest = append(rest, t)
			}
		}
		traits = rest
		slices.SortFunc(same, comparePlain)
		best := same[0]
		f := finding.Trait{
			Attribute: best.name, Value: best.value, NowCount: best.now, BeforeCount: best.before,
			Now: float64(best.now) / float64(len(now)), Before: float64(best.before) / float64(len(before)),
		}
		for _, t := range same[1:min(len(same), 1+maxAlso)] {
			f.Also = append(f.Also, finding.Attribute{Name: t.name, Value: t.value})
		}
		out = append(out, f)
	}
	return out
}

// tally counts every value.
func tally(now, before []*Record, skip func(string) bool) []*trait {
	type pair struct{ name, value string }
	found := map[pair]*trait{}
	var traits []*trait
	for i, r := range slices.Concat(now, before) {
		r.attributes(func(name, value []byte) {
			t := found[pair{string(name), string(value)}]
			if t == nil {
				if i >= len(now) || skip(string(name)) {
					return // what no record has now is not over-represented
				}
				t = &trait{
					name: strings.ToValidUTF8(string(name), "\uFFFD"), value: strings.ToValidUTF8(string(value), "\uFFFD"),
					has: make([]bool, len(now)+len(before)),
				}
				found[pair{string(name), string(value)}] = t
				traits = append(traits, t)
			}
			t.has[i] = true
			if i < len(now) {
				t.now++
			} else {
				t.before++
			}
		})
	}
	return traits
}

// saysTheSame says whether two traits belong to the same records, but for a few, now and before.
func (t *trait) saysTheSame(o *trait, now int) bool {
	agree := func(a, b []bool) bool {
		both, either := 0, 0
		for i := range a {
			if a[i] && b[i] {
				both++
			}
			if a[i] || b[i] {
				either++
			}
		}
		return float64(both) >= alike*float64(either)
	}
	return agree(t.has[:now], o.has[:now]) && agree(t.has[now:], o.has[now:])
}

// comparePlain orders traits that say the same: first what a person would name.
func comparePlain(a, b *trait) int {
	return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(b.score, a.score), cmp.Compare(len(a.value), len(b.value)),
		strings.Compare(a.name, b.name), strings.Compare(a.value, b.value))
}

// rank puts versions first, what was deployed being the usual cause, and names that machines gave last.
func (t *trait) rank() int {
	name := strings.ToLower(t.name)
	switch {
	case strings.HasSuffix(name, "version") && !strings.Contains(name, "sdk") && !strings.Contains(name, "protocol"):
		return 0
	case strings.HasSuffix(name, ".id") || strings.HasSuffix(name, "_id") || strings.HasSuffix(name, "uid"):
		return 3
	case strings.HasSuffix(name, "pod.name") || strings.HasSuffix(name, "container.name") || strings.HasSuffix(name, ".pid"):
		return 2
	default:
		return 1
	}
}

// difference returns by how much a share has grown at least, z being the quantile of the confidence: the lower end of the
// interval for the difference of two proportions by Newcombe's method 10 (Interval estimation for the difference between
// independent proportions, Statistics in Medicine 17, 1998), which is made of Wilson's intervals for each. So a share of
// few records counts less than the same of many, and one measure both decides what is shown and orders it.
func difference(now, ofNow, before, ofBefore int, z float64) float64 {
	p, q := float64(now)/float64(ofNow), float64(before)/float64(ofBefore)
	low, _ := wilson(p, ofNow, z)
	_, high := wilson(q, ofBefore, z)
	return p - q - math.Sqrt(square(p-low)+square(high-q))
}

// wilson returns Wilson's score interval of a proportion that was seen in n records (Probable inference, the law of
// succession, and statistical inference, JASA 22, 1927).
func wilson(p float64, n int, z float64) (low, high float64) {
	z2, count := float64(z*z), float64(n)
	middle := p + z2/(2*count)
	half := z * math.Sqrt(float64(p*(1-p))/count+z2/(4*count*count))
	scale := 1 + z2/count
	return (middle - half) / scale, (middle + half) / scale
}

// square keeps compilers from fusing the product with a sum, so that all machines get the same number.
func square(x float64) float64 { return float64(x * x) }

const (
	// least is how many records are compared at least, now and before; of so many before it is believed that nothing
	// stands out.
	least  = 5
	enough = 20
	// The newest part of the window that has this share of its matching records is called now.
	nowNumerator, nowDenominator = 3, 4
)

// Explain says what is over-represented among the matching records of a group in the window that ends at a step, of so
// many steps. Records of steps that are not complete count as well, as far as they are here.
//
// Now are the newest parts of the window that hold three quarters of its matching records: where a rise began within the
// window, what was before it is no part of it. Before are all records before that. They are compared with the matching
// ones among these; when there are too few, and the rule chooses its records by a filter, with all that the group sent. Of these the names that the filter itself asks for are left out, for which filtered answers.
//
// It returns nil when nothing stands out.
func (m *Memory) Explain(group []byte, step, window int64, filtered func(name string) bool) (e *finding.Explanation, since int64) {
	since = m.split(group, step, window)
	now := m.records(group, since, step, matchingOf)
	if len(now) < least {
		return nil, 0
	}
	never := func(string) bool { return false }
	begin := int64(-1 << 62)
	for _, against := range []struct {
		name string
		of   func(*span) *Sample
		skip func(string) bool
	}{{finding.AgainstMatching, matchingOf, never}, {finding.AgainstAll, allOf, filtered}} {
		before := m.records(group, begin, since, against.of)
		if len(before) < least {
			continue
		}
		if traits := compare(now, before, against.skip); len(traits) > 0 {
			return &finding.Explanation{Now: len(now), Before: len(before), Against: against.name, Traits: traits}, since
		}
		if len(before) >= enough {
			break
		}
	}
	return nil, 0
}

func matchingOf(s *span) *Sample { return &s.matching }
func allOf(s *span) *Sample      { return &s.all }

// split returns the step from which on the group's records count as now.
func (m *Memory) split(group []byte, step, window int64) int64 {
	counts := map[int64]float64{}
	total := 0.0
	first := floorDiv(step-window, m.width)
	for i := range m.spans {
		s := &m.spans[i]
		n := s.number
		if s.level == openLevel {
			if n >= step {
				continue
			}
			n = floorDiv(n, m.width)
		}
		if s.level > 1 || n < first {
			continue
		}
		records := s.matching.Estimate(group)
		counts[n] += records
		total += records
	}
	last := floorDiv(step-1, m.width)
	for held := 0.0; last > first; last-- {
		if held += counts[last]; nowDenominator*held >= nowNumerator*total {
			break
		}
	}
	return last * m.width
}

// records returns the records of a group in steps from one on and before another. Spans that reach over an end count
// where they begin.
func (m *Memory) records(group []byte, from, to int64, of func(*span) *Sample) []*Record {
	var out []*Record
	for i := range m.spans {
		s := &m.spans[i]
		if begin := s.number * m.stepsOf(s.level); begin < from || begin >= to {
			continue
		}
		for _, r := range of(s).records {
			if bytes.Equal(r.Group, group) {
				out = append(out, r)
			}
		}
	}
	return out
}

// stepsOf returns how many steps a span of a level has.
func (m *Memory) stepsOf(level uint8) int64 {
	if level == openLevel {
		return 1
	}
	steps := m.width
	for l := uint8(2); l <= level; l++ {
		steps *= spanOf[l]
	}
	return steps
}
