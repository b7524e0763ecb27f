package ruletest

import (
	"math"
	"slices"
	"time"

	"github.com/freshet-dev/freshet/rules"
)

// What a test has where neither it nor its file says anything. The start is a multiple of all usual intervals.
const (
	defaultPartitions = 2
	mostPartitions    = 64
	mostSeed          = math.MaxInt32
	defaultSeed       = 1
)

func defaultStart() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// The keys of a file and of a test, in the order in which people write them.
var (
	settingKeys = []string{"start", "end", "partitions", "seed"}                                    //nolint:gochecknoglobals // constant table
	fileKeys    = slices.Concat([]string{"rule_files"}, settingKeys, []string{"tests"})             //nolint:gochecknoglobals // constant table
	testKeys    = slices.Concat([]string{"name"}, settingKeys, []string{"rules", "logs", "metrics", //nolint:gochecknoglobals // constant table
		"spans", "events", "findings", "expect", "transitions"})
)

func documentKind() rules.DocumentKind {
	return rules.DocumentKind{
		Name: "a file of tests", Empty: "the file has no tests", Begins: "rule_files:",
		Merge: "give what several tests share an anchor, as in logs: &normal, and use it as logs: *normal", Foreign: foreignKey,
	}
}

// foreignKey returns a hint for keys of promtool's tests and of OTLP that are called otherwise.
func foreignKey(key string, keys []string) string {
	word := ""
	switch key {
	case "groups":
		return "this is a file of rules; their tests stand in files of their own, named *_test.yaml"
	case "eval_time", "time", "timestamp", "when", "from":
		word = "at"
	case "exp_alerts", "expected":
		word = "alerts"
	case "alertname", "rule":
		word = "alert"
	case "exp_labels":
		word = "labels"
	case "exp_annotations", "annotation":
		word = "annotations"
	case "alert_rule_test", "assertions", "checks":
		word = "expect"
	case "input_series", "series":
		if word = "metrics"; slices.Contains(keys, "values") {
			word = "name"
		}
	case "metric":
		word = "name"
	case "interval", "step":
		if word = "every"; !slices.Contains(keys, word) {
			return "how often records come is said in each stream, with every:"
		}
	case "start_timestamp":
		word = "start"
	case "rules_files", "files":
		word = "rule_files"
	case "evaluation_end", "until":
		word = "end"
	case "evaluation_interval", "group_eval_order", "external_labels", "external_url", "promql_expr_test", "fuzzy_compare":
		return "this key of promtool has no meaning here: rules have their own interval, and records in the place of series"
	case "message", "msg", "line":
		word = "body"
	case "level", "severity_number":
		word = "severity"
	case "latency", "took":
		word = "duration"
	case "service":
		word = "service.name"
	case "data", "fields", "event", "payload":
		word = "json"
	case "history":
		word = "transitions"
	case "repeat", "times":
		word = "count"
	case "lateness", "late":
		word = "delay"
	}
	if word == "" || !slices.Contains(keys, word) {
		return ""
	}
	return "write " + word + ":"
}

// settings are what a file gives its tests, and a test may have otherwise.
type settings struct {
	start      time.Time
	end        time.Duration
	endField   rules.Field
	partitions int32
	seed       uint64
}

// read takes one of settingKeys.
func (s *settings) read(f rules.Field) {
	switch f.Key() {
	case "start":
		if text, ok := f.Scalar(); ok {
			s.readStart(text)
		}
	case "end":
		if d, ok := readBounded(f); ok {
			s.end, s.endField = d, f
		}
	case "partitions":
		if n, ok := f.Whole(1, mostPartitions); ok {
			s.partitions = int32(n)
		}
	case "seed":
		if n, ok := f.Whole(0, mostSeed); ok {
			s.seed = uint64(n)
		}
	}
}

func (s *settings) readStart(text rules.Scalar) {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", time.DateOnly} {
		t, err := time.Parse(layout, text.Text)
		if err != nil {
			continue
		}
		if t.Year() < 1971 || t.Year() > 2200 {
			text.Fault(0, len(text.Text), "a test starts in the years 1971 to 2200", "")
			return
		}
		s.start = t.UTC()
		return
	}
	text.Fault(0, len(text.Text), "this is no point in time", "as in start: 2026-01-01T00:00:00Z")
}
