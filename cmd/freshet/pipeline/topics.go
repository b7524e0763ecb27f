package pipeline

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/config"
	"github.com/freshet-dev/freshet/detect"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/ingest/format"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/rules"
)

// Names are freshet's own topics and consumer groups. All begin with the namespace, so that several installations share
// one Kafka.
type Names struct {
	Panes, State, Findings, Measures, Notifications, DeadLetter, Health string // topics
	Decisions, Undelivered                                              string
	Accumulate, Evaluate, Alert, Judge                                  string // groups
}

// NamesIn returns the names of a namespace: freshet.panes, freshet-accumulate and so on.
func NamesIn(namespace string) Names {
	return Names{
		Panes: namespace + ".panes", State: namespace + ".state", Findings: namespace + ".findings",
		Measures:      namespace + ".measures",
		Notifications: namespace + ".notifications", DeadLetter: namespace + ".dead_letter",
		Health:    namespace + ".health",
		Decisions: namespace + ".decisions", Undelivered: namespace + ".undelivered",
		Accumulate: namespace + "-accumulate", Evaluate: namespace + "-evaluate", Alert: namespace + "-alert",
		Judge: namespace + "-health",
	}
}

// largestMessage bounds one Kafka record of any topic: a dead letter holds a whole record that was too large to decode.
const largestMessage = 32 << 20

// Input is an input topic: what it carries and in which format.
type Input struct {
	Signal ingest.Signal
	Format format.Format
}

// Decoder returns the decoder of the topic's records.
func (in Input) Decoder(cfg *config.Config) (ingest.Decoder, error) {
	if in.Signal == ingest.Findings {
		return new(findings), nil
	}
	return format.New(in.Signal, in.Format, format.Limits{MaxRecordBytes: int(cfg.Ingest.MaxRecordBytes)})
}

// InputOf returns what a topic is to the detector; ok is false when it does not read the topic. set may be nil.
func InputOf(cfg *config.Config, set *rules.Set, topic string) (input Input, ok bool) {
	input, _, ok = newInputs(cfg, set).of(topic)
	return input, ok
}

// Pattern is an input of all topics that match and that no other input names.
type Pattern struct {
	Input
	// Name is how rules on events name it.
	Name  string
	match *regexp.Regexp
}

// Patterns returns the patterns of the configuration, in its order.
func Patterns(cfg *config.Config) []Pattern {
	var out []Pattern
	for _, t := range cfg.Ingest.Topics {
		if t.Pattern == "" {
			continue
		}
		f, _ := format.Parse(string(t.Format)) // checked with the configuration, as is the expression
		if m, err := t.Matcher(); err == nil {
			out = append(out, Pattern{Input{t.Carries(), f}, cmp.Or(t.Name, t.Pattern), m})
		}
	}
	return out
}

// inputs are all input topics: those that have names, and patterns for others.
type inputs struct {
	named    map[string]Input
	patterns []Pattern
	own      string // how the names of freshet's own topics begin
}

func newInputs(cfg *config.Config, set *rules.Set) inputs {
	return inputs{Inputs(cfg, set), Patterns(cfg), cfg.Kafka.Namespace + "."}
}

// names returns the topics that have names, sorted.
func (in inputs) names() []string { return slices.Sorted(maps.Keys(in.named)) }

// of returns the input of a topic, and how rules on events name it when that is not its own name.
func (in inputs) of(topic string) (input Input, name string, ok bool) {
	if input, ok = in.named[topic]; ok {
		return input, "", true
	}
	if strings.HasPrefix(topic, in.own) || strings.HasPrefix(topic, "__") {
		return input, "", false
	}
	for _, p := range in.patterns {
		if p.match.MatchString(topic) {
			return p.Input, p.Name, true
		}
	}
	return input, "", false
}

// matcher says which topics without a name of their own are inputs; nil when there are no patterns.
func (in inputs) matcher() func(topic string) bool {
	if len(in.patterns) == 0 {
		return nil
	}
	return func(topic string) bool {
		_, _, ok := in.of(topic)
		return ok
	}
}

// evaluated returns the patterns for stage 2.
func (in inputs) evaluated() []detect.Pattern {
	out := make([]detect.Pattern, 0, len(in.patterns))
	for _, p := range in.patterns {
		out = append(out, detect.Pattern{Name: p.Name, Signal: p.Signal, Match: func(topic string) bool {
			_, name, ok := in.of(topic)
			return ok && name == p.Name
		}})
	}
	return out
}

// Inputs returns the input topics by name: the OpenTelemetry Collector's defaults, those of the configuration, and those
// that rules name. Patterns are left out.
func Inputs(cfg *config.Config, set *rules.Set) map[string]Input {
	inputs := map[string]Input{
		cfg.Agent.Topics.Logs:    {Signal: ingest.Logs, Format: format.Auto},
		cfg.Agent.Topics.Metrics: {Signal: ingest.Metrics, Format: format.Auto},
		cfg.Agent.Topics.Spans:   {Signal: ingest.Spans, Format: format.Auto},
	}
	patterns := Patterns(cfg)
	if set != nil {
		for _, topic := range set.Topics() {
			pattern := slices.ContainsFunc(patterns, func(p Pattern) bool { return p.Name == topic })
			if _, known := inputs[topic]; !known && !pattern {
				inputs[topic] = Input{Signal: ingest.Events, Format: format.Auto}
			}
		}
	}
	if readsFindings(set) {
		inputs[NamesIn(cfg.Kafka.Namespace).Findings] = Input{Signal: ingest.Findings}
	}
	for _, t := range cfg.Ingest.Topics {
		if t.Pattern != "" {
			continue
		}
		f, _ := format.Parse(string(t.Format)) // checked with the configuration
		inputs[t.Name] = Input{Signal: t.Carries(), Format: f}
	}
	return inputs
}

// topicsBySignal turns inputs around for stage 2.
func topicsBySignal(inputs map[string]Input) detect.Topics {
	out := detect.Topics{}
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		signal := inputs[name].Signal
		out[signal] = append(out[signal], name)
		if signal == ingest.Spans {
			out[ingest.SpanEvents] = append(out[ingest.SpanEvents], name)
		}
	}
	return out
}

// TopicSpecs returns the settings of every topic that freshet uses, inputs first.
func TopicSpecs(cfg *config.Config, set *rules.Set) []kafka.TopicSpec {
	settings := cfg.Kafka.Topics
	spec := specOf(cfg)
	var specs []kafka.TopicSpec
	inputs := Inputs(cfg, set)
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		if inputs[name].Signal == ingest.Findings {
			continue
		}
		keys := deleteAfter(settings.Retention)
		// The broker's clock tells a sender's clock that runs ahead.
		keys["message.timestamp.type"] = "LogAppendTime"
		specs = append(specs, spec(name, settings.Partitions, keys))
	}
	names := NamesIn(cfg.Kafka.Namespace)
	if _, input := inputs[names.Measures]; records(set) && !input {
		specs = append(specs, spec(names.Measures, settings.Partitions, deleteAfter(settings.Retention)))
	}
	return append(specs, ownTopics(cfg)...)
}

// ownTopics returns the settings of the topics that nobody but freshet writes.
func ownTopics(cfg *config.Config) []kafka.TopicSpec {
	settings, names, spec := cfg.Kafka.Topics, NamesIn(cfg.Kafka.Namespace), specOf(cfg)
	return []kafka.TopicSpec{
		spec(names.Panes, settings.PanePartitions, deleteAfter(24*time.Hour)),
		spec(names.State, settings.PanePartitions, compacted()),
		spec(names.Findings, 1, deleteAfter(30*24*time.Hour)),
		spec(names.Notifications, 1, compacted()),
		spec(names.DeadLetter, 1, deleteAfter(14*24*time.Hour)),
		spec(names.Health, 1, compacted()),
		spec(names.Decisions, 1, deleteAfter(30*24*time.Hour)),
		spec(names.Undelivered, 1, deleteAfter(30*24*time.Hour)),
	}
}

// specOf makes settings of topics with the replication of the configuration; 0 is the brokers' default.
func specOf(cfg *config.Config) func(name string, partitions int32, keys map[string]string) kafka.TopicSpec {
	return func(name string, partitions int32, keys map[string]string) kafka.TopicSpec {
		return kafka.TopicSpec{Name: name, Partitions: partitions, Replication: cfg.Kafka.Topics.Replication, Config: keys}
	}
}

func deleteAfter(d time.Duration) map[string]string {
	return map[string]string{
		"cleanup.policy":    "delete",
		"retention.ms":      strconv.FormatInt(d.Milliseconds(), 10),
		"max.message.bytes": strconv.Itoa(largestMessage),
	}
}

func compacted() map[string]string {
	return map[string]string{
		"cleanup.policy":            "compact",
		"segment.bytes":             strconv.Itoa(64 << 20),
		"min.cleanable.dirty.ratio": "0.1",
		"max.compaction.lag.ms":     strconv.FormatInt((5 * time.Minute).Milliseconds(), 10),
		"max.message.bytes":         strconv.Itoa(largestMessage),
	}
}
