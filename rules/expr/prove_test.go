package expr

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/ingest"
)

// What is said never to hold does so on no frame, and what is said always to hold does so on all of them.
func TestProverIsNeverWrong(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	proven := 0
	for range 1_500 {
		source := randomTruth(random, 3)
		o := Options{Signal: ingest.Spans, By: []Key{{Label: "service_name", Text: "service.name"}}, Interval: 5 * time.Second, Window: time.Minute}
		c, faults := check(source, o.Signal, measureSide, names{keys: o.By})
		if faults != nil {
			t.Fatalf("%q: %v", source, faults)
		}
		p, faults := CompileCondition(source, o)
		if faults != nil {
			continue // no aggregate in it
		}
		canHold, canFail := new(prover).holds(scope{checked: c}, c.root, true), new(prover).holds(scope{checked: c}, c.root, false)
		if canHold && canFail {
			continue
		}
		proven++
		for range 100 {
			f := randomFrame(random, p)
			if holds := p.Conditions[0].Holds(f); holds && !canHold || !holds && !canFail {
				t.Fatalf("%q is %v of %v %v, which was said not to be: %+v", source, holds, f.Reads, f.By, p.Reads)
			}
		}
	}
	if proven < 150 {
		t.Errorf("only %d conditions had anything to be proven", proven)
	}
}

func pick(random *rand.Rand, of ...string) string { return of[random.IntN(len(of))] }

func randomTruth(random *rand.Rand, depth int) string {
	if depth > 0 {
		a, b := randomTruth(random, depth-1), randomTruth(random, depth-1)
		switch random.IntN(6) {
		case 0, 1:
			return "(" + a + " && " + b + ")"
		case 2:
			return "(" + a + " || " + b + ")"
		case 3:
			return "!(" + a + ")"
		case 4:
			return "(" + a + " ? " + b + " : " + randomTruth(random, depth-1) + ")"
		default:
			return a
		}
	}
	if random.IntN(8) == 0 {
		return pick(random, `service.name == "a"`, `service.name != "a"`, `service.name in ["a", "b"]`, `service.name.lower() == "A"`, `service.name == 1`, `service.name > 1`, `service.name <= 1`)
	}
	return randomNumber(random, 2) + pick(random, " > ", " >= ", " < ", " <= ", " == ", " != ") + randomNumber(random, 1)
}

func randomNumber(random *rand.Rand, depth int) string {
	if depth > 0 && random.IntN(3) == 0 {
		a, b := randomNumber(random, depth-1), randomNumber(random, depth-1)
		switch random.IntN(6) {
		case 0:
			return "(" + a + ").offset(\"1h\")"
		case 1:
			return "(-" + a + ")"
		default:
			return "(" + a + pick(random, " + ", " - ", " * ", " / ", " / ") + b + ")"
		}
	}
	if random.IntN(2) == 0 {
		return pick(random, "0", "1", "2", "0.5", "-1", "3")
	}
	return pick(random, "count()", "count(status == ERROR)", "count(status == ERROR)", "rate()", "rate(status == ERROR)", "max(duration)", "stddev(duration)", "distinct(name)")
}

// randomFrame returns a frame as the detector may make it: counts are whole, and a part is at most all.
func randomFrame(random *rand.Rand, p *Program) *Frame {
	f := &Frame{Reads: make([]float64, len(p.Reads))}
	f.By = []ingest.Value{[]ingest.Value{{}, ingest.StringValue("a"), ingest.StringValue("b"), ingest.StringValue("1"), ingest.IntValue(1)}[random.IntN(5)]}
	all := map[string]float64{}
	amount := func(r Read) float64 {
		when := fmt.Sprint(r.Window, r.Offset, r.PreviousWindows)
		if _, ok := all[when]; !ok {
			all[when] = float64(random.IntN(5))
			all[when+"part"] = float64(random.IntN(int(all[when]) + 1))
		}
		if p.Aggregates[r.Aggregate].Filter != nil {
			return all[when+"part"]
		}
		return all[when]
	}
	for i, r := range p.Reads {
		switch r.Stat {
		case StatCount:
			f.Reads[i] = amount(r)
		case StatRate:
			f.Reads[i] = amount(r) / 60
		case StatDistinct:
			f.Reads[i] = float64(random.IntN(5))
		case StatStddev:
			f.Reads[i] = []float64{0, 0.5, 1, 3, math.NaN()}[random.IntN(5)]
		default:
			f.Reads[i] = []float64{-1, 0, 0.5, 1, 2, 3, math.NaN()}[random.IntN(7)]
		}
		if r.Offset > 0 && random.IntN(3) == 0 {
			f.Reads[i] = math.NaN()
		}
	}
	return f
}

// A doubt points at what it is about, whatever the source looks like.
func TestDoubtsPointAtTheirPart(t *testing.T) {
	for source, want := range map[string]string{
		"count() < 0": "count() < 0",
		"p95(duration) > 1 ||\n  ((count()).over('1h') < 0 // never\n)": "count()).over('1h') < 0",
		`p95(duration) > 1 && count(name == "a" && name == 'b)') > 1`:   "name == 'b)'",
		"max(duration) > 1 || 0 > count() ":                             "0 > count()",
		"!(count() >= 0) || max(duration) > 1":                          "count() >= 0",
		"max(duration) > 1 || !!(count(status == ERROR) > count())":     "count(status == ERROR) > count()",
		`max(duration) > count(name in ["a"] && name in ["b", "c]"])`:   `name in ["b", "c]"]`,
	} {
		p, faults := CompileCondition(source, Options{Signal: ingest.Spans, Interval: 5 * time.Second, Window: time.Minute})
		if faults != nil {
			t.Errorf("%q: %v", source, faults)
			continue
		}
		if len(p.Doubts) != 1 || len(p.Doubts[0]) != 1 {
			t.Errorf("%q has the doubts %v, expected one", source, p.Doubts)
			continue
		}
		d := p.Doubts[0][0]
		if got := source[d.Offset:min(d.Offset+d.Length, len(source))]; got != want || !strings.Contains(d.Message, "never holds") {
			t.Errorf("%q: %s stands at %q, expected %q", source, d.Message, got, want)
		}
	}
}
