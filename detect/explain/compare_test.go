package explain

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest"
)

// list writes attributes: name, value, name, value.
func list(pairs ...string) []byte {
	var attributes ingest.Attrs
	for i := 0; i < len(pairs); i += 2 {
		attributes = append(attributes, ingest.Attr{Key: pairs[i], Value: ingest.StringValue(pairs[i+1])})
	}
	return new(Profile).list(nil, attributes)
}

func noSkip(string) bool { return false }

// many returns n records, each with the attributes that of gives for its number.
func many(n int, of func(i int) []string) []*Record {
	out := make([]*Record, n)
	for i := range out {
		out[i] = &Record{Own: list(of(i)...)}
	}
	return out
}

func lines(traits []finding.Trait) []string {
	out := []string{}
	for _, t := range traits {
		s := t.String()
		for _, a := range t.Also {
			s += " (" + a.String() + ")"
		}
		out = append(out, s)
	}
	return out
}

// TestBadDeploy is a deploy that is under way: 92 of 100 failing requests are answered by the new version, and few were
// before.
func TestBadDeploy(t *testing.T) {
	version := func(bad int) func(i int) []string {
		return func(i int) []string {
			v, pod := "1.4.1", "payment-6c5d"
			if i < bad {
				v, pod = "1.4.2", "payment-77f4"
			}
			return []string{
				"k8s.pod.name", pod, "service.version", v, "region", "eu", "order.id", fmt.Sprint(bad, i), "http.route", fmt.Sprint("/r", i%3),
			}
		}
	}
	got := lines(compare(many(100, version(92)), many(100, version(3)), noSkip))
	want := []string{"service.version=1.4.2: 92 % now, 3 % before (k8s.pod.name=payment-77f4)"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, expected %q", got, want)
	}
}

func TestOrderAndSkip(t *testing.T) {
	now := many(60, func(i int) []string {
		a := []string{"level", "ERROR", "same", "x"}
		if i < 50 {
			a = append(a, "error.type", "timeout")
		}
		if i%2 == 0 {
			a = append(a, "tenant", "acme")
		}
		return a
	})
	before := many(60, func(i int) []string { return []string{"level", "INFO", "same", "x", "tenant", fmt.Sprint("t", i)} })
	got := lines(compare(now, before, func(name string) bool { return name == "level" }))
	want := []string{"error.type=timeout: 83 % now, 0 % before", "tenant=acme: 50 % now, 0 % before"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, expected %q", got, want)
	}
}

// TestOwnAttributesHideThoseOfTheSender looks names up as rules do.
func TestOwnAttributesHideThoseOfTheSender(t *testing.T) {
	record := func(zone string) *Record {
		return &Record{Own: list("zone", zone), Shared: append(list("zone", "outer", "zone2", "first"), list("zone2", "second")...)}
	}
	var got [][2]string
	record("inner").attributes(func(name, value []byte) { got = append(got, [2]string{string(name), string(value)}) })
	if want := [][2]string{{"zone", "inner"}, {"zone2", "first"}}; !slices.Equal(got, want) {
		t.Errorf("attributes %q, expected %q", got, want)
	}
}

// TestFewRecordsProveLittle: what could well be chance is not shown, whatever its share.
func TestFewRecordsProveLittle(t *testing.T) {
	for _, c := range []struct {
		now, ofNow, before, ofBefore int
		shown                        bool
	}{
		{3, 3, 0, 5, false}, {5, 5, 0, 5, false}, {5, 5, 0, 20, true}, {8, 8, 0, 10, true},
		{4, 8, 0, 10, false}, {12, 12, 6, 12, false}, {20, 100, 10, 100, false}, {40, 100, 10, 100, true},
		{100, 100, 97, 100, false}, {100, 100, 80, 100, true}, {50, 100, 50, 100, false}, {10, 100, 50, 100, false},
	} {
		if got := difference(c.now, c.ofNow, c.before, c.ofBefore, confidence); (got >= leastDifference) != c.shown {
			t.Errorf("%d of %d now, %d of %d before: at least %.3f, shown is expected to be %v", c.now, c.ofNow, c.before, c.ofBefore, got, c.shown)
		}
	}
}

// TestChanceIsNotShown compares records that come from the same source, with many attributes.
func TestChanceIsNotShown(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 9))
	random := func(int) []string {
		var a []string
		for k := range 20 {
			a = append(a, fmt.Sprint("a", k), fmt.Sprint(rnd.IntN(1+k)))
		}
		return a
	}
	shown := 0
	const cases = 200
	for range cases {
		shown += len(compare(many(20+rnd.IntN(80), random), many(20+rnd.IntN(80), random), noSkip))
	}
	if shown > cases/50 {
		t.Errorf("%d values were shown in %d comparisons of like with like", shown, cases)
	}
}

// TestWilson compares with the roots of Wilson's equation, (p - x)² = z² x (1 - x) / n, of which the interval is made,
// and with what Newcombe gives for method 10.
func TestWilson(t *testing.T) {
	for _, n := range []int{1, 5, 30, 1000} {
		for k := range n + 1 {
			p := float64(k) / float64(n)
			low, high := wilson(p, n, confidence)
			for _, x := range []float64{low, high} {
				if d := (p-x)*(p-x) - confidence*confidence*x*(1-x)/float64(n); math.Abs(d) > 1e-12 {
					t.Fatalf("%d of %d: %v is off by %g", k, n, x, d)
				}
			}
			if low > p+1e-12 || high < p-1e-12 {
				t.Fatalf("%d of %d: %v to %v", k, n, low, high)
			}
		}
	}
}

func TestNewcombe(t *testing.T) {
	for _, c := range []struct {
		now, ofNow, before, ofBefore int
		want                         float64
	}{{56, 70, 48, 80, 0.0524}, {9, 10, 3, 10, 0.1705}, {5, 56, 0, 29, -0.0381}, {10, 10, 0, 20, 0.6791}} {
		if got := difference(c.now, c.ofNow, c.before, c.ofBefore, 1.959964); math.Abs(got-c.want) > 5e-5 {
			t.Errorf("%d of %d against %d of %d: %.4f, expected %.4f", c.now, c.ofNow, c.before, c.ofBefore, got, c.want)
		}
	}
}

func TestDifferenceGrowsWithWhatItIsMadeOf(t *testing.T) {
	if a, b := difference(9, 10, 0, 10, confidence), difference(90, 100, 0, 100, confidence); a >= b {
		t.Errorf("nine of ten says %v, ninety of a hundred %v", a, b)
	}
	if a, b := difference(90, 100, 30, 100, confidence), difference(90, 100, 3, 100, confidence); a >= b {
		t.Errorf("against 30 %% says %v, against 3 %% %v", a, b)
	}
}

// TestExplain has a rise begin within the window: now is what came since, before is what was before it.
func TestExplain(t *testing.T) {
	plan := NewPlan(1, true)
	hash := uint64(0)
	record := func(version string) *Record {
		hash++
		return &Record{Hash: mix(hash), Group: []byte("g"), Shared: list("service.version", version), Own: list("level", "ERROR")}
	}
	for _, c := range []struct {
		name       string
		errors     int // of the old version in each step before
		against    string
		otherGroup bool
		wantNone   bool
	}{
		{name: "no errors before", against: finding.AgainstAll},
		{name: "errors before", errors: 2, against: finding.AgainstMatching},
		{name: "another group", otherGroup: true, wantNone: true},
	} {
		m := NewMemory(16, plan)
		for step := range int64(96) {
			s := span{matching: Sample{Sizes: plan.Matching}, all: Sample{Sizes: plan.All}}
			if step >= 93 {
				for range 30 {
					s.matching.Add(record("1.4.2"))
				}
			} else {
				for range c.errors {
					s.matching.Add(record("1.4.1"))
				}
			}
			for range 20 {
				s.all.Add(record("1.4.1"))
			}
			if err := m.Take(step, s.all.Append(s.matching.Append(nil))); err != nil {
				t.Fatal(err)
			}
			if step < 94 {
				m.Close(step)
			}
		}
		group := "g"
		if c.otherGroup {
			group = "other"
		}
		e, since := m.Explain([]byte(group), 96, 16, func(name string) bool { return name == "level" })
		if c.wantNone {
			if e != nil {
				t.Errorf("%s: %s", c.name, e)
			}
			continue
		}
		if e == nil || e.Against != c.against || since < 92 || since > 94 || len(e.Traits) != 1 || e.Traits[0].Attribute != "service.version" {
			t.Errorf("%s: %+v since %d", c.name, e, since)
			continue
		}
		if e.Traits[0].Value != "1.4.2" || e.Traits[0].BeforeCount != 0 || e.Now < 24 || e.Before < 20 {
			t.Errorf("%s: %+v", c.name, e)
		}
	}
}
