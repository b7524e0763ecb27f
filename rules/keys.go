package rules

import (
	"slices"
	"strconv"

	"github.com/freshet-dev/freshet/rules/expr"
)

// A shape is how the value of a key is written.
type shape uint8

const (
	shapeName        shape = iota + 1 // a text without a form of its own
	shapeSwitch                       // true or false
	shapeSignal                       // one of the signals
	shapeTopic                        // a name of a Kafka topic
	shapeRecord                       // an expression on records
	shapeKeys                         // what to group by
	shapeDuration                     // a length of time
	shapeMeasures                     // measures by name
	shapeCondition                    // a condition on measures, or one for each severity
	shapeMeasure                      // an expression on measures
	shapeMissing                      // a judgement of groups without records
	shapeClock                        // what tells the time of records
	shapeCount                        // a whole number above 0
	shapeShare                        // a number from 0 to 1, or per cent
	shapeObjective                    // an slo
	shapeLabels                       // texts by label name
	shapeTexts                        // texts by annotation name
	shapeGroups                       // a list of groups
	shapeRules                        // a list of rules
	shapeLists                        // lists of values by name
	shapeGroupValues                  // groups, by what `by` makes of them
)

// A key is one that a mapping of a rule file may have. The parser, the README and the JSON Schema are made from these
// tables.
type key struct {
	name  string
	shape shape
	// doc says what it means; otherwise is what it is where it is left out. Both are Markdown, as in the README.
	doc, otherwise string
	// shared keys may stand in a group too, as the default of its rules.
	shared bool
	// examples are values, as YAML.
	examples []string
}

// The keys of a rule file, of a group, of a rule and of an slo, in the order in which people write them.
var (
	fileTable = []key{ //nolint:gochecknoglobals // constant table
		{name: "lists", shape: shapeLists, doc: "[lists of values](#lists-of-values) that expressions ask by name, as in `user.name in lists.admins`", examples: []string{"{admins: [ann, bob]}", "{bad_users: {file: lists/bad_users.txt}}"}},
		{name: "groups", shape: shapeGroups, doc: "groups of rules"},
	}
	groupTable = []key{ //nolint:gochecknoglobals // constant table
		{name: "name", shape: shapeName, doc: "the group's name, which no other group has", examples: []string{"shop"}},
		{name: "rules", shape: shapeRules, doc: "the rules of the group"},
	}
	ruleTable = []key{ //nolint:gochecknoglobals // constant table
		{name: "alert", shape: shapeName, doc: "the alert's name, its label `alertname`", examples: []string{"ErrorSpike"}},
		{name: "record", shape: shapeName, doc: "in the place of `alert`: the metric as which `value` is [recorded](#recorded-measures)", examples: []string{"shop:error_ratio"}},
		{name: "enabled", shape: shapeSwitch, doc: "`false` leaves the rule out; it is checked all the same", otherwise: "`true`", shared: true},
		{name: "from", shape: shapeSignal, doc: "`logs`, `metrics`, `spans`, `span_events`, `events` or `findings`", shared: true},
		{name: "topic", shape: shapeTopic, doc: "with `from: events`: the topic of JSON events", shared: true, examples: []string{"numbers"}},
		{name: "where", shape: shapeRecord, doc: "a condition on each record; others are not seen", otherwise: "all records", shared: true, examples: []string{`deployment.environment == "prod"`, "kind == SERVER && has(http.route)"}},
		{name: "by", shape: shapeKeys, doc: "what to group by: names, or `{label: expression}`", otherwise: "one group", shared: true, examples: []string{"[service.name]", "[host.name, {mountpoint: system.filesystem.mountpoint}]"}},
		{name: "window", shape: shapeDuration, doc: "how much of the past is judged: a multiple of `interval`, at most `400d`", otherwise: code(expr.FormatDuration(DefaultWindow)), shared: true, examples: []string{"5m"}},
		{name: "interval", shape: shapeDuration, doc: "how often it is judged, `100ms` to `1h`", otherwise: code(expr.FormatDuration(DefaultInterval)), shared: true, examples: []string{"10s"}},
		{name: "let", shape: shapeMeasures, doc: "names for measures: `{errors: count(status == ERROR)}`; a later one may use those before it", examples: []string{"{errors: count(status == ERROR), ratio: errors / count()}"}},
		{name: "when", shape: shapeCondition, doc: "the condition on the window, or one for each severity: `{warning: …, critical: …}`", examples: []string{"count(severity >= ERROR) > 100", "count() >= 50 && count(status == ERROR) / count() > 0.05", "count() >= 50 && p95(duration) > 1", "absent()"}},
		{name: "until", shape: shapeCondition, doc: "what ends a condition that held, for all severities or by severity", otherwise: "the condition no longer holds", examples: []string{"count(severity >= ERROR) < 10"}},
		{name: "value", shape: shapeMeasure, doc: "the measure that is reported as `$value`", otherwise: "left side of the first comparison", examples: []string{"count(severity >= ERROR)"}},
		{name: "slo", shape: shapeObjective, doc: "in the place of `when`: `objective`, `good` and `total`; `window`, `minimum`", examples: []string{"{objective: 99.9%, good: count(status != ERROR), total: count()}"}},
		{name: "for", shape: shapeDuration, doc: "how long it must hold before the alert fires", otherwise: "`0s`", shared: true, examples: []string{"30s", "5m"}},
		{name: "keep_firing_for", shape: shapeDuration, doc: "how long the alert fires on when it no longer holds", otherwise: "`0s`", shared: true, examples: []string{"2m"}},
		{name: "time", shape: shapeClock, doc: "which time of a record counts: that of the `event`, its own, or that of its [`arrival`](#time) in Kafka", otherwise: "`event`", shared: true},
		{name: "lateness", shape: shapeDuration, doc: "how long after its time a record may arrive and still count, at most `1d`", otherwise: code(expr.FormatDuration(DefaultLateness)) + "; " + code(expr.FormatDuration(kafkaLateness)) + " of findings, and with `time: arrival`", shared: true, examples: []string{"10s"}},
		{name: "on_missing", shape: shapeMissing, doc: "what a known group is judged as while none of its records is in the window: its counts are `zero`, the alert is to `keep` its state or `resolve`, or the condition holds (`fire`, the most severe one)", otherwise: "`zero` if all measures have a value without records, else `keep`", shared: true},
		{name: "forget_after", shape: shapeDuration, doc: "how long an alert is kept whose group sends nothing any more", otherwise: "`1d`", shared: true, examples: []string{"1h"}},
		{name: "new_group_delay", shape: shapeDuration, doc: "how old a group must be before it is judged", otherwise: "`0s`", shared: true, examples: []string{"10m"}},
		{name: "expect", shape: shapeGroupValues, doc: "[groups that must be there](#groups-that-must-be-there), though they may never have sent: `[a, b]`, `[{host.name: a, region: eu}]` or `lists.hosts`", otherwise: "none", shared: true, examples: []string{"[db-1, db-2]", "lists.hosts"}},
		{name: "max_groups", shape: shapeCount, doc: "how many groups the rule may have; the rest is [one group](#too-many-groups)", otherwise: code(strconv.Itoa(DefaultMaxGroups)), shared: true, examples: []string{"5000"}},
		{name: "notify", shape: shapeSwitch, doc: "`false` shows the rule's alerts and notifies nobody", otherwise: "`true`", shared: true},
		{name: "labels", shape: shapeLabels, doc: "labels of the alert, beside those of `by`", shared: true, examples: []string{"{severity: critical, team: shop}"}},
		{name: "annotations", shape: shapeTexts, doc: "texts of the alert: `summary`, `description`, `runbook_url`", shared: true, examples: []string{"{summary: '{{ $labels.service_name }}: {{ $value }} errors in a minute'}"}},
	}
	sloTable = []key{ //nolint:gochecknoglobals // constant table
		{name: "objective", shape: shapeShare, doc: "how much is to be good: `99.9%` or `0.999`", examples: []string{"99.9%"}},
		{name: "good", shape: shapeMeasure, doc: "how much is good", examples: []string{"count(status != ERROR)"}},
		{name: "total", shape: shapeMeasure, doc: "how much there is in all", examples: []string{"count()"}},
		{name: "window", shape: shapeDuration, doc: "what the error budget is for, `3d` or more", otherwise: code(expr.FormatDuration(defaultSLOWindow)), examples: []string{"30d"}},
		{name: "minimum", shape: shapeCount, doc: "how much there must be in all for an alert", otherwise: code(strconv.Itoa(defaultSLOMinimum)), examples: []string{"1000"}},
	}
)

// annotationTable are the annotations that notifications know; others may stand beside them.
var annotationTable = []key{ //nolint:gochecknoglobals // constant table
	{name: "summary", shape: shapeName, doc: "what is up, in one line", examples: []string{"'{{ $labels.service_name }}: {{ $value }} errors in a minute'"}},
	{name: "description", shape: shapeName, doc: "what else whoever is notified should know"},
	{name: "runbook_url", shape: shapeName, doc: "where to read what to do", examples: []string{"https://example.com/runbooks/errors"}},
}

// The names of the tables.
var (
	fileKeys   = names(fileTable)                                               //nolint:gochecknoglobals // constant table
	ruleKeys   = names(ruleTable)                                               //nolint:gochecknoglobals // constant table
	sloKeys    = names(sloTable)                                                //nolint:gochecknoglobals // constant table
	sharedKeys = names(sharedTable())                                           //nolint:gochecknoglobals // constant table
	groupKeys  = slices.Concat([]string{"name"}, sharedKeys, []string{"rules"}) //nolint:gochecknoglobals // constant table
)

// sharedTable returns what a group may have for all of its rules.
func sharedTable() []key {
	return slices.DeleteFunc(slices.Clone(ruleTable), func(k key) bool { return !k.shared })
}

func names(table []key) []string {
	out := make([]string, len(table))
	for i, k := range table {
		out[i] = k.name
	}
	return out
}

func code(s string) string { return "`" + s + "`" }
