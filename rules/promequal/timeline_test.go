//go:build !race

package promequal

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// timelines are what the alerts of a rule did, by their labels: one character per step, '.' where an alert is not there,
// 'p' where it is pending, 'F' where it fires.
type timelines map[string][]byte

// set notes the state of an alert at a step, at which it is the latest.
func (l timelines) set(by string, step int, mark byte) {
	line := l[by]
	for len(line) <= step {
		line = append(line, '.')
	}
	line[step] = mark
	l[by] = line
}

// hold lets an alert be as it is until before a step.
func (l timelines) hold(by string, step int) {
	line := l[by]
	for len(line) < step {
		last := byte('.')
		if len(line) > 0 {
			last = line[len(line)-1]
		}
		line = append(line, last)
	}
	l[by] = line
}

// extend makes all lines as long as there are steps.
func (l timelines) extend(steps int) {
	for by := range l {
		for len(l[by]) < steps {
			l[by] = append(l[by], '.')
		}
	}
}

// drop lets go of lines that say nothing.
func (l timelines) drop() {
	maps.DeleteFunc(l, func(_ string, line []byte) bool { return strings.Trim(string(line), ".") == "" })
}

// fired and resolved count how often an alert began to fire, and how often one ended.
func (l timelines) fired() (n int) {
	for _, line := range l {
		n += strings.Count("."+strings.ReplaceAll(string(line), "p", "."), ".F")
	}
	return n
}

func (l timelines) resolved() (n int) {
	for _, line := range l {
		n += strings.Count(strings.ReplaceAll(string(line), "p", "."), "F.")
	}
	return n
}

// differ returns both timelines of each alert that is not the same on both sides, "" when all are.
func differ(prom, ours timelines) string {
	var b strings.Builder
	all := maps.Clone(prom)
	maps.Copy(all, ours)
	for _, by := range slices.Sorted(maps.Keys(all)) {
		if string(prom[by]) == string(ours[by]) {
			continue
		}
		first := 0
		for first < min(len(prom[by]), len(ours[by])) && prom[by][first] == ours[by][first] {
			first++
		}
		fmt.Fprintf(&b, "{%s} from step %d on:\n  prometheus %s\n  freshet    %s\n", by, first, orNone(prom[by]), orNone(ours[by]))
	}
	return b.String()
}

func orNone(line []byte) string {
	if len(line) == 0 {
		return "(no alert)"
	}
	return string(line)
}

// labelsOf returns the labels of an alert but its name, in order.
func labelsOf(all map[string]string) string {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(all)) {
		if k != "alertname" && all[k] != "" {
			list = append(list, k+"="+all[k])
		}
	}
	return strings.Join(list, ",")
}
