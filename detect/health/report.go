package health

import (
	"encoding/json"
	"fmt"
	"time"
)

// Stage is what works on a partition.
type Stage string

// The stages: Accumulate reads an input partition, Evaluate one of the panes.
const (
	Accumulate Stage = "accumulate"
	Evaluate   Stage = "evaluate"
)

// Interval is the time between two reports about a partition.
const Interval = 5 * time.Second

// Report is what the owner of a partition says of it. Counts are since its last report.
type Report struct {
	Stage     Stage  `json:"stage"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	// Delay (nanoseconds) is how far behind the clock of its process reading is, negative when nothing is known yet.
	Delay time.Duration `json:"delay"`
	// Records were decoded, by signal; Services has those with a service.name, and "" for those without.
	Records  map[string]uint64 `json:"records,omitempty"`
	Services map[string]Counts `json:"services,omitempty"`
	// Undecodable messages went to the dead-letter topic, by kind; Fault says what was wrong with the last.
	Undecodable map[string]uint64 `json:"undecodable,omitempty"`
	Fault       string            `json:"fault,omitempty"`
	// Rules are those that read the topic, by their IDs. They are told once a minute and when one first has something to
	// do; their counts are since they were told last.
	Rules map[string]RuleReport `json:"rules,omitempty"`
}

// Counts are the records of a service.
type Counts struct {
	Records uint64 `json:"n,omitempty"`
	Late    uint64 `json:"late,omitempty"`
	Ahead   uint64 `json:"ahead,omitempty"`
}

// RuleReport is what a rule made of a topic's records: Seen are those of its signal, Selected passed its `where`; of those
// that it counts Matched have all that `by` names, Unmatched do not.
type RuleReport struct {
	Name      string `json:"name"`
	Group     string `json:"group,omitempty"`
	Seen      uint64 `json:"n,omitempty"`
	Selected  uint64 `json:"s,omitempty"`
	Matched   uint64 `json:"m,omitempty"`
	Unmatched uint64 `json:"u,omitempty"`
}

// Encode returns the report as JSON.
func (r *Report) Encode() ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encoding a report on %s/%d: %w", r.Topic, r.Partition, err)
	}
	return b, nil
}

// DecodeReport reads what Encode wrote. Unknown fields are ignored, so that an older reader follows a newer writer.
func DecodeReport(value []byte) (*Report, error) {
	r := new(Report)
	if err := json.Unmarshal(value, r); err != nil {
		return nil, fmt.Errorf("decoding a report: %w", err)
	}
	if r.Topic == "" || r.Partition < 0 {
		return nil, fmt.Errorf("decoding a report: topic %q, partition %d", r.Topic, r.Partition)
	}
	return r, nil
}

func sum(counts map[string]uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}
