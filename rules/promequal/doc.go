// Package promequal holds freshet's rules against Prometheus: pairs of an alerting rule in PromQL and a rule of freshet's
// that say the same must be pending, fire and resolve at the same steps on the same series, those with resets, gaps and
// ends included. Prometheus's side is its own engine, rules and storage, freshet's the detector's two stages. Where the two
// languages mean different things, a test shows both, and rules/README.md says so in a sentence.
//
// The package has tests only. Under the race detector they are left out: there is one goroutine, and Prometheus's engine
// takes minutes.
package promequal
