// Package library holds ready rule files: shop.yaml, which the demo runs, and rules for HTTP services, logs, hosts and
// silence that work on anything that follows OpenTelemetry's semantic conventions. Beside each stand its tests.
package library

import "embed"

// Files are the rule files and their tests, by name.
//
//go:embed *.yaml
var Files embed.FS
