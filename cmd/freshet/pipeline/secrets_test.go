package pipeline_test

import (
	"testing"

	"github.com/freshet-dev/freshet/cmd/freshet/pipeline"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

// The secrets of receivers are for who sends to them: a detector runs, and is reloaded, where they cannot be read.
func TestDetectorNeedsNoSecrets(t *testing.T) {
	t.Parallel()
	r := newRig(t, kafkatest.Embedded(t, broker.Options{}), `
alert:
  route: {receiver: ops}
  receivers:
    - name: ops
      slack_configs: [{token_file: secrets/slack, channel: "#ops"}]
      webhook_configs: [{url: "https://ops.example.org", http_config: {tls_config: {ca_file: secrets/ca}}}]
`, "groups: []")
	r.start(pipeline.Targets{Detect: true})
	if err := r.started[0].Reload(t.Context()); err != nil {
		t.Error(err)
	}
}
