package rules

import (
	"slices"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules/expr"
)

// The values of `time`.
const (
	eventTime   = "event"
	arrivalTime = "arrival"
)

var clocks = []string{eventTime, arrivalTime} //nolint:gochecknoglobals // constant table

// kafkaLateness is that of records which are timed by Kafka: clocks of brokers and of the detector differ by less.
const kafkaLateness = time.Second

// checkClock reads which time of a record counts.
func (g *groupDraft) checkClock(draft *ruleDraft, r *Rule) {
	s, ok := draft.texts["time"]
	if !ok {
		return
	}
	if slices.Contains(clocks, s.text) {
		r.Arrival = s.text == arrivalTime
		return
	}
	hint := "it is one of " + strings.Join(clocks, ", ")
	if near := clockOf(s.text); near != "" {
		hint = "did you mean " + near + "?"
	}
	g.document.fault(g.document.at(s, 0, len(s.text)), "`time` cannot be "+quoted(s.text), hint)
}

// clockOf returns the clock that a word of another system means.
func clockOf(word string) string {
	switch strings.ToLower(word) {
	case "event_time", "eventtime", "create", "createtime", "timestamp":
		return eventTime
	case "arrival_time", "append", "append_time", "log_append_time", "logappendtime", "kafka", "broker", "ingest", "ingestion",
		"ingestion_time", "ingestiontime", "observed", "processing", "processing_time", "processingtime", "received":
		return arrivalTime
	default:
		return expr.Nearest(word, clocks)
	}
}

// lintClock reports a choice of time that there is not.
func (g *groupDraft) lintClock(draft *ruleDraft, r *Rule) {
	s, has := draft.texts["time"]
	_, shared := g.shared.texts["time"] // by rules for which it means something
	if !has || shared || r.From != ingest.Findings {
		return
	}
	g.document.add(Warning, g.document.at(s, 0, len(s.text)), "findings have no other time than that of their arrival, so `time` says nothing", "remove time:")
}
