package health

import "time"

// lag follows how long a topic has been behind, or not.
type lag struct{ above, below time.Duration }

// settle is how long a topic must be behind, or no longer, before either counts: catching up within this is no trouble.
const settle = 10 * time.Second

func (l *lag) watch(behind bool, elapsed time.Duration) {
	if behind {
		l.above, l.below = l.above+elapsed, 0
	} else {
		l.above, l.below = 0, l.below+elapsed
	}
}

// cadence follows how a source sends. All its times are watched ones.
type cadence struct {
	// Life is the time since the first record, Silent that since the last.
	Life   time.Duration `json:"life"`
	Silent time.Duration `json:"silent"`
	// Pause is the longest that it is used to make, Outage the last one that was told.
	Pause  time.Duration `json:"pause"`
	Outage time.Duration `json:"outage,omitempty"`
}

const (
	// forgetAfter is how long a source is silent until it is forgotten; one that makes longer pauses than longPause is
	// not judged.
	forgetAfter = 24 * time.Hour
	longPause   = forgetAfter / 6
	patience    = 3 // times its longest pause
)

// sent says that records came. What was told as an outage becomes a habit when it repeats.
func (c *cadence) sent(told bool) {
	switch {
	case !told:
		c.Pause = max(c.Pause, c.Silent)
	case c.Outage > 0 && c.Silent < 2*c.Outage:
		c.Pause = max(c.Pause, min(c.Silent, c.Outage))
		c.Outage = c.Silent
	default:
		c.Outage = c.Silent
	}
	c.Silent = 0
}

func (c *cadence) watch(elapsed time.Duration) {
	c.Life += elapsed
	c.Silent += elapsed
}

// allowed returns how long the source may be silent; ok is false when it has not been sending for long enough to tell.
func (c *cadence) allowed(limit time.Duration) (allowed time.Duration, ok bool) {
	if c.Life-c.Silent < limit || c.Pause > longPause {
		return 0, false
	}
	return max(limit, patience*c.Pause), true
}

// spell follows records that should not be: how long they have been coming, and what part of all they are.
type spell struct {
	// Lasted is the time from the first to the last of them, Quiet that since the last.
	Lasted time.Duration `json:"lasted"`
	Quiet  time.Duration `json:"quiet"`
	// Minutes are the counts of the last minutes, the present one first, which began Phase ago.
	Minutes [spellMinutes]minute `json:"minutes"`
	Phase   time.Duration        `json:"phase"`
}

type minute struct {
	Bad uint64 `json:"bad"`
	All uint64 `json:"all"`
}

// spellMinutes is how far back shares are computed, and how many minutes without a bad record end a spell.
const spellMinutes = 5

func (s *spell) add(bad, all uint64) {
	s.Minutes[0].Bad += bad
	s.Minutes[0].All += all
	if bad > 0 {
		s.Lasted, s.Quiet = s.Lasted+s.Quiet, 0
	}
}

func (s *spell) watch(elapsed time.Duration) {
	s.Quiet += elapsed
	for s.Phase += elapsed; s.Phase >= time.Minute; s.Phase -= time.Minute {
		copy(s.Minutes[1:], s.Minutes[:spellMinutes-1])
		s.Minutes[0] = minute{}
	}
}

// over says that no bad record came for long enough.
func (s *spell) over() bool { return s.Quiet >= spellMinutes*time.Minute }

// counts returns the bad records of the last minutes and their part of all.
func (s *spell) counts() (bad uint64, share float64) {
	var all uint64
	for _, m := range s.Minutes {
		bad += m.Bad
		all += m.All
	}
	if all == 0 {
		return bad, 0
	}
	return bad, float64(bad) / float64(all)
}

// match follows whether a rule matches anything at all.
type match struct {
	// Rule and Group name it. Topic is one that it reads.
	Rule  string `json:"rule"`
	Group string `json:"group"`
	Topic string `json:"topic"`
	// Watched is how long its source has been sending, Records how many it sent.
	Watched time.Duration `json:"watched"`
	Records uint64        `json:"records"`
	// What the rule made of them. Once it has matched any it is not looked at again.
	Selected  bool `json:"selected,omitempty"`
	Matched   bool `json:"matched,omitempty"`
	Unmatched bool `json:"unmatched,omitempty"`

	idle    time.Duration // since the source sent
	unheard time.Duration // since the rule was told of
}

const (
	// fewRecords say nothing about a rule.
	fewRecords = 100
	// sending is how long after its last record a source counts as sending; rules are told of once a minute.
	sending = 90 * time.Second
	// removed is how long after it was told of last a rule counts as removed.
	removed = 5 * time.Minute
)

// fruitful says whether something passes `where`, and something of what the rule counts has what `by` names. A rule that
// counts nothing of what passes is as quiet as it should be.
func (m *match) fruitful() bool { return m.Selected && (m.Matched || !m.Unmatched) }

func (m *match) watch(elapsed time.Duration) {
	if !m.fruitful() && m.Records > 0 && m.idle < sending {
		m.Watched += elapsed
	}
	m.idle += elapsed
	m.unheard += elapsed
}
