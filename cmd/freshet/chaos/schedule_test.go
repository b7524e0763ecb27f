package chaos

import (
	"math/rand/v2"
	"time"
)

// The kinds of disturbances.
const (
	kill      = "kill"      // SIGKILL of a detector, which is started again
	pause     = "pause"     // SIGSTOP of a detector, often for longer than its session in the groups lasts
	rebalance = "rebalance" // one more detector comes and goes
	broker    = "broker"    // kill -9 of a broker, which is started again
	cut       = "cut"       // all connections between the detectors and a broker break
	halt      = "halt"      // the same connections carry nothing for a while, then go on or break
	move      = "move"      // the partitions of a topic get other leaders: of records, of groups, of transactions
)

// disturbance is one of a schedule.
type disturbance struct {
	at    time.Duration // since the begin of the load
	kind  string
	who   int           // which detector, broker or topic
	hold  time.Duration // how long until it is mended
	harsh bool          // the rougher of two ways
}

// schedule foretells the disturbances of a seed, one per gap on average: each kind as often as it stands in the bag.
func schedule(seed uint64, length, gap time.Duration) []disturbance {
	rnd := rand.New(rand.NewPCG(seed, 1))
	between := func(from, to time.Duration) time.Duration { return from + time.Duration(rnd.Int64N(int64(to-from))) }
	var out []disturbance
	var bag []string
	for at := gap / 2; at < length; at += between(gap/2, gap*3/2) {
		if len(bag) == 0 {
			bag = []string{kill, pause, rebalance, broker, cut, halt, move, kill, cut, move, halt}
			rnd.Shuffle(len(bag), func(i, j int) { bag[i], bag[j] = bag[j], bag[i] })
		}
		d := disturbance{at: at, kind: bag[0], who: rnd.IntN(1 << 16), harsh: rnd.IntN(2) == 0}
		bag = bag[1:]
		switch d.kind {
		case kill:
			d.hold = between(0, 3*time.Second)
			if d.harsh {
				d.hold = between(11*time.Second, 14*time.Second) // its partitions have gone to others
			}
		case pause:
			d.hold = between(11*time.Second, 15*time.Second)
			if !d.harsh {
				d.hold = between(5*time.Second, 9*time.Second) // longer than a transaction, shorter than a session
			}
		case rebalance:
			d.hold = between(3*time.Second, 10*time.Second)
		case broker:
			d.hold = between(time.Second, 8*time.Second)
		case halt:
			d.hold = between(2*time.Second, 12*time.Second)
		case cut, move:
		}
		out = append(out, d)
	}
	return out
}

// short is a schedule for a minute of tests: one of each kind, in an order of the seed.
func short(seed uint64, length time.Duration) []disturbance {
	rnd := rand.New(rand.NewPCG(seed, 2))
	all := []disturbance{
		{kind: kill, who: 0, hold: time.Second}, {kind: pause, who: 1, hold: 11 * time.Second, harsh: true},
		{kind: rebalance, hold: 4 * time.Second}, {kind: broker, who: rnd.IntN(3), hold: time.Second},
		{kind: cut, who: rnd.IntN(3), harsh: true}, {kind: halt, who: rnd.IntN(3), hold: 3 * time.Second, harsh: true},
		{kind: move, who: 0}, {kind: move, who: 1}, {kind: kill, who: 1, hold: 0},
	}
	rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	gap := length / time.Duration(len(all)+1)
	for i := range all {
		all[i].at = gap * time.Duration(i+1)
	}
	return all
}
