package pipeline

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// People plan by the times that the README gives for a takeover.
func TestReadmeSaysWhenAnotherTakesOver(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "#### High availability\n")
	section, _, _ = strings.Cut(section, "\n### ")
	for _, want := range []string{
		fmt.Sprintf("about %d s later", sessionTimeout/time.Second), fmt.Sprintf("after %d s", sessionTimeout/2/time.Second),
		"`http.advertise_url`", "`http.advertise_tls_config`", "`kafka.brokers`",
	} {
		if !strings.Contains(section, want) {
			t.Errorf("the README's section on high availability does not say %q", want)
		}
	}
}
