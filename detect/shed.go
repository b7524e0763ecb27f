package detect

import "slices"

// Shed lets go of what the accumulator keeps only to save work: interned groups and the panes of them that are open, whose
// deltas are written, and memory for reuse. It changes nothing of what is counted. It is called after Take, before the
// next Add.
func (a *Accumulator) Shed() {
	for _, t := range a.tallies {
		if len(t.dirty) == 0 {
			t.groups, t.dirty, t.free = map[string]*tallyGroup{}, nil, nil
		}
	}
	for p := range a.bodies {
		if len(a.bodies[p]) == 0 {
			a.bodies[p], a.blocks[p] = nil, nil
		}
	}
}

// Shed gives back the room that groups left behind which are gone. It changes nothing of what is held.
func (e *Evaluator) Shed() {
	for _, r := range e.rules {
		if cap(r.list) <= 2*len(r.list)+64 || e.unsettled {
			continue
		}
		r.list = slices.Clone(r.list)
		r.groups = make(map[string]*group, len(r.list))
		for _, g := range r.list {
			r.groups[g.key] = g
		}
		r.changed = slices.Clone(r.changed)
	}
}
