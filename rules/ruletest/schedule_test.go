package ruletest

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// timesOf returns when the records of a stream of logs are, in order of their numbers.
func timesOf(t *testing.T, keys string) (times []time.Duration, s *stream) {
	t.Helper()
	f := parse(t, oneRule, "rule_files: [r]\ntests: [{name: n, logs: [{"+keys+", severity: INFO}], expect: [{at: 1h, alerts: []}]}]")
	s = f.Tests[0].streams[0]
	for i := range s.n {
		times = append(times, time.Duration(s.moment(i, 0).at))
	}
	return times, s
}

func TestTimesOfRecords(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	for _, test := range []struct {
		keys string
		want []time.Duration
	}{
		{"at: 5m", []time.Duration{300 * s}},
		{"at: 0s..3s every 1s", []time.Duration{0, s, 2 * s}}, // the end does not belong to it
		{"at: 1s..2500ms, every: 1s", []time.Duration{s, 2 * s}},
		{"at: 1s..2s, rate: 4/s", []time.Duration{s, s + 250*ms, s + 500*ms, s + 750*ms}},
		{"at: 0s..1m, rate: 3/m", []time.Duration{0, 20 * s, 40 * s}},
		{"at: 0s..10s, rate: 0.25/s", []time.Duration{0, 4 * s, 8 * s}},
		{"at: 0s..90s, count: 3", []time.Duration{0, 30 * s, 60 * s}},
		{"at: 7s, count: 3", []time.Duration{7 * s, 7 * s, 7 * s}},
		{"at: [2s, 1s, 9s]", []time.Duration{s, 2 * s, 9 * s}},
	} {
		if got, _ := timesOf(t, test.keys); !slices.Equal(got, test.want) {
			t.Errorf("{%s} is at %v, want %v", test.keys, got, test.want)
		}
	}
}

// A long stream is exact to the nanosecond, where a product of time and number would not fit 64 bits.
func TestLongStreamsAreExact(t *testing.T) {
	times, _ := timesOf(t, "at: 0s..300d, count: 3000000")
	for i, at := range times {
		if want := time.Duration(i) * 8640 * time.Millisecond; at != want {
			t.Fatalf("record %d is at %s, want %s", i, at, want)
		}
	}
	times, _ = timesOf(t, "at: 0s..3h, rate: 3/s")
	if n := len(times); n != 3*3600*3 || times[n-1] != 3*time.Hour-time.Second*1/3-1 {
		t.Errorf("%d records, the last at %s", n, times[n-1])
	}
}

func TestJitterAndDelay(t *testing.T) {
	plain, _ := timesOf(t, "at: 0s..100s every 1s")
	moved, s := timesOf(t, "at: 0s..100s every 1s, jitter: 5s, delay: 2s")
	again, _ := timesOf(t, "at: 0s..100s every 1s, jitter: 5s, delay: 2s")
	other, _ := timesOf(t, "at: 0s..100s every 1s, jitter: 5s, seed: 9")
	if !slices.Equal(moved, again) || slices.Equal(moved, other) || slices.IsSorted(moved) {
		t.Errorf("the jitter is not random, or not the same each time:\n%v\n%v\n%v", moved, again, other)
	}
	for i := range plain {
		if off := moved[i] - plain[i]; off < 0 || off >= 5*time.Second {
			t.Errorf("record %d is %s off", i, off)
		}
	}
	// They arrive in order of time, each once.
	queue := newQueue([]*stream{s}, 0)
	seen := map[int]bool{}
	last := int64(0)
	for a, ok := queue.next(); ok; a, ok = queue.next() {
		if a.at < last || a.at != int64(moved[a.i]+2*time.Second) || seen[a.i] {
			t.Errorf("record %d arrives at %d after %d", a.i, a.at, last)
		}
		seen[a.i], last = true, a.at
		queue.take()
	}
	if len(seen) != len(plain) {
		t.Errorf("%d records arrive of %d", len(seen), len(plain))
	}
}

func TestStreamsArriveTogetherInOrder(t *testing.T) {
	f := parse(t, oneRule, `
rule_files: [r]
tests:
  - name: n
    logs:
      - {at: 0s..100s every 700ms, jitter: 3s, severity: INFO}
      - {at: 10s..50s every 1s, delay: 20s, severity: INFO}
      - {at: [3s, 60s], severity: INFO}
      - {at: 30s, count: 50, severity: INFO}
    expect: [{at: 1h, alerts: []}]
`)
	streams := f.Tests[0].streams
	want := 0
	for _, s := range streams {
		want += s.n
	}
	queue := newQueue(streams, 1000)
	var all []arrival
	for a, ok := queue.next(); ok; a, ok = queue.next() {
		all = append(all, a)
		queue.take()
	}
	if len(all) != want || !slices.IsSortedFunc(all, func(a, b arrival) int {
		if a.before(b) {
			return -1
		}
		return 1
	}) {
		t.Errorf("%d of %d arrive, in the order %v", len(all), want, all)
	}
}

func TestRecordsTakeTurnsOnPartitions(t *testing.T) {
	_, s := timesOf(t, "at: 0s..10s every 1s")
	var got []int32
	for i := range 6 {
		got = append(got, s.partitionOf(i, 3))
	}
	if !slices.Equal(got, []int32{0, 1, 2, 0, 1, 2}) {
		t.Errorf("partitions %v", got)
	}
	f, problems := tryParse(t, oneRule, "rule_files: [r]\ntests: [{name: n, partitions: 3, logs: [{at: 1s, partition: 3, severity: INFO}], expect: [{at: 1h, alerts: []}]}]")
	if f != nil || !strings.Contains(problems[0].Message, "from 0 to 2") {
		t.Errorf("partition 3 of 3: %v", problems)
	}
}
