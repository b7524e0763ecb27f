package web

import (
	"encoding/json"
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/freshet-dev/freshet/detect/finding"
)

const (
	// listed is how many alerts an overview lists: a storm of thousands helps nobody and is sent to every open page.
	listed = 100
	// leastListed is how many of each part of the page are listed, if it has as many, however long the parts before it are.
	leastListed = 10
)

// overview is what the page lists: the alerts that matter most, without their evidence, and the number of all.
type overview struct {
	Alerts []brief `json:"alerts"`
	Counts counts  `json:"counts"`
}

// counts are the numbers of alerts. Silenced and inhibited ones are not among those that fire, acknowledged ones are.
type counts struct {
	Firing       int `json:"firing"`
	Acknowledged int `json:"acknowledged"`
	Silenced     int `json:"silenced"`
	Inhibited    int `json:"inhibited"`
	Pending      int `json:"pending"`
	Resolved     int `json:"resolved"`
}

// brief is an alert without what only an open one shows.
type brief struct {
	Alert
	// Details is another text when what is left out is something else, "" when nothing is.
	Details string `json:"details,omitempty"`
}

func briefOf(a Alert) brief {
	left := Alert{
		Description: a.Description, Runbook: a.Runbook, Condition: a.Condition, Samples: a.Samples, Offsets: a.Offsets, Explanation: a.Explanation,
	}
	a.Description, a.Runbook, a.Condition, a.Samples, a.Offsets, a.Explanation = "", "", "", nil, nil, nil
	if left.Description == "" && left.Runbook == "" && left.Condition == "" && len(left.Samples)+len(left.Offsets) == 0 && left.Explanation == nil {
		return brief{Alert: a}
	}
	h := fnv.New64a()
	_ = json.NewEncoder(h).Encode(left) // what cannot be encoded is reported when it is asked for
	return brief{Alert: a, Details: strconv.FormatUint(h.Sum64(), 36)}
}

// overviewOf returns the overview of alerts that are in the order of the page.
func overviewOf(alerts []Alert) overview {
	o := overview{Alerts: []brief{}}
	var parts [4][]*Alert // as the page has them: what fires, what of it is muted, pending, resolved
	for i := range alerts {
		a := &alerts[i]
		part := 0
		switch {
		case a.State == finding.Pending:
			part = 2
			o.Counts.Pending++
		case a.State == finding.Resolved:
			part = 3
			o.Counts.Resolved++
		case len(a.SilencedBy) > 0:
			part = 1
			o.Counts.Silenced++
		case a.muted():
			part = 1
			o.Counts.Inhibited++
		default:
			o.Counts.Firing++
			if a.Acknowledged != nil {
				o.Counts.Acknowledged++
			}
		}
		parts[part] = append(parts[part], a)
	}
	kept := 0 // places for the parts that follow
	for _, part := range parts {
		kept += min(len(part), leastListed)
	}
	for _, part := range parts {
		kept -= min(len(part), leastListed)
		for _, a := range part[:min(len(part), listed-kept-len(o.Alerts))] {
			o.Alerts = append(o.Alerts, briefOf(*a))
		}
	}
	return o
}

// filtered returns the alerts that have all words in their name, severity, summary or labels, written name=value.
func filtered(alerts []Alert, words []string) []Alert {
	out := alerts[:0]
	for i := range alerts {
		if alerts[i].has(words) {
			out = append(out, alerts[i])
		}
	}
	return out
}

func (a *Alert) has(words []string) bool {
	parts := []string{a.Rule, a.Severity, a.Summary, a.Fingerprint.String()}
	for _, l := range a.Labels {
		parts = append(parts, l.Name+"="+l.Value)
	}
	text := strings.ToLower(strings.Join(parts, "\n"))
	for _, word := range words {
		if !strings.Contains(text, strings.ToLower(word)) {
			return false
		}
	}
	return true
}
