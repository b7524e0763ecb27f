package pipeline_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/cmd/freshet/config"
	"github.com/freshet-dev/freshet/cmd/freshet/pipeline"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
	"github.com/freshet-dev/freshet/rules"
)

// The README names every topic of freshet's own, for those who give permissions.
func TestREADMENamesTopics(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join("..", "..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range pipeline.TopicSpecs(config.Default(), nil) {
		if strings.HasPrefix(s.Name, "freshet.") && !strings.Contains(string(readme), "`"+s.Name+"`") {
			t.Errorf("the README does not name %s", s.Name)
		}
	}
}

// A topic that somebody made otherwise than freshet needs it ends the start with what is wrong, all at once.
func TestTopicsOfAnotherShape(t *testing.T) {
	t.Parallel()
	r := newRig(t, kafkatest.Embedded(t, broker.Options{}), "", "groups: []")
	spec := func(name string, partitions int32) kafka.TopicSpec {
		return kafka.TopicSpec{Name: r.prefix + "." + name, Partitions: partitions}
	}
	specs := []kafka.TopicSpec{spec("panes", 4), spec("state", 2), spec("findings", 3), spec("notifications", 1), spec("dead_letter", 2), spec("health", 1), spec("undelivered", 1)}
	if _, err := r.client.CreateTopics(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Kafka.Brokers, cfg.Kafka.Namespace, cfg.Kafka.Topics.Create = r.cluster.Brokers, r.prefix, false
	cfg.HTTP.Listen = "127.0.0.1:0"
	set, _ := rules.ParseFiles(nil)
	p, err := pipeline.New(pipeline.Options{Config: cfg, Rules: set, Targets: pipeline.Targets{Alert: true}, Log: kafkatest.Logger(t), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	err = p.Run(t.Context())
	for _, want := range []string{r.prefix + ".state has 2 partitions, expected 4 as " + r.prefix + ".panes has", r.prefix + ".findings has 3 partitions, expected 1",
		r.prefix + ".decisions is missing", "`freshet topics create`"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the start says %v, expected %s", err, want)
		}
	}
	if err != nil && strings.Contains(err.Error(), "dead_letter") {
		t.Errorf("dead letters may be spread: %v", err)
	}
}
