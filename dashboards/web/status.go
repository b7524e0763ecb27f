package web

import (
	"encoding/json"
	"time"
)

// State is how the pipeline does.
type State string

// The states. While a pipeline is behind, nothing is resolved and nothing is called absent.
const (
	Starting    State = "starting"
	Healthy     State = "healthy"
	Behind      State = "behind"
	Unavailable State = "unavailable"
)

// Status is what the head of the page shows.
type Status struct {
	State State
	// Message says in a sentence what is wrong and what to do, "" when nothing is.
	Message string
	// RecordsPerSecond and BytesPerSecond are what is read now.
	RecordsPerSecond, BytesPerSecond float64
	// WatermarkDelay is how far the detector's event time is behind the clock; negative when unknown.
	WatermarkDelay time.Duration
	// Rules is the number of rules loaded, Groups that of the groups they watch now.
	Rules, Groups int
	// RulesProblem says in some lines why the rule files as they are now could not be loaded, "" when they could, and
	// RulesProblemSince since when that is so. The rules from before go on.
	RulesProblem      string
	RulesProblemSince time.Time
	// ConfigProblem and ConfigProblemSince say the same of the alerter's configuration.
	ConfigProblem      string
	ConfigProblemSince time.Time
	// AlertsFrom is the address of the process whose alerts the page shows when that is another one, "" when it is this.
	// The page asks for them below its own address, and expects this process to pass that on.
	AlertsFrom string
	// AlertsUnknown says in a sentence why no alerts are known here, "" when they are.
	AlertsUnknown string
	// Version is freshet's.
	Version string
	// Now is set by the page.
	Now time.Time
}

// problem is one as the page takes it.
type problem struct {
	Text  string `json:"text"`
	Since int64  `json:"since_ms"`
}

// MarshalJSON writes durations in seconds and the clock in milliseconds since 1970.
func (s Status) MarshalJSON() ([]byte, error) {
	out := struct {
		State            State    `json:"state"`
		Message          string   `json:"message,omitempty"`
		RecordsPerSecond float64  `json:"records_per_second"`
		BytesPerSecond   float64  `json:"bytes_per_second"`
		WatermarkDelay   *float64 `json:"watermark_delay_seconds"`
		Rules            int      `json:"rules"`
		Groups           int      `json:"groups"`
		RulesProblem     *problem `json:"rules_problem,omitempty"`
		ConfigProblem    *problem `json:"config_problem,omitempty"`
		AlertsFrom       string   `json:"alerts_from,omitempty"`
		AlertsUnknown    string   `json:"alerts_unknown,omitempty"`
		Version          string   `json:"version,omitempty"`
		Now              int64    `json:"now_ms"`
	}{
		State: s.State, Message: s.Message,
		RecordsPerSecond: finite(s.RecordsPerSecond), BytesPerSecond: finite(s.BytesPerSecond),
		Rules: s.Rules, Groups: s.Groups, AlertsFrom: s.AlertsFrom, AlertsUnknown: s.AlertsUnknown, Version: s.Version, Now: s.Now.UnixMilli(),
	}
	if s.RulesProblem != "" {
		out.RulesProblem = &problem{s.RulesProblem, s.RulesProblemSince.UnixMilli()}
	}
	if s.ConfigProblem != "" {
		out.ConfigProblem = &problem{s.ConfigProblem, s.ConfigProblemSince.UnixMilli()}
	}
	if s.WatermarkDelay >= 0 {
		seconds := s.WatermarkDelay.Seconds()
		out.WatermarkDelay = &seconds
	}
	return json.Marshal(out)
}
