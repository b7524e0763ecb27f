package health

import (
	"maps"
	"strings"
	"testing"
	"time"
)

// only is the limits with all but one trouble switched off.
func only(set func(*Limits)) Limits {
	var l Limits
	set(&l)
	return l
}

func TestBehind(t *testing.T) {
	limits := only(func(l *Limits) { l.Behind = 30 * time.Second })
	w := newWorld(t, limits)
	w.topic("logs", 2)
	w.run(time.Minute)
	// A spike that is caught up with soon is no trouble; one that lasts is.
	w.owner("logs", 1).delay = 40 * time.Second
	w.run(5 * time.Second)
	w.owner("logs", 1).delay = time.Second
	w.run(time.Minute)
	w.expect()
	w.owner("logs", 1).delay = 40 * time.Second
	w.run(time.Minute)
	w.expect("Behind logs firing at 2m19s")
	w.owner("logs", 1).delay = time.Second
	w.run(time.Minute)
	w.expect("Behind logs resolved at 3m19s")
}

func TestBehindWhenNobodyReads(t *testing.T) {
	w := newWorld(t, only(func(l *Limits) { l.Behind = 30 * time.Second }))
	w.topic("logs", 2)
	w.run(time.Minute)
	dead := w.owner("logs", 1)
	delete(w.owners, "logs/1")
	w.run(10 * time.Second) // a rebalance
	w.owners["logs/1"] = dead
	w.run(time.Minute)
	w.expect()
	delete(w.owners, "logs/1")
	w.run(time.Minute)
	if d := w.told[0].Annotations["description"]; !strings.HasPrefix(d, "partition 1 is read by no process") {
		t.Errorf("the description is %q", d)
	}
	w.expect("Behind logs firing at 2m50s")
	w.restart() // another process takes the judging over, knowing that it fires
	w.run(time.Minute)
	w.expect()
	w.owners["logs/1"] = dead
	w.run(time.Minute)
	w.expect("Behind logs resolved at 4m24s")
	// A partition that is added must be taken over by somebody.
	w.counts["logs"] = 3
	w.run(time.Minute)
	w.expect("Behind logs firing at 5m55s")
	w.own("logs", 2)
	w.run(time.Minute)
	w.expect("Behind logs resolved at 6m24s")
}

// What the judge does not see proves nothing: after Kafka was away, or all of freshet, everybody has time to report.
func TestNothingIsToldOfWhatWasNotWatched(t *testing.T) {
	w := newWorld(t, DefaultLimits())
	w.topic("logs", 1)
	sending := w.sends("logs", 0, 10, "pay")
	w.run(30*time.Minute, sending)
	for range 3 {
		w.away = true
		w.run(2 * time.Hour)
		w.away = false
		w.owner("logs", 0).delay = 2 * time.Minute // caught up with at the next report
		w.run(5 * time.Second)
		w.owner("logs", 0).delay = time.Second
		w.run(5*time.Minute, sending)
		w.now = w.now.Add(3 * time.Hour)
		w.restart()
		w.run(5*time.Minute, sending)
	}
	w.expect()
}

func TestSourceStopped(t *testing.T) {
	w := newWorld(t, only(func(l *Limits) { l.SourceStopped = 10 * time.Minute }))
	w.topic("logs", 1)
	w.topic("burst", 1)
	sending := w.sends("logs", 0, 10)
	w.run(5*time.Minute, sending, w.sends("burst", 0, 1000))
	w.run(15*time.Minute, sending)
	w.restart()
	w.run(9 * time.Minute)
	w.expect()
	w.run(3 * time.Minute)
	w.expect("SourceStopped logs firing at 30m3s") // a burst is no source that stopped
	w.restart()
	w.run(time.Hour)
	w.expect()
	w.run(time.Minute, sending)
	w.expect("SourceStopped logs resolved at 1h32m5s")
}

// Silence means nothing while freshet has not read what there is.
func TestSourceIsNotMissedWhileBehind(t *testing.T) {
	w := newWorld(t, only(func(l *Limits) { l.SourceStopped = 10 * time.Minute }))
	w.topic("logs", 1)
	sending := w.sends("logs", 0, 10, "pay")
	w.run(20*time.Minute, sending)
	w.owner("logs", 0).delay = time.Hour
	w.run(2 * time.Hour)
	w.owner("logs", 0).delay = 0
	w.run(5 * time.Minute)
	w.expect()
	w.run(10 * time.Minute)
	w.expect("SourceStopped logs firing at 2h29m59s")
	w.owner("logs", 0).delay = time.Hour
	w.run(time.Hour, sending) // old records, read late
	w.expect()
	w.owner("logs", 0).delay = 0
	w.run(time.Minute, sending)
	w.expect("SourceStopped logs resolved at 3h35m5s")
}

// A source may make three times the longest pause that it is used to; an outage is a habit only when it repeats.
func TestSourceIsKnownByItsPauses(t *testing.T) {
	w := newWorld(t, only(func(l *Limits) { l.SourceStopped = 10 * time.Minute }))
	w.topic("jobs", 1)
	once := func() { w.run(5*time.Second, w.sends("jobs", 0, 1)) }
	every := func(pause time.Duration, times int) {
		for range times {
			once()
			w.run(pause - 5*time.Second)
		}
	}
	every(8*time.Minute, 6)
	w.run(14 * time.Minute) // 22 after the last
	w.expect()
	w.run(3 * time.Minute) // more than three times eight
	w.expect("SourceStopped jobs firing at 1h4m4s")
	every(8*time.Minute, 3)
	w.expect("SourceStopped jobs resolved at 1h5m5s")
	w.run(18 * time.Minute)
	w.expect("SourceStopped jobs firing at 1h45m4s") // the outage was none of its pauses
	every(8*time.Minute, 3)
	w.expect("SourceStopped jobs resolved at 1h47m5s")
	w.run(40 * time.Minute)
	w.expect() // but the second of the same length was
}

func TestServiceStopped(t *testing.T) {
	w := newWorld(t, only(func(l *Limits) { l.SourceStopped = 10 * time.Minute }))
	w.topic("logs", 2)
	w.run(20*time.Minute, w.sends("logs", 0, 10, "pay", "cart"), w.sends("logs", 1, 10, "pay", ""))
	w.run(11*time.Minute, w.sends("logs", 0, 10, "cart"))
	w.expect("SourceStopped logs pay firing at 29m59s")
	w.run(time.Minute, w.sends("logs", 1, 10, "pay"), w.sends("logs", 0, 10, "cart"))
	w.expect("SourceStopped logs pay resolved at 31m5s")
	w.run(20 * time.Minute) // of a topic that is silent the services are not told one by one
	w.expect("SourceStopped logs firing at 41m59s")
	w.step = Interval
	w.run(24 * time.Hour)
	w.expect("SourceStopped logs resolved at 24h32m0s (forgotten)")
}

func TestTopicIsDeleted(t *testing.T) {
	w := newWorld(t, only(func(l *Limits) { l.SourceStopped, l.Behind = 10*time.Minute, 30*time.Second }))
	w.topic("logs", 1)
	w.topic("app.eu", 1) // of a pattern
	w.run(20*time.Minute, w.sends("logs", 0, 10), w.sends("app.eu", 0, 10))
	clear(w.owners)
	w.counts = map[string]int32{"logs": 0} // named: it should be there
	w.run(20 * time.Minute)
	w.expect("SourceStopped logs firing at 29m59s")
	w.counts = map[string]int32{} // no longer in the configuration
	w.own("other", 0)
	w.run(time.Minute)
	w.expect("SourceStopped logs resolved at 40m5s (topic is no longer read)")
	if len(w.kept) != 0 {
		t.Errorf("still kept: %d records", len(w.kept))
	}
}

func TestUndecodable(t *testing.T) {
	w := newWorld(t, only(func(l *Limits) { l.Undecodable, l.SourceStopped = time.Minute, 10*time.Minute }))
	w.topic("logs", 2)
	bad := func() {
		w.owner("logs", 0).next = Report{Undecodable: map[string]uint64{"malformed": 2, "too_large": 1}, Fault: "logs: unexpected end"}
	}
	w.run(5*time.Second, bad) // one that is bad is no trouble
	w.run(10 * time.Minute)
	w.run(2*time.Minute, bad)
	w.expect("Undecodable logs firing at 11m10s")
	w.owner("logs", 1).delay = time.Hour // whether it goes on is not known
	w.run(20 * time.Minute)
	w.owner("logs", 1).delay = 0
	w.restart()
	w.run(10*time.Minute, w.sends("logs", 0, 10))
	w.expect("Undecodable logs resolved at 37m4s")
	w.run(20*time.Minute, bad) // a source that sends only rubbish has not stopped
	w.expect("Undecodable logs firing at 43m10s")
}

func TestLateAndFutureRecords(t *testing.T) {
	w := newWorld(t, only(func(l *Limits) { l.Late, l.ClockAhead = 5*time.Minute, 5*time.Minute }))
	w.topic("logs", 2)
	w.run(10*time.Minute, w.sends("logs", 0, 5000, "pay"), w.sends("logs", 1, 1, "pay late")) // 1 in 5000
	w.expect()
	w.run(4*time.Minute, w.sends("logs", 0, 100, "cart late", "pay"))
	w.expect() // not for long enough
	w.run(3*time.Minute, w.sends("logs", 0, 100, "cart late", "pay"), w.sends("logs", 1, 100, "ship ahead"))
	w.expect("LateRecords logs cart firing at 15m5s")
	w.run(3*time.Minute, w.sends("logs", 0, 100, "cart", "pay"), w.sends("logs", 1, 100, "ship ahead"))
	w.expect("ClockAhead logs ship firing at 19m5s")
	w.run(10*time.Minute, w.sends("logs", 0, 100, "cart", "pay"), w.sends("logs", 1, 100, "ship"))
	w.expect("LateRecords logs cart resolved at 21m4s", "ClockAhead logs ship resolved at 24m4s")
}

func TestRuleMatchesNothing(t *testing.T) {
	w := newWorld(t, only(func(l *Limits) { l.RuleMatchesNothing = time.Hour }))
	w.topic("logs", 2)
	rules := map[string]RuleReport{
		"typo": {Name: "Typo", Group: "shop", Seen: 10},
		"by":   {Name: "By", Group: "shop", Seen: 10, Selected: 10, Unmatched: 3},
		"calm": {Name: "Calm", Seen: 10, Selected: 2},
		"busy": {Name: "Busy", Seen: 10, Selected: 10, Matched: 1, Unmatched: 9},
		"few":  {Name: "Few"},
	}
	each := func() {
		w.owner("logs", 0).next.Rules = maps.Clone(rules)
	}
	w.run(50*time.Minute, each)
	w.restart()
	quiet := func() {
		w.owner("logs", 0).next.Rules = map[string]RuleReport{"typo": {Name: "Typo", Group: "shop"}, "by": {Name: "By", Group: "shop"}}
	}
	w.run(2*time.Hour, quiet) // the source sends nothing: no reason to complain about rules
	w.expect()
	w.run(8*time.Minute, each)
	w.expect()
	w.run(7*time.Minute, each)
	// That what is not urgent is saved now and then only has cost a little of the time.
	w.expect("RuleMatchesNothing By firing at 3h0m23s", "RuleMatchesNothing Typo firing at 3h0m23s")
	rules["by"] = RuleReport{Name: "By", Group: "shop", Seen: 10, Selected: 1, Matched: 1}
	w.run(time.Minute, each)
	w.expect("RuleMatchesNothing By resolved at 3h5m5s")
	delete(rules, "typo")
	w.owner("logs", 1).delay = time.Hour // who knows which rules there are
	w.run(10*time.Minute, each)
	w.expect()
	w.owner("logs", 1).delay = 0
	w.run(2*time.Hour, each) // told once, and a rule that matched once is left alone
	w.expect("RuleMatchesNothing Typo resolved at 3h20m59s (rule removed)")
}

func TestSwitchedOff(t *testing.T) {
	w := newWorld(t, DefaultLimits())
	w.topic("logs", 1)
	delete(w.owners, "logs/0")
	w.run(time.Minute)
	w.expect("Behind logs firing at 45s")
	w.limits = Limits{}
	w.restart()
	w.run(time.Minute)
	w.expect("Behind logs resolved at 1m1s (switched off)")
}

// A source that has become one to be missed is missed, also when the judge dies the moment after.
func TestSourceIsMissedOverARestart(t *testing.T) {
	w := newWorld(t, only(func(l *Limits) { l.SourceStopped = 30 * time.Second }))
	w.topic("logs", 1)
	w.run(38*time.Second, w.sends("logs", 0, 10))
	w.restart()
	w.run(2 * time.Minute)
	w.expect("SourceStopped logs firing at 1m8s")
}
