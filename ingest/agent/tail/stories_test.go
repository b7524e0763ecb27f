package tail

import "testing"

func TestStories(t *testing.T) {
	for name, s := range map[string]struct {
		include   []string
		exclude   string
		beginning bool
		story     string
	}{
		"starts at the end": {story: `
			write app.log old
			start
			want
			write app.log new
			tick 1s
			want new`},
		"starts at the beginning": {beginning: true, story: `
			write app.log a b
			start
			want a b`},
		"start at the end passes over the rest of an unfinished line": {story: `
			write app.log old
			part app.log beg
			start
			write app.log un next
			tick 1s
			want next`},
		"a file that appears later is read whole": {story: `
			start
			write app.log a b
			tick 1s
			want a b`},
		"a line counts when its newline is there": {story: `
			start
			part app.log hel
			tick 1s
			want
			part app.log lo
			tick 60s
			want
			write app.log !
			tick 1s
			want hello!`},
		"goes on after a restart": {story: `
			start
			write app.log a
			tick 1s
			stop
			write app.log b c
			start
			want a b c
			stop
			start
			want`},
		"a file that appeared while no process was there is read whole": {story: `
			write app.log old
			start
			stop
			write other.log x y
			start
			want x y`},
		"renamed": {story: `
			start
			write app.log a
			tick 1s
			write app.log b
			rename app.log app.log.1
			write app.log c
			write app.log.1 late
			tick 1s
			want a b late c
			write app.log d
			write app.log.1 later
			tick 1s
			want later d`},
		"renamed within the glob": {include: []string{"app*"}, story: `
			start
			write app.log a
			tick 1s
			rename app.log app.log.1
			write app.log.1 b
			write app.log c
			tick 1s
			want a b c
			rename app.log.1 app.log.2
			rename app.log app.log.1
			write app.log d
			tick 1s
			want d
			stop
			start
			want`},
		"the last line of a file that was rotated away may lack its newline": {story: `
			start
			write app.log a
			part app.log end
			tick 1s
			rename app.log app.log.1
			tick 1s
			want a
			tick 20s
			want
			tick 20s
			want end
			tick 40s
			stop
			start
			want`},
		"deleted": {story: `
			start
			write app.log a
			tick 1s
			write app.log b
			remove app.log
			tick 1s
			want a b
			write app.log c
			tick 1s
			want c`},
		"renamed while no process was there": {story: `
			start
			write app.log a
			tick 1s
			stop
			write app.log b
			rename app.log app.log.1
			write app.log c
			start
			want a b c`},
		"truncated": {story: `
			start
			write app.log a b
			tick 1s
			truncate app.log
			write app.log c
			tick 1s
			want a b c`},
		"truncated and grown beyond between two looks": {story: `
			start
			write app.log a b
			tick 1s
			want a b
			truncate app.log
			write app.log c d e f g
			tick 1s
			want c d e f g`},
		"truncated while no process was there": {story: `
			start
			write app.log a b
			tick 1s
			stop
			truncate app.log
			write app.log c d e f g
			start
			want a b c d e f g`},
		"copied and truncated, the copy outside of the glob": {story: `
			start
			write app.log a b
			tick 1s
			copy app.log app.log.1
			truncate app.log
			write app.log c
			tick 1s
			want a b c`},
		"copied and truncated, the copy inside of the glob": {include: []string{"app*"}, story: `
			start
			write app.log a b
			tick 1s
			want a b
			write app.log rest
			copy app.log app.log.1
			truncate app.log
			write app.log c
			tick 1s
			want rest c
			stop
			start
			want`},
		"a copy that is seen before the truncation waits for it": {include: []string{"app*"}, story: `
			start
			write app.log a b
			tick 1s
			copy app.log app-1.log
			tick 1s
			want a b
			truncate app.log
			tick 1s
			tick 1s
			want
			tick 10s
			want`},
		"copied and truncated while no process was there": {include: []string{"app*"}, story: `
			start
			write app.log a b
			tick 1s
			stop
			write app.log rest
			copy app.log app.log.1
			truncate app.log
			write app.log c
			start
			want a b c rest`},
		"a file that begins like another and is none of its copies": {include: []string{"*.log"}, story: `
			start
			write a.log boot
			tick 1s
			want boot
			write b.log boot
			tick 1s
			want
			tick 2s
			want boot
			write b.log x
			tick 1s
			want x`},
		"lines come again after an outage, in order and once": {story: `
			start
			write app.log a
			tick 1s
			kafka away
			write app.log b
			tick 1s
			rename app.log app.log.1
			write app.log c
			tick 1s
			want a
			kafka back
			tick 1s
			want b c`},
		"an outage over a restart": {story: `
			start
			kafka away
			write app.log a b
			tick 1s
			stop
			kafka back
			start
			want a b`},
		"an outage longer than a rotated file is kept for": {story: `
			start
			write app.log a
			tick 1s
			kafka away
			write app.log b
			rename app.log app.log.1
			tick 1s
			tick 100s
			tick 100s
			want a
			kafka back
			tick 1s
			want b`},
		"excluded": {include: []string{"*.log"}, exclude: "debug*", story: `
			start
			write debug.log a
			write app.log b
			tick 1s
			want b`},
		"folders at any depth": {include: []string{"**/*.log"}, story: `
			start
			mkdir x
			mkdir x/y
			write top.log a
			write x/y/deep.log b
			tick 1s
			want a b`},
		"empty lines and carriage returns": {story: `
			start
			part app.log a` + "\r" + `
			write app.log
			write app.log
			write app.log b
			tick 1s
			want a b`},
	} {
		t.Run(name, func(t *testing.T) {
			if s.include == nil {
				s.include = []string{"*.log"}
			}
			r := newRig(t, s.include...)
			if s.beginning {
				r.source.StartAt = Beginning
			}
			if s.exclude != "" {
				r.source.Exclude = []string{r.path(s.exclude)}
			}
			r.play(s.story)
		})
	}
}
