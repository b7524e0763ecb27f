package detect

import "github.com/freshet-dev/freshet/ingest"

// index finds the rules that a record may belong to: a rule whose `where` requires that an attribute is one of some texts
// costs nothing for records in which it is another.
type index struct {
	unbound []*tally
	names   []*boundTallies
	found   [][]*tally // reused
}

// boundTallies are the rules that are bound by one name.
type boundTallies struct {
	name  string
	value func(*ingest.Record) (string, bool)
	texts map[string][]*tally
}

func (x *index) add(t *tally) {
	if len(t.rule.Bounds) == 0 {
		x.unbound = append(x.unbound, t)
		return
	}
	bound := t.rule.Bounds[0]
	var of *boundTallies
	for _, n := range x.names {
		if n.name == bound.Name {
			of = n
		}
	}
	if of == nil {
		of = &boundTallies{name: bound.Name, value: bound.Value, texts: map[string][]*tally{}}
		x.names = append(x.names, of)
	}
	for _, text := range bound.Texts {
		of.texts[text] = append(of.texts[text], t)
	}
}

// find returns the rules that a record may belong to, each once. The result is valid until the next call.
func (x *index) find(r *ingest.Record) [][]*tally {
	x.found = append(x.found[:0], x.unbound)
	for _, n := range x.names {
		if text, ok := n.value(r); ok {
			x.found = append(x.found, n.texts[text])
		}
	}
	return x.found
}
