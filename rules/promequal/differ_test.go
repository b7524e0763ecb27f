//go:build !race

package promequal

import (
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// difference is a pair that looks the same and is not, over series of its own, and what comes of it on each side. The
// title is that of its sentence in rules/README.md.
type difference struct {
	title         string
	series        []series
	pair          pair
	prom, freshet string
	// exact: freshet has the same timestamps as Prometheus. joined: it begins to read in the middle of the topic.
	exact, joined bool
}

// of makes a series of a host: one value per tick from the first step on, "_" for none, "x" for the end that is told of,
// "3x7" for 7 three times.
func of(k kind, name, host, values string) series {
	s := series{name: name, kind: k, labels: map[string]string{"host.name": host}}
	n := int64(0)
	for word := range strings.FieldsSeq(values) {
		times := 1
		if count, of, found := strings.Cut(word, "x"); found && count != "" {
			times, _ = strconv.Atoi(count)
			word = of
		}
		for range times {
			n++
			at := sample{at: epoch().UnixMilli() + n*tick.Milliseconds()}
			switch word {
			case "_":
				continue
			case "x":
				at.stale = true
			default:
				x, err := strconv.ParseFloat(word, 64)
				if err != nil {
					panic(err) // a fault of the table below
				}
				at.value = x
			}
			s.samples = append(s.samples, at)
		}
	}
	return s
}

// holding makes a histogram of a host that holds each of these buckets at one tick after the other.
func holding(k kind, buckets ...[]uint64) series {
	s := of(k, "h", "a", strings.Repeat("0 ", len(buckets)))
	for i, b := range buckets {
		s.samples[i].buckets = b
	}
	return s
}

func (l timelines) String() string {
	var lines []string
	for _, by := range slices.Sorted(maps.Keys(l)) {
		lines = append(lines, fmt.Sprintf("{%s} %s", by, strings.TrimRight(string(l[by]), ".")))
	}
	return strings.Join(lines, "\n")
}

func started(s series, at time.Duration) series {
	for i := range s.samples {
		s.samples[i].start = epoch().Add(at).UnixMilli()
	}
	return s
}

const minute = time.Minute

func differences() []difference {
	host := []string{"host.name"}
	nan := strconv.FormatFloat(math.NaN(), 'g', -1, 64)
	return []difference{
		{title: "Nothing is extrapolated", series: []series{of(counter, "c", "a", "4x5 4x6 4x6")},
			pair:    pair{promql: `increase(c_total[1m]) > 1`, when: `increase(metric("c")) > 1`, by: host, window: minute},
			prom:    `{host_name=a} .....FFF`,
			freshet: ``},
		{title: "Nothing is extrapolated", series: []series{of(counter, "c", "a", "3x5 6 4x6")},
			pair:    pair{promql: `increase(c_total[15s]) > 0`, when: `increase(metric("c")) > 0`, by: host, window: tick},
			prom:    ``,
			freshet: `{host_name=a} ....F`},
		{title: "A value is good for the window", series: []series{of(gauge, "q", "a", "4x9 _")},
			pair:    pair{promql: `q > 5`, when: `last(metric("q")) > 5`, by: host, window: minute},
			prom:    `{host_name=a} .FFFFFFFFFFFFFFFFFFFFFFF`,
			freshet: `{host_name=a} .FFFFFFF`},
		{title: "The end of a series", series: []series{of(gauge, "q", "a", "4x9 x")},
			pair:    pair{promql: `q > 5`, when: `last(metric("q")) > 5`, by: host, window: 2 * minute},
			prom:    `{host_name=a} .FFFF`,
			freshet: `{host_name=a} .FFFFFFFFFFF`},
		{title: "A window has its beginning and not its end", exact: true, series: []series{of(gauge, "q", "a", "3x1 9 3x1")},
			pair:    pair{promql: `max_over_time(q[30s]) > 5`, when: `max(metric("q")) > 5`, by: host, window: 30 * time.Second},
			prom:    `{host_name=a} ....FF`,
			freshet: `{host_name=a} .....FF`},
		{title: "A series that is gone", series: []series{of(gauge, "q", "a", "4x9 _")},
			pair:    pair{promql: `avg_over_time(q[30s]) > 5`, when: `avg(metric("q")) > 5`, by: host, window: 30 * time.Second, missing: "default"},
			prom:    `{host_name=a} .FFFFF`,
			freshet: `{host_name=a} .FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF`},
		{title: "A series that is gone", series: []series{of(counter, "c", "a", "10 20 30 40 50 60 _")},
			pair:    pair{promql: `increase(c_total[30s] anchored) < 5`, when: `increase(metric("c")) < 5`, by: host, window: 30 * time.Second, missing: "default"},
			prom:    `{host_name=a} .F`,
			freshet: `{host_name=a} .F......FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF`},
		{title: "A series that is gone", series: []series{of(gauge, "q", "a", "4x9 _")},
			pair:    pair{promql: `q > 5 and on (host_name) last_over_time(q[30s])`, when: `last(metric("q")) > 5`, by: host, window: 30 * time.Second, keep: minute, missing: "resolve"},
			prom:    `{host_name=a} .FFFFFFFFF`,
			freshet: `{host_name=a} .FFFFF`},
		{title: "Counts and sums of nothing are 0", series: []series{of(counter, "c", "a", "10 20 30 40 50 60 70")},
			pair:    pair{promql: `increase(c_total[30s] anchored) > 2 * increase(c_total[30s] anchored offset 30s)`, when: `increase(metric("c")) > 2 * increase(metric("c")).previous()`, by: host, window: 30 * time.Second},
			prom:    `{host_name=a} ...F`,
			freshet: `{host_name=a} ..FF`},
		{title: "Counts and sums of nothing are 0", series: []series{of(counter, "c", "a", "10 20 30 40 50 60 70")},
			pair:    pair{promql: `sum by (host_name) (increase(c_total{error_type="500"}[1m] anchored)) / sum by (host_name) (increase(c_total[1m] anchored)) < 0.1`, when: `increase(metric("c"), error.type == "500") / increase(metric("c")) < 0.1`, by: host, window: minute, missing: "resolve"},
			prom:    ``,
			freshet: `{host_name=a} ..FFFFFFFFF`},
		{title: "Unequal to nothing", series: []series{of(gauge, "q", "a", "4x1 _")},
			pair:    pair{promql: `max_over_time(q[30s]) != 1`, when: `last(metric("q")) != 1`, by: host, window: 30 * time.Second},
			prom:    ``,
			freshet: `{host_name=a} ......FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF`},
		{title: "What is divided by 0", series: []series{of(gauge, "q", "a", "2x1 2x0 2x1")},
			pair:    pair{promql: `4 / q > 5`, when: `4 / last(metric("q")) > 5`, by: host, window: minute},
			prom:    `{host_name=a} ...FF`,
			freshet: ``},
		{title: "What is no number is skipped", series: []series{of(gauge, "q", "a", "4x9 "+nan+" 8x9")},
			pair:    pair{promql: `avg_over_time(q[1m]) > 5`, when: `avg(metric("q")) > 5`, by: host, window: minute},
			prom:    `{host_name=a} .FFFF....FFFFFFFF`,
			freshet: `{host_name=a} .FFFFFFFFFFFFFFFF`},
		{title: "Only what is known can be absent", series: []series{of(gauge, "q", "a", "3x_ 2x1 4x_ 2x1")},
			pair:    pair{promql: `absent_over_time(q{host_name="a"}[30s])`, where: `metric.name == "q"`, when: `absent()`, by: host, window: 30 * time.Second},
			prom:    `{host_name=a} .FFF...FFF...FFFFFFFFFFFFFFFFFFFFFFFFFFFF`,
			freshet: `{host_name=a} .......FFF...FFFFFFFFFFFFFFFFFFFFFFFFFFFF`},
		{title: "Only what is known can be absent", series: []series{of(gauge, "q", "a", "2x1"), of(gauge, "q", "b", "6x1 6x_")},
			pair:    pair{promql: `absent_over_time(q[30s])`, where: `metric.name == "q"`, when: `absent()`, by: host, window: 30 * time.Second},
			prom:    `{} ........FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF`,
			freshet: "{host_name=a} ....FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF\n{host_name=b} ........FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"},
		{title: "The labels of an alert", series: []series{of(gauge, "q", "a", "6x9 6x1"), of(gauge, "q", "b", "6x1 6x9")},
			pair:    pair{promql: `q > 5`, when: `max(metric("q")) > 5`, window: tick},
			prom:    "{host_name=a} .FFFFFF\n{host_name=b} .......FFFFFFFFFFFFFFFFFFFFFFFFF",
			freshet: `{} .FFFFFFFFFFFF`},
		{title: "A gap in a counter", series: []series{of(counter, "c", "a", "2x10 24x_ 100 2x100")},
			pair:    pair{promql: `increase(c_total[30s] anchored) > 50`, when: `increase(metric("c")) > 50`, by: host, window: 30 * time.Second},
			prom:    ``,
			freshet: `{host_name=a} ...........................FF`},
		{title: "When a counter began", series: []series{started(of(counter, "c", "a", "2x_ 60 3x60"), 30*time.Second)},
			pair:    pair{promql: `increase(c_total[30s] anchored) > 50`, when: `increase(metric("c")) > 50`, by: host, window: 30 * time.Second},
			prom:    ``,
			freshet: `{host_name=a} ...FF`},
		{title: "A histogram begins anew as a whole", series: []series{holding(classic, []uint64{60, 0, 0, 0, 0, 0, 0, 40}, []uint64{60, 0, 0, 0, 0, 0, 0, 40}, []uint64{70, 0, 0, 0, 0, 0, 0, 5})},
			pair:    pair{promql: `histogram_quantile(0.5, increase(h_bucket[30s] anchored)) > 1`, when: `p50(metric("h")) > 1`, by: host, window: 30 * time.Second},
			prom:    `{host_name=a} ...FF`,
			freshet: ``},
		{title: "Between two buckets", series: []series{holding(native, make([]uint64, 20), []uint64{0, 0, 0, 5, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})},
			pair:    pair{promql: `histogram_quantile(0.5, increase(h[45s])) > 0.2`, when: `p50(metric("h")) > 0.2`, by: host, window: 30 * time.Second},
			prom:    `{host_name=a} ..FF`,
			freshet: ``},
		{title: "Between two values", series: []series{of(gauge, "q", "a", "10 1000 10 1000")},
			pair:    pair{promql: `quantile_over_time(0.5, q[30s]) > 100`, when: `p50(metric("q")) > 100`, by: host, window: 30 * time.Second},
			prom:    `{host_name=a} ..FFFF`,
			freshet: `{host_name=a} .....F`},
		{title: "A forecast needs half its past", series: []series{of(gauge, "q", "a", "1 2 3 4 5 6 7 8 9 10")},
			pair:    pair{promql: `predict_linear(q[2m:15s], 60) > 5`, when: `last(metric("q")).forecast("1m", "2m") > 5`, by: host, window: tick},
			prom:    `{host_name=a} ..FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF`,
			freshet: `{host_name=a} .....FFFFFFFFFFFF`},
		{title: "What was read before", joined: true, series: []series{of(gauge, "q", "a", "8x1")},
			pair:    pair{promql: `avg_over_time(q[1m]) < 5`, when: `avg(metric("q")) < 5`, by: host, window: minute},
			prom:    `{host_name=a} .FFFFFFFFFFF`,
			freshet: `{host_name=a} .....FFFFFFF`},
	}
}

// TestDifferences shows each difference, and that the README tells of it.
func TestDifferences(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range differences() {
		t.Run(strings.ReplaceAll(d.title, " ", "_"), func(t *testing.T) {
			if !strings.Contains(string(readme), "- **"+d.title+".**") {
				t.Errorf("rules/README.md has no sentence that begins with **%s.**", d.title)
			}
			d.pair.name = fmt.Sprintf("Difference%d", i)
			begin := epoch()
			end := begin.Add(10 * minute)
			theirs := newPrometheus(t, d.series).run(t, &d.pair, begin, end).String()
			read := feed{series: d.series}
			if d.exact {
				read.later = 1
			}
			if d.joined {
				read.offset = 1
			}
			ours := runFreshet(t, []pair{d.pair}, read, begin, end)[d.pair.name].String()
			if theirs == ours {
				t.Errorf("both sides are the same, which is no difference:\n%s", ours)
			}
			if theirs != d.prom || ours != d.freshet {
				t.Errorf("%s\nprometheus:\n%s\nexpected:\n%s\n\n%s\nfreshet:\n%s\nexpected:\n%s", d.pair.promql, theirs, d.prom, d.pair.when, ours, d.freshet)
			}
		})
	}
}
