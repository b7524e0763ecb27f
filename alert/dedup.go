package alert

import "github.com/freshet-dev/freshet/detect/finding"

// verdict is what deduplication makes of a finding.
type verdict string

const (
	accepted verdict = "accepted"
	// settledUpdate is the current finding again, now with the exact value.
	settledUpdate verdict = "settled"
	repeated      verdict = "repeat"
	stale         verdict = "stale"
)

// position is the last finding that was accepted for an alert.
type position struct {
	ID         string `json:"id"`
	Birth      int64  `json:"birth"`
	Episode    int64  `json:"episode"`
	Transition int64  `json:"transition"`
	Settled    bool   `json:"settled"`
}

func positionOf(f *finding.Finding) position {
	return position{ID: f.ID, Birth: f.Birth, Episode: f.Episode, Transition: f.Transition, Settled: f.Settled}
}

// judge decides whether a finding tells something new. Only findings further along (birth, episode, transition) count,
// so that a replay by the detector, in whatever order it reaches us, changes nothing.
func (p position) judge(f *finding.Finding) verdict {
	if p.ID == "" || f.Newer(&finding.Finding{Birth: p.Birth, Episode: p.Episode, Transition: p.Transition}) {
		return accepted
	}
	switch {
	case f.ID != p.ID:
		return stale
	case f.Settled && !p.Settled:
		return settledUpdate
	default:
		return repeated
	}
}
