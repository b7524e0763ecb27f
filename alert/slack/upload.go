package slack

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/slack-go/slack"

	"github.com/freshet-dev/freshet/alert"
)

// chart puts a picture of the first new alert that has one into the thread. It needs the scope files:write.
func (c *channel) chart(ctx context.Context, at ref, n *alert.Notification) {
	if c.n.options.Chart == nil {
		return
	}
	for i := range n.Data.Alerts {
		a := &n.Data.Alerts[i]
		if a.Chart == nil || a.Status != firing || !a.New {
			continue
		}
		png, err := c.n.options.Chart(a)
		if err != nil {
			c.n.options.Log.WarnContext(ctx, "an alert's chart cannot be drawn", "alert", a.Name(), "error", err)
			return
		}
		if len(png) == 0 {
			return
		}
		title := plain(headline(*a), 200)
		// That it fails is logged once: the message stands without.
		err = c.upload(ctx, at, file{name: "chart.png", title: title, alt: plain("Chart of "+title, 250), content: png})
		if err != nil && ctx.Err() == nil {
			c.n.complain(ctx, "file", err)
		}
		return
	}
}

// file is what is uploaded into a thread.
type file struct {
	name, title, alt string
	snippet          string // the kind of a text
	content          []byte
	urgent           bool // it goes before what can wait
}

// upload puts a file into a thread.
func (c *channel) upload(ctx context.Context, at ref, f file) error {
	var place *slack.GetUploadURLExternalResponse
	err := c.read(ctx, "files.getUploadURLExternal", func(ctx context.Context) (_ time.Duration, err error) {
		place, err = c.api.GetUploadURLExternalContext(ctx, slack.GetUploadURLExternalParameters{FileName: f.name, FileSize: len(f.content),
			AltTxt: f.alt, SnippetType: f.snippet})
		return limited(err)
	})
	if err != nil {
		return err
	}
	err = c.read(ctx, "upload", func(ctx context.Context) (time.Duration, error) {
		return limited(c.api.UploadToURL(ctx, slack.UploadToURLParameters{UploadURL: place.UploadURL, Reader: bytes.NewReader(f.content), Filename: f.name}))
	})
	if err != nil {
		return fmt.Errorf("uploading %s: %w", f.name, err)
	}
	here := &channel{n: c.n, api: c.api, token: c.token, name: at.channel}
	return here.write(ctx, "files.completeUploadExternal", f.urgent, func(ctx context.Context) (time.Duration, error) {
		_, err := c.api.CompleteUploadExternalContext(ctx, slack.CompleteUploadExternalParameters{
			Files: []slack.FileSummary{{ID: place.FileID, Title: f.title}}, Channel: at.channel, ThreadTimestamp: at.timestamp})
		return limited(err)
	})
}
