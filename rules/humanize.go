package rules

import (
	"fmt"
	"maps"
	"math"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"
	"unicode"

	"github.com/freshet-dev/freshet/rules/expr"
)

// templateFunctions returns the functions that templates may call, with Prometheus's names and meanings.
func templateFunctions() template.FuncMap {
	return template.FuncMap{
		"humanize":           numeric(humanize),
		"humanize1024":       numeric(humanize1024),
		"humanizeDuration":   numeric(humanizeDuration),
		"humanizePercentage": numeric(func(f float64) string { return strconv.FormatFloat(f*100, 'g', 4, 64) + "%" }),
		"humanizeTimestamp":  numeric(humanizeTimestamp),
		"title":              title,
		"toUpper":            strings.ToUpper,
		"toLower":            strings.ToLower,
		"trimSpace":          strings.TrimSpace,
		"join":               func(separator string, texts []string) string { return strings.Join(texts, separator) },
		"match":              regexp.MatchString,
		"reReplaceAll":       reReplaceAll,
		"stripPort":          stripPort,
		"stripDomain":        stripDomain,
		"parseDuration": func(s string) (float64, error) {
			d, err := expr.ParseDuration(s)
			return d.Seconds(), err
		},
	}
}

func templateFunctionNames() []string {
	return slices.Sorted(maps.Keys(templateFunctions()))
}

// numeric makes a function of numbers take texts that hold one, such as labels, too.
func numeric(f func(float64) string) func(any) (string, error) {
	return func(v any) (string, error) {
		switch v := v.(type) {
		case float64:
			return f(v), nil
		case int:
			return f(float64(v)), nil
		case int64:
			return f(float64(v)), nil
		case string:
			n, err := strconv.ParseFloat(v, 64)
			if err != nil {
				return "", fmt.Errorf("%q is no number", v)
			}
			return f(n), nil
		default:
			return "", fmt.Errorf("%v is no number", v)
		}
	}
}

func plainNumber(f float64) string { return strconv.FormatFloat(f, 'g', 4, 64) }

func odd(f float64) bool { return f == 0 || math.IsNaN(f) || math.IsInf(f, 0) }

// humanize writes a number with a metric prefix: 1234567 is 1.235M.
func humanize(f float64) string {
	if odd(f) {
		return plainNumber(f)
	}
	prefixes := []string{"k", "M", "G", "T", "P", "E", "Z", "Y"}
	prefix := ""
	if math.Abs(f) < 1 {
		prefixes = []string{"m", "u", "n", "p", "f", "a", "z", "y"}
		for i := 0; i < len(prefixes) && math.Abs(f) < 1; i++ {
			f, prefix = f*1000, prefixes[i]
		}
		return plainNumber(f) + prefix
	}
	for i := 0; i < len(prefixes) && math.Abs(f) >= 1000; i++ {
		f, prefix = f/1000, prefixes[i]
	}
	return plainNumber(f) + prefix
}

// humanize1024 writes a number with a binary prefix: 2048 is 2ki.
func humanize1024(f float64) string {
	if odd(f) || math.Abs(f) < 1 {
		return plainNumber(f)
	}
	prefix := ""
	for _, p := range []string{"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"} {
		if math.Abs(f) < 1024 {
			break
		}
		f, prefix = f/1024, p
	}
	return plainNumber(f) + prefix
}

// humanizeDuration writes a number of seconds: 90061 is 1d 1h 1m 1s, 0.25 is 250ms.
func humanizeDuration(f float64) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return plainNumber(f)
	}
	sign := ""
	if f < 0 {
		sign, f = "-", -f
	}
	switch {
	case f == 0:
		return plainNumber(f) + "s"
	case f < 1:
		prefix := ""
		for _, p := range []string{"m", "u", "n", "p", "f", "a", "z", "y"} {
			if f >= 1 {
				break
			}
			f, prefix = f*1000, p
		}
		return sign + plainNumber(f) + prefix + "s"
	case f < 60:
		return sign + plainNumber(f) + "s"
	case f >= 1e15:
		return sign + plainNumber(f) + "s"
	}
	whole := int64(f)
	var parts []string
	for _, unit := range []struct {
		seconds int64
		name    string
	}{{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}} {
		n := whole / unit.seconds
		whole %= unit.seconds
		if n > 0 || len(parts) > 0 || unit.seconds == 1 {
			parts = append(parts, strconv.FormatInt(n, 10)+unit.name)
		}
	}
	return sign + strings.Join(parts, " ")
}

// humanizeTimestamp writes Unix seconds as a date and time in UTC.
func humanizeTimestamp(f float64) string {
	if math.IsNaN(f) || math.IsInf(f, 0) || math.Abs(f) > 1e11 {
		return plainNumber(f)
	}
	seconds, fraction := math.Modf(f)
	return time.Unix(int64(seconds), int64(fraction*1e9)).UTC().String()
}

// title writes each word with a capital.
func title(s string) string {
	var b strings.Builder
	begin := true
	for _, r := range s {
		if begin {
			r = unicode.ToTitle(r)
		}
		begin = unicode.IsSpace(r)
		b.WriteRune(r)
	}
	return b.String()
}

func reReplaceAll(pattern, replacement, text string) (string, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return "", err
	}
	return re.ReplaceAllString(text, replacement), nil
}

// stripPort removes the port of host:port.
func stripPort(hostPort string) string {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return hostPort
	}
	return host
}

// stripDomain leaves the first part of a host's name, and its port.
func stripDomain(hostPort string) string {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		host, port = hostPort, ""
	}
	if net.ParseIP(host) != nil {
		return hostPort
	}
	host, _, _ = strings.Cut(host, ".")
	if port != "" {
		return net.JoinHostPort(host, port)
	}
	return host
}
