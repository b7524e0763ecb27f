package alert

import (
	"encoding/json"
	"fmt"
	"time"
)

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

// Encode writes the letter as its Kafka value.
func (l *DeadLetter) Encode() ([]byte, error) {
	b, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("encoding a notification that was given up: %w", err)
	}
	return b, nil
}

// DecodeDeadLetter reads what Encode wrote.
func DecodeDeadLetter(value []byte) (*DeadLetter, error) {
	l := new(DeadLetter)
	if err := json.Unmarshal(value, l); err != nil {
		return nil, fmt.Errorf("decoding a notification that was given up: %w", err)
	}
	if l.ID == "" || l.Data == nil {
		return nil, fmt.Errorf("decoding a notification that was given up: no ID or no data in %d bytes of JSON", len(value))
	}
	return l, nil
}
