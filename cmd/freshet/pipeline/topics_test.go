package pipeline_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/cmd/freshet/config"
	"github.com/freshet-dev/freshet/cmd/freshet/pipeline"
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
