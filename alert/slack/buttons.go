package slack

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/slack-go/slack"

	"github.com/freshet-dev/freshet/alert"
)

// The buttons' action IDs.
const (
	actAcknowledge   = "freshet_acknowledge"
	actUnacknowledge = "freshet_unacknowledge"
	actSilence       = "freshet_silence"
	actNoise         = "freshet_noise"
	// silenceFor is for how long the button silences.
	silenceFor = time.Hour
)

// buttons are what people can do about a group: the button's value names it. There are none for a group whose name is
// longer than Slack takes.
func buttons(n *alert.Notification) []slack.Block {
	if n.Group == "" || units(n.Group) > maxValue {
		return nil
	}
	button := func(action, text string) *slack.ButtonBlockElement {
		return slack.NewButtonBlockElement(action, n.Group, slack.NewTextBlockObject(slack.PlainTextType, text, false, false))
	}
	first := button(actAcknowledge, "Acknowledge").WithStyle(slack.StylePrimary)
	waits := func(a alert.Alert) bool { return a.Acknowledged == nil }
	if !slices.ContainsFunc(n.Data.Alerts.Firing(), waits) {
		first = button(actUnacknowledge, "Unacknowledge")
	}
	return []slack.Block{slack.NewActionBlock(blockID(n.Integration.Key()), first, button(actSilence, "Silence 1 h"), button(actNoise, "Noise"))}
}

// blockID names the integration, whose users a click is checked against.
func blockID(integration string) string {
	if id := "freshet:" + integration; units(id) <= maxBlockID {
		return id
	}
	sum := sha256.Sum256([]byte(integration))
	return "freshet#" + hex.EncodeToString(sum[:])
}
