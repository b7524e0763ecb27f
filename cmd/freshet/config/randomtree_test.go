package config

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

func t0() time.Time { return time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC) }

// randomTree writes an alertmanager.yml whose routes are made at random.
func randomTree(rng *rand.Rand) []byte {
	var b strings.Builder
	b.WriteString("route:\n  receiver: r0\n")
	receivers := 1
	randomRoutes(rng, &b, "  ", 1, &receivers)
	b.WriteString("receivers:\n")
	for i := range receivers {
		fmt.Fprintf(&b, "  - name: r%d\n", i)
		if i%2 == 0 {
			b.WriteString("    webhook_configs: [{url: 'http://127.0.0.1:9/'}]\n")
		}
	}
	return []byte(b.String())
}

func randomRoutes(rng *rand.Rand, b *strings.Builder, indent string, depth int, receivers *int) {
	n := rng.IntN(5 - depth)
	if depth == 1 {
		n += 2
	}
	if n == 0 {
		return
	}
	fmt.Fprintf(b, "%sroutes:\n", indent)
	for range n {
		inner := indent + "    "
		fmt.Fprintf(b, "%s  - continue: %t\n", indent, rng.IntN(3) == 0)
		if rng.IntN(5) > 0 {
			fmt.Fprintf(b, "%sreceiver: r%d\n", inner, *receivers)
			*receivers++
		}
		if rng.IntN(4) > 0 {
			fmt.Fprintf(b, "%smatchers:\n", inner)
			for range 1 + rng.IntN(2) {
				fmt.Fprintf(b, "%s  - '%s'\n", inner, randomMatcher(rng))
			}
		}
		if rng.IntN(4) == 0 {
			fmt.Fprintf(b, "%smatch: {%s: %s}\n", inner, pick(rng, "team", "severity"), pick(rng, "db", "web", "critical", `""`))
		}
		if rng.IntN(4) == 0 {
			fmt.Fprintf(b, "%smatch_re: {%s: '%s'}\n", inner, pick(rng, "team", "service"), pick(rng, "db|web", "^(db|api)$", ".*", ".+", "d.|x"))
		}
		if rng.IntN(4) == 0 {
			fmt.Fprintf(b, "%sgroup_by: [%s]\n%sgroup_wait: 1m30s\n", inner, pick(rng, "'...'", "team, severity", ""), inner)
		}
		if depth < 3 {
			randomRoutes(rng, b, inner, depth+1, receivers)
		}
	}
}

// randomMatcher writes a matcher in one of the ways that Alertmanager reads.
func randomMatcher(rng *rand.Rand) string {
	name := pick(rng, "team", "severity", "service", "env", `"service.name"`, `"größe"`)
	value := pick(rng, "db", "web", "api", "critical", "warning", "a b", `say \"hi\"`, "")
	operator := pick(rng, "=", "!=", "=~", "!~")
	if strings.HasSuffix(operator, "~") {
		value = pick(rng, "db|web", "crit.*", ".+", ".*", "", "(?:db|api)", `w\\w+`)
	}
	space := pick(rng, "", " ")
	plain := strings.Trim(value, "abcdefghijklmnopqrstuvwxyz") == "" && value != ""
	text := name + space + operator + space + `"` + value + `"`
	switch {
	case plain && rng.IntN(2) == 0:
		text = name + space + operator + space + value
	case rng.IntN(4) == 0:
		text = "{" + text + pick(rng, `,env!="test"`, `, team=~"db|.*"`, "") + "}"
	}
	return text
}

func pick(rng *rand.Rand, words ...string) string { return words[rng.IntN(len(words))] }
