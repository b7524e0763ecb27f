package alert

import "time"

// DeadLetter is a notification that was given up, and why.
type DeadLetter struct {
	At          time.Time `json:"at"`
	Reason      string    `json:"reason"`
	Integration string    `json:"integration"`
	ID          string    `json:"id"`
	Data        *Data     `json:"data"`
}

// DeadLetters returns the notifications that were given up since the last call.
func (a *Alerter) DeadLetters() []DeadLetter {
	out := a.dead
	a.dead = nil
	return out
}
