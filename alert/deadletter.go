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
	// Data has the first alerts of a large group; Omitted is how many more there were.
	Data    *Data `json:"data"`
	Omitted int   `json:"omitted,omitempty"`
}

// How much of a group a letter holds: so many alerts, fewer where they take more bytes than a topic with Kafka's default
// settings has room for.
const (
	letterAlerts = 100
	letterBytes  = 256 << 10
)

// DeadLetters returns the notifications that were given up since the last call.
func (a *Alerter) DeadLetters() []DeadLetter {
	out := a.dead
	a.dead = nil
	return out
}

// Encode writes the letter as its Kafka value, with as many of its alerts as a letter holds.
func (l *DeadLetter) Encode() ([]byte, error) {
	short, data := *l, Data{}
	if l.Data != nil {
		data = *l.Data
	}
	all := data.Alerts
	short.Data = &data
	for n := min(len(all), letterAlerts); ; n /= 2 {
		data.Alerts, short.Omitted = all[:n], l.Omitted+len(all)-n
		b, err := json.Marshal(&short)
		if err != nil {
			return nil, fmt.Errorf("encoding a notification that was given up: %w", err)
		}
		if len(b) <= letterBytes || n <= 1 {
			return b, nil
		}
	}
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
