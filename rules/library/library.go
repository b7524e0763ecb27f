// Package library holds ready rule files: shop.yaml, which the demo runs, and rules for services, hosts, logs and much else
// that work on anything that follows OpenTelemetry's semantic conventions. Beside each stand its tests; README.md, which is
// written from the files, tells what is in them.
package library

import "embed"

// Files are the rule files and their tests, by name.
//
//go:embed *.yaml
var Files embed.FS
