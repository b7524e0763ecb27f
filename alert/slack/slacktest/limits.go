package slacktest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// problem is why Slack refuses a request: its word, and what is wrong.
type problem struct{ word, what string }

// Error implements error.
func (p *problem) Error() string { return p.word + ": " + p.what }

// Limits of messages. Slack names no number for those of all blocks together, an attachment and metadata: these are below
// what is known to be refused.
const (
	maxBlocks      = 50
	maxAllText     = 11_000
	maxAttachment  = 16_000
	maxMetadata    = 4_000
	maxMessageText = 40_000
)

type object struct {
	Type      string            `json:"type"`
	Text      json.RawMessage   `json:"text"`
	BlockID   string            `json:"block_id"`
	ActionID  string            `json:"action_id"`
	Value     string            `json:"value"`
	URL       string            `json:"url"`
	Style     string            `json:"style"`
	Elements  []json.RawMessage `json:"elements"`
	Fields    []json.RawMessage `json:"fields"`
	AltText   string            `json:"alt_text"`
	Accessory json.RawMessage   `json:"accessory"`
}

// checker counts what a message holds.
type checker struct {
	all int // text of all blocks
	ids map[string]bool
}

// Check returns why Slack refuses a message, nil when it takes it.
func (m *Message) Check() error {
	if p := m.check(); p != nil {
		return p
	}
	return nil
}

// check returns why Slack refuses a message, nil when it takes it.
func (m *Message) check() *problem {
	c := checker{ids: map[string]bool{}}
	var blocks []json.RawMessage
	if len(m.Blocks) > 0 {
		if err := json.Unmarshal(m.Blocks, &blocks); err != nil {
			return &problem{"invalid_blocks_format", err.Error()}
		}
	}
	count := len(blocks)
	if p := c.blocks(blocks, "blocks"); p != nil {
		return p
	}
	var attachments []struct {
		Blocks      []json.RawMessage
		Title, Text string
		Pretext     string
		Fallback    string
		Color       string
		Fields      []struct{ Title, Value string }
	}
	if len(m.Attachments) > 0 {
		if err := json.Unmarshal(m.Attachments, &attachments); err != nil {
			return &problem{"invalid_attachments", err.Error()}
		}
	}
	if len(attachments) > 100 {
		return &problem{"too_many_attachments", "over 100"}
	}
	if n := plainSize(m.Attachments); n > maxAttachment {
		return &problem{"attachment_payload_limit_exceeded", fmt.Sprintf("%d bytes", n)}
	}
	for i, a := range attachments {
		count += len(a.Blocks)
		if p := c.blocks(a.Blocks, fmt.Sprintf("attachments/%d/blocks", i)); p != nil {
			p.word = strings.Replace(p.word, "invalid_blocks", "invalid_attachments", 1)
			return p
		}
	}
	switch {
	case m.Text == "" && len(blocks) == 0 && len(attachments) == 0:
		return &problem{"no_text", "nothing to show"}
	case count > maxBlocks:
		return &problem{"invalid_blocks", fmt.Sprintf("%d blocks", count)}
	case c.all > maxAllText:
		return &problem{"msg_blocks_too_long", fmt.Sprintf("%d characters in all blocks", c.all)}
	case length(m.Text) > maxMessageText:
		return &problem{"msg_too_long", fmt.Sprintf("%d characters", length(m.Text))}
	case !utf8.ValidString(m.Text):
		return &problem{"invalid_arguments", "the text is not UTF-8"}
	}
	return nil
}

// plainSize is the size of JSON without what an encoder escapes for the sake of HTML.
func plainSize(raw json.RawMessage) int {
	const escape = len(`\u003c`)
	n := len(raw)
	for _, escaped := range []string{`\u003c`, `\u003e`, `\u0026`} {
		n -= bytes.Count(raw, []byte(escaped)) * (escape - 1)
	}
	return n
}

// length is the larger of what "characters" may mean, bytes aside.
func length(s string) (n int) {
	for _, r := range s {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}

func (c *checker) blocks(blocks []json.RawMessage, at string) *problem {
	for i, raw := range blocks {
		here := fmt.Sprintf("%s/%d", at, i)
		var b object
		if err := json.Unmarshal(raw, &b); err != nil {
			return &problem{"invalid_blocks", here + ": " + err.Error()}
		}
		if p := c.block(&b, here); p != nil {
			return p
		}
	}
	return nil
}

func (c *checker) block(b *object, at string) *problem {
	if length(b.BlockID) > 255 {
		return &problem{"invalid_blocks", at + ": block_id over 255"}
	}
	if b.BlockID != "" && c.ids[b.BlockID] {
		return &problem{"invalid_blocks", at + ": block_id stands twice"}
	}
	c.ids[b.BlockID] = true
	switch b.Type {
	case "header":
		return c.text(b.Text, at, 150, "plain_text")
	case "section":
		if len(b.Text) == 0 && len(b.Fields) == 0 {
			return &problem{"invalid_blocks", at + ": neither text nor fields"}
		}
		if len(b.Fields) > 10 {
			return &problem{"invalid_blocks", at + ": over 10 fields"}
		}
		for _, f := range b.Fields {
			if p := c.text(f, at, 2000, "mrkdwn", "plain_text"); p != nil {
				return p
			}
		}
		if len(b.Text) == 0 {
			return nil
		}
		return c.text(b.Text, at, 3000, "mrkdwn", "plain_text")
	case "context":
		if len(b.Elements) == 0 || len(b.Elements) > 10 {
			return &problem{"invalid_blocks", fmt.Sprintf("%s: %d elements", at, len(b.Elements))}
		}
		for _, e := range b.Elements {
			if p := c.text(e, at, 3000, "mrkdwn", "plain_text"); p != nil {
				return p
			}
		}
		return nil
	case "actions":
		return c.actions(b, at)
	case "divider":
		return nil
	default:
		return &problem{"invalid_blocks", at + ": unsupported type: " + b.Type}
	}
}

func (c *checker) actions(b *object, at string) *problem {
	if len(b.Elements) == 0 || len(b.Elements) > 25 {
		return &problem{"invalid_blocks", fmt.Sprintf("%s: %d elements", at, len(b.Elements))}
	}
	seen := map[string]bool{}
	for _, raw := range b.Elements {
		var e object
		if err := json.Unmarshal(raw, &e); err != nil {
			return &problem{"invalid_blocks", at + ": " + err.Error()}
		}
		switch {
		case e.Type != "button":
			return &problem{"invalid_blocks", at + ": element of type " + e.Type}
		case length(e.ActionID) > 255 || e.ActionID != "" && seen[e.ActionID]:
			return &problem{"invalid_blocks", at + ": action_id too long or twice"}
		case length(e.Value) > 2000:
			return &problem{"invalid_blocks", at + ": value over 2000"}
		case length(e.URL) > 3000:
			return &problem{"invalid_blocks", at + ": url over 3000"}
		case e.Style != "" && e.Style != "primary" && e.Style != "danger":
			return &problem{"invalid_blocks", at + ": style " + e.Style}
		}
		seen[e.ActionID] = true
		if p := c.text(e.Text, at, 75, "plain_text"); p != nil {
			return p
		}
	}
	return nil
}

func (c *checker) text(raw json.RawMessage, at string, limit int, types ...string) *problem {
	var t struct{ Type, Text string }
	if err := json.Unmarshal(raw, &t); err != nil {
		return &problem{"invalid_blocks", at + ": " + err.Error()}
	}
	n := length(t.Text)
	c.all += n
	switch {
	case !slices.Contains(types, t.Type):
		return &problem{"invalid_blocks", at + ": text of type " + t.Type}
	case n == 0:
		return &problem{"invalid_blocks", at + ": must be more than 0 characters"}
	case n > limit:
		return &problem{"invalid_blocks", fmt.Sprintf("%s: must be less than %d characters, has %d", at, limit+1, n)}
	}
	return nil
}

func checkMetadata(raw json.RawMessage) *problem {
	if len(raw) == 0 {
		return nil
	}
	var m struct {
		EventType    string         `json:"event_type"`
		EventPayload map[string]any `json:"event_payload"`
	}
	switch err := json.Unmarshal(raw, &m); {
	case err != nil || m.EventType == "" || m.EventPayload == nil:
		return &problem{"invalid_metadata_format", "event_type and event_payload are needed"}
	case len(raw) > maxMetadata:
		return &problem{"metadata_too_large", fmt.Sprintf("%d bytes", len(raw))}
	}
	return nil
}
