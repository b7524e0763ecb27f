// Package library holds ready rule files: shop.yaml, which the demo runs, rules for HTTP services, logs, hosts and silence
// that work on anything that follows OpenTelemetry's semantic conventions, and rules for what has metrics or logs of its own,
// such as a runtime, a database or Kubernetes. Beside each stand its tests.
package library

import "embed"

// Files are the rule files and their tests, by name.
//
//go:embed *.yaml
var Files embed.FS
