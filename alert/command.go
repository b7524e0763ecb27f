package alert

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/rules/label"
)

// commandPrefix begins the Kafka keys of commands, which no finding's key has.
const commandPrefix = "command/"

// Kind says what a Command does.
type Kind string

// The kinds of commands.
const (
	// AddSilence adds Silence, or replaces the one of its ID.
	AddSilence Kind = "silence"
	// ExpireSilence ends the silence of SilenceID now.
	ExpireSilence Kind = "expire"
	// SilenceSubject silences what Subject names for Duration.
	SilenceSubject Kind = "silence_subject"
	// Acknowledge says that somebody looks after the alerts of Subject: nobody is reminded of them until they resolve.
	Acknowledge Kind = "acknowledge"
	// Unacknowledge takes that back.
	Unacknowledge Kind = "unacknowledge"
	// MarkNoise says that the alerts of Subject were not worth a message. It is counted for their rules.
	MarkNoise Kind = "noise"
)

// Command is what a person, or a program for one, decides about alerts. Commands are written to the topic of findings, so
// that every instance can take them and the active alerter sees them in one order; the answer is given when they are there.
type Command struct {
	// ID is unique: the same command again changes nothing.
	ID   string    `json:"id"`
	Kind Kind      `json:"kind"`
	At   time.Time `json:"at"`
	// By is who decided, Comment why.
	By      string `json:"by,omitempty"`
	Comment string `json:"comment,omitempty"`
	// Silence is for AddSilence, SilenceID for ExpireSilence, Duration for SilenceSubject, Subject for the other kinds.
	Silence   *Silence      `json:"silence,omitempty"`
	SilenceID string        `json:"silence_id,omitempty"`
	Duration  time.Duration `json:"duration,omitempty"`
	Subject   Subject       `json:"subject,omitzero"`
}

// Subject names alerts: those of a group, by Notification.Group, or some by their fingerprints.
type Subject struct {
	Group        string              `json:"group,omitempty"`
	Fingerprints []label.Fingerprint `json:"fingerprints,omitempty"`
}

func (t Subject) empty() bool { return t.Group == "" && len(t.Fingerprints) == 0 }

// Key is the command's Kafka key.
func (c *Command) Key() []byte { return []byte(commandPrefix + c.ID) }

// IsCommand says whether a record of the topic of findings is a command, by its Kafka key.
func IsCommand(key []byte) bool { return strings.HasPrefix(string(key), commandPrefix) }

// Encode writes the command as its Kafka value.
func (c *Command) Encode() ([]byte, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encoding a command: %w", err)
	}
	return b, nil
}

// DecodeCommand reads what Encode wrote.
func DecodeCommand(value []byte) (*Command, error) {
	c := new(Command)
	if err := json.Unmarshal(value, c); err != nil {
		return nil, fmt.Errorf("decoding a command: %w", err)
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("decoding a command: %w", err)
	}
	return c, nil
}

// Validate says what is missing in the command, nil when nothing is.
func (c *Command) Validate() error {
	switch {
	case c.ID == "":
		return errors.New("it has no id")
	case c.At.IsZero():
		return errors.New("it has no time")
	}
	switch c.Kind {
	case AddSilence:
		if c.Silence == nil {
			return errors.New("the silence is missing")
		}
		return c.Silence.Validate()
	case ExpireSilence:
		if c.SilenceID == "" {
			return errors.New("silence_id is missing")
		}
	case SilenceSubject:
		if c.Duration <= 0 {
			return errors.New("duration: expected more than 0")
		}
		fallthrough
	case Acknowledge, Unacknowledge, MarkNoise:
		if c.Subject.empty() {
			return errors.New("subject is missing: expected a group or fingerprints")
		}
	default:
		return fmt.Errorf("kind %q is not known", c.Kind)
	}
	return nil
}
