package expr

import (
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules/label"
)

// Role is what an expression is to its rule.
type Role uint8

// The roles.
const (
	RoleLet   Role = iota + 1 // a named measure
	RoleWhen                  // the condition, or one severity's
	RoleUntil                 // what ends it
	RoleValue                 // what the rule reports
)

// Part is one expression of a rule about measures.
type Part struct {
	Role Role
	// Name is that of a let, or the severity; "" for a plain `when`, `until` and `value`.
	Name, Source string
}

// Key returns the key of a rule under which the part stands.
func (p Part) Key() string {
	switch p.Role {
	case RoleLet:
		return "let"
	case RoleUntil:
		return "until"
	case RoleValue:
		return "value"
	default:
		return "when"
	}
}

// place names the part in messages.
func (p Part) place() string { return "`" + p.Key() + "`" }

var letPattern = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// let is a checked let.
type let struct {
	name    string
	checked *checked
	size    int
}

// mostParts bounds an expression, with all that its names stand for: lets that use others twice double at each step.
const mostParts = 10_000

// size returns of how many parts an expression is made.
func (c *checked) size() int {
	n := 0
	ast.PreOrderVisit(c.root, ast.NewExprVisitor(func(e ast.Expr) {
		n++
		if to := c.refs[e.ID()]; to != nil && to.kind == toLet {
			n += to.let.size
		}
	}))
	return n
}

// CompileCondition compiles a rule's `when`. The result is nil when there are faults.
func CompileCondition(source string, o Options) (*Program, Faults) {
	p, faults := Compile([]Part{{Role: RoleWhen, Source: source}}, o)
	return p, faults[0]
}

// Compile compiles all that a rule says about measures and splits it into the aggregates that panes keep and the closures
// that judge a window. A let may use those before it. The faults are those of each part; with any, the result is nil.
func Compile(parts []Part, o Options) (*Program, []Faults) {
	b := builder{options: o, program: &Program{}, faults: make([]Faults, len(parts)), trend: rising, checked: map[int]*checked{}}
	if o.Records {
		b.trend = unknown
		b.program.Conditions = []Condition{{Holds: func(*Frame) bool { return false }}}
	}
	for _, role := range []Role{RoleLet, RoleWhen, RoleUntil, RoleValue} {
		for i, part := range parts {
			if part.Role == role {
				b.faults[i] = b.add(i, part)
			}
		}
	}
	if slices.ContainsFunc(b.faults, func(f Faults) bool { return len(f) > 0 }) {
		return nil, b.faults
	}
	p := b.finish()
	p.Doubts = b.doubts(parts)
	return p, b.faults
}

// doubts returns what is odd about each part, nil when nothing is.
func (b *builder) doubts(parts []Part) []Faults {
	var out []Faults
	add := func(i int, found Faults) {
		if len(found) > 0 && out == nil {
			out = make([]Faults, len(parts))
		}
		if len(found) > 0 {
			out[i] = append(out[i], found...)
		}
	}
	conditions := map[int]*checked{}
	for i, part := range parts {
		c := b.checked[i]
		switch part.Role {
		case RoleWhen, RoleUntil:
			add(i, conditionDoubts(c, part.Role))
		default:
			d := &doubts{checked: c}
			d.filters(c.root)
			add(i, inOrder(d.found))
		}
		if part.Role == RoleWhen && part.Name != "" {
			conditions[i] = c
		}
	}
	for i, found := range severityDoubts(parts, conditions) {
		add(i, found)
	}
	return out
}

// builder collects the parts of a rule.
type builder struct {
	options Options
	program *Program
	lets    []let
	texts   []string // canonical, of all that decides a state
	faults  []Faults
	trend   trend
	judged  []int            // reads of the conditions
	asked   []int            // models of the conditions
	checked map[int]*checked // by the index of the part
}

// add compiles one part.
func (b *builder) add(i int, part Part) Faults {
	if f := b.name(part); f != nil {
		return Faults{*f}
	}
	faults := b.compile(i, part)
	if len(faults) > 0 && part.Role == RoleLet {
		b.lets = append(b.lets, let{name: part.Name}) // others may use the name: it is there, though faulty
	}
	return faults
}

func (b *builder) compile(i int, part Part) Faults {
	c, faults := check(part.Source, b.options.Signal, measureSide, names{b.options.By, b.lets, b.options.Lists})
	if faults != nil {
		return faults
	}
	b.checked[i] = c
	size := c.size()
	if size > mostParts {
		return Faults{{Offset: c.starts[c.root.ID()], Length: 1, Message: "with what its names stand for this is too long", Hint: "use each name of let: less often"}}
	}
	if part.Role == RoleWhen || part.Role == RoleUntil {
		if faults := c.mustBe(truth, part.place()); faults != nil {
			return faults
		}
	}
	var choices []choice
	var reads, models []int
	cc := &conditionCompiler{checked: c, options: b.options, program: b.program, choices: &choices, reads: &reads, models: &models}
	cc.begin()
	whole := cc.lowering.lower(c.root)
	if len(c.faults) == 0 && !whole.measured && part.Role != RoleLet {
		hint := "as in " + exampleCondition(b.options.Signal)
		c.fault(c.starts[c.root.ID()], 1, hint, "%s has no aggregate, so it judges nothing", part.place())
	}
	if part.Role == RoleValue && c.kindOf(c.root) != number && c.kindOf(c.root) != dynamic {
		c.fault(c.starts[c.root.ID()], 1, "as in "+exampleValue(b.options.Signal), "`value` needs a number, and this is %s", speakKind(c.kindOf(c.root)))
	}
	if len(c.faults) > 0 {
		return inOrder(c.faults)
	}
	if part.Role == RoleWhen || part.Role == RoleUntil {
		b.asked = append(b.asked, models...)
	}
	switch text := c.canonical(c.root); part.Role {
	case RoleLet:
		b.lets = append(b.lets, let{part.Name, c, size})
		b.program.Lets = append(b.program.Lets, Let{part.Name, whole.asNumber()})
	case RoleWhen:
		b.trend = joint(b.trend, whole.trend)
		b.judged = append(b.judged, reads...)
		condition := Condition{Severity: part.Name, Source: part.Source, Holds: whole.asTruth()}
		condition.choose(choices)
		b.program.Conditions = append(b.program.Conditions, condition)
		b.texts = append(b.texts, strings.TrimPrefix(part.Name+": "+text, ": "))
	case RoleUntil:
		b.texts = append(b.texts, strings.TrimSuffix("until "+part.Name, " ")+": "+text)
		b.judged = append(b.judged, reads...)
		for i := range b.program.Conditions {
			if condition := &b.program.Conditions[i]; part.Name == "" || condition.Severity == part.Name {
				condition.Until = whole.asTruth()
			}
		}
	case RoleValue:
		if b.options.Records {
			b.texts = append(b.texts, "value: "+text)
			b.judged = append(b.judged, reads...)
			b.program.Conditions[0].Source = part.Source
		}
		for i := range b.program.Conditions {
			b.program.Conditions[i].report(whole, text)
		}
	}
	return nil
}

// report makes a measure the value of the condition. A threshold stays only beside what is compared with it.
func (c *Condition) report(value operand[Frame], text string) {
	c.Value, c.Unit, c.scored = value.asNumber(), value.unit, value.scored
	if c.text != text {
		c.Threshold = nil
	}
	c.text = text
}

// name checks the name of a part.
func (b *builder) name(part Part) *Fault {
	fault := func(message, hint string) *Fault {
		return &Fault{Length: 1, Message: message, Hint: hint, Name: true}
	}
	switch part.Role {
	case RoleLet:
		l := theLanguage()
		taken := slices.ContainsFunc(b.options.By, func(k Key) bool { return k.Label == part.Name || k.Text == part.Name })
		_, isFunction := l.functions[part.Name]
		switch {
		case !letPattern.MatchString(part.Name):
			return fault("`"+part.Name+"` is no name for a measure: letters, digits and _, and no digit first", "write "+LabelName(part.Name))
		case taken:
			return fault("`"+part.Name+"` is a name of by: already", "choose another name")
		case isFunction:
			return fault("`"+part.Name+"` is the name of a function", "choose another name")
		}
	case RoleWhen:
		if severities := label.Severities(); part.Name != "" && label.SeverityRank(part.Name) < 0 {
			hint := "they are " + strings.Join(severities, ", ")
			if near := Nearest(part.Name, severities); near != "" {
				hint = "did you mean " + near + "?"
			}
			return fault("`"+part.Name+"` is no severity", hint)
		}
	case RoleUntil:
		known := func(c Condition) bool { return c.Severity == part.Name }
		if part.Name != "" && len(b.program.Conditions) > 0 && !slices.ContainsFunc(b.program.Conditions, known) {
			return fault("`until` has "+part.Name+", and `when` has no such severity", "")
		}
	default:
	}
	return nil
}

// expect finds the model that knows what a condition's value should be.
func (p *Program) expect(c *Condition) {
	if s := c.scored; s != nil {
		c.Expects = &Expectation{Model: s.model, Subject: s.subject, Unit: s.unit}
		return
	}
	i := slices.IndexFunc(p.Models, func(m Model) bool {
		return (m.Kind == Band || m.Kind == ZScore || m.Kind == Outlier) && m.of != "" && m.of == c.text
	})
	if i >= 0 {
		c.Expects = &Expectation{Model: i}
	}
}

// finish puts the conditions in order and says what holds for all of them.
func (b *builder) finish() *Program {
	p := b.program
	for i, m := range p.Models {
		if !slices.Contains(b.asked, i) { // a model has a state, be it only shown
			b.texts = append(b.texts, "shown: "+m.Text)
		}
	}
	slices.SortStableFunc(p.Conditions, func(x, y Condition) int {
		return label.SeverityRank(x.Severity) - label.SeverityRank(y.Severity)
	})
	for i := range p.Conditions {
		p.expect(&p.Conditions[i])
	}
	slices.Sort(b.texts) // a plain when is one text
	p.Text = strings.Join(b.texts, "\n")
	p.Monotone = b.trend == rising
	p.ZeroOnEmpty = !slices.ContainsFunc(b.judged, func(i int) bool {
		switch p.Reads[i].Stat {
		case StatCount, StatRate, StatSum, StatDistinct, StatAbsent, StatBefore, StatFresh:
			return false
		default:
			return true
		}
	})
	return p
}

// begin makes the lowering of the expression in hand.
func (c *conditionCompiler) begin() {
	c.lowering = &lowering[Frame]{checked: c.checked, leaf: c.leaf, call: c.call, compared: c.compared}
}

// exampleValue returns a measure of a signal that is right, for hints.
func exampleValue(signal ingest.Signal) string {
	condition := exampleCondition(signal)
	return condition[:strings.LastIndex(condition, " > ")]
}
