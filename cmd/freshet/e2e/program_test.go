// Package e2e tests freshet as its users have it: the built program as separate processes, real Kafka clients, real
// receivers of notifications. Every test runs on the embedded broker and, when there is one, on real Apache Kafka.
package e2e

import (
	"os"
	"testing"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
