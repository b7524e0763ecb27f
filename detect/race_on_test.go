//go:build race

package detect

// raced: the race detector slows the comparisons with oracles by a factor and has nothing to find in them, as they run in
// one goroutine.
const raced = true
