//go:build race

package harness

// Race says whether tests run under the race detector. Then the program does too.
const Race = true
