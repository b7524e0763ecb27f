package pipeline

import (
	"cmp"
	"time"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/chart"
)

// picture draws the chart of an alert for a message, nil when there is nothing to draw.
func picture(a *alert.Alert) ([]byte, error) {
	if a.Chart == nil {
		return nil, nil
	}
	to := a.EndsAt
	if a.Status == "firing" {
		to = time.Time{}
	}
	return chart.PNG(a.Chart, chart.Options{ //nolint:wrapcheck // it says what failed
		Title: cmp.Or(a.Name(), "measure"), Group: a.Labels.Remove([]string{"alertname", "severity"}).String(),
		FiringFrom: a.StartsAt, FiringTo: to,
	})
}
