//go:build race

package ruletest

// raced: the race detector slows runs by a factor and has nothing to find in them, as they are in one goroutine.
const raced = true
