package expr

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"

	"github.com/freshet-dev/freshet/ingest"
)

// Lists are the lists of a rule file by their names: an expression asks `x in lists.name`.
type Lists map[string]*List

// List is a set of values. Asking whether a value is one of them takes the same time however many there are. It does not
// change once it is made.
type List struct {
	texts   map[string]struct{}
	numbers map[float64]struct{}
	// whole are the integers that a double does not hold exactly, rounded what they are as doubles.
	whole   map[int64]struct{}
	rounded map[float64]struct{}
	// truths says whether false and true are among the values.
	truths [2]bool
	// text is the canonical source: equal texts mean equal values, in whatever order they were given.
	text string
}

// mostWritten is of how many values a list is written out in canonical texts; a longer one is named by its hash.
const mostWritten = 10

// NewList returns the list of values, which are texts, numbers, true and false.
func NewList(values []ingest.Value) *List {
	l := &List{texts: map[string]struct{}{}, numbers: map[float64]struct{}{}, whole: map[int64]struct{}{}, rounded: map[float64]struct{}{}}
	written := make([]string, 0, len(values))
	for _, v := range values {
		switch v.Kind {
		case ingest.Int:
			if n := v.Int(); n >= 1<<53 || n <= -1<<53 {
				l.whole[n], l.rounded[float64(n)] = struct{}{}, struct{}{}
				written = append(written, strconv.FormatInt(n, 10))
				continue
			}
			fallthrough
		case ingest.Double:
			x, _ := v.Number()
			l.numbers[x] = struct{}{}
			written = append(written, strconv.FormatFloat(x, 'g', -1, 64))
		case ingest.Bool:
			l.truths[b2i(v.Bool())] = true
			written = append(written, strconv.FormatBool(v.Bool()))
		default:
			s := strings.Clone(v.Str)
			l.texts[s] = struct{}{}
			written = append(written, strconv.Quote(s))
		}
	}
	slices.Sort(written)
	written = slices.Compact(written)
	if l.text = "[" + strings.Join(written, ", ") + "]"; len(written) > mostWritten {
		hash := sha256.Sum256([]byte(l.text))
		l.text = fmt.Sprintf("[%d values, %s]", len(written), hex.EncodeToString(hash[:16]))
	}
	return l
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Names that the resolver puts in the place of lists, as standIn does for single values.
const (
	textList    = "@texts"
	numberList  = "@numbers"
	truthList   = "@truths"
	dynamicList = "@values"
)

func listDeclarations() []cel.EnvOption {
	return []cel.EnvOption{
		cel.Variable(textList, cel.ListType(cel.StringType)),
		cel.Variable(numberList, cel.ListType(cel.DoubleType)),
		cel.Variable(truthList, cel.ListType(cel.BoolType)),
		cel.Variable(dynamicList, cel.ListType(cel.DynType)),
	}
}

// standIn returns the variable that has the type of the list.
func (l *List) standIn() string {
	texts, numbers, truths := len(l.texts) > 0, len(l.numbers)+len(l.whole) > 0, l.truths != [2]bool{}
	switch {
	case texts && !numbers && !truths:
		return textList
	case numbers && !texts && !truths:
		return numberList
	case truths && !texts && !numbers:
		return truthList
	default:
		return dynamicList
	}
}

// holds says what the values are.
func (l *List) holds() string {
	switch l.standIn() {
	case textList:
		return "text"
	case numberList:
		return "numbers"
	default:
		return "other things"
	}
}

// list resolves lists.name to the right of `in`; ok is false when e is no such name.
func (r *resolver) list(e ast.Expr) (ok bool) {
	parts, isName := dotted(e)
	if !isName || parts[0] != "lists" {
		return false
	}
	name := strings.Join(parts[1:], ".")
	found := r.lists[name]
	if name == "" {
		r.fault(r.starts[e.ID()], len("lists"), r.lists.Suggest(name), "this does not say which list")
		return true
	}
	if found == nil {
		r.fault(r.starts[e.ID()], len(strings.Join(parts, ".")), r.lists.Suggest(name), "there is no list `%s`", name)
		return true
	}
	r.refs[e.ID()] = &ref{kind: toList, name: name, list: found}
	e.SetKindCase(r.factory.NewIdent(e.ID(), found.standIn()))
	return true
}

// Suggest returns a hint for a name that none of the lists has.
func (l Lists) Suggest(name string) string {
	names := slices.Sorted(maps.Keys(l))
	switch near := Nearest(name, names); {
	case near != "":
		return "did you mean lists." + near + "?"
	case len(names) > 0:
		return "the lists of this file are " + strings.Join(names, ", ")
	default:
		return "lists stand at the top of the rule file: lists: {" + orElse(name, "name") + ": [a, b]}"
	}
}

// misplacedList reports a list that stands elsewhere than to the right of `in`.
func (r *resolver) misplacedList(parts []string, offset int) bool {
	if len(parts) < 2 || parts[0] != "lists" {
		return false
	}
	name := strings.Join(parts[1:], ".")
	if r.lists[name] == nil {
		return false
	}
	r.fault(offset, len("lists.")+len(name), "as in user.name in lists."+name, "a list can only stand after `in`")
	return true
}

// inList lowers x in lists.name. It says the same as == with each of the values would.
func inList[T any](x operand[T], list *List) operand[T] {
	var tests []func(*T) bool
	o := operand[T]{kind: truth, measured: x.measured, trend: onlyFixed(x.trend)}
	if len(list.texts) > 0 {
		tests = append(tests, textIn(x, list.texts))
	}
	if len(list.numbers)+len(list.whole) > 0 && x.kind != text {
		tests = append(tests, numberIn(x, list))
	}
	if list.truths != [2]bool{} {
		value, truths := x.asValue(), list.truths
		tests = append(tests, func(t *T) bool { v := value(t); return v.Kind == ingest.Bool && truths[b2i(v.Bool())] })
	}
	switch len(tests) {
	case 0:
		o.truth = func(*T) bool { return false }
	case 1:
		o.truth = tests[0]
		if x.folded == nil && len(list.texts) > 0 && len(list.texts) <= mostBound {
			return o.bind(x, slices.Sorted(maps.Keys(list.texts))...)
		}
	default:
		o.truth = func(t *T) bool {
			for _, test := range tests {
				if test(t) {
					return true
				}
			}
			return false
		}
	}
	return o
}

// mostBound is of how many texts a list may be to be a bound: who looks rules up by them keeps all.
const mostBound = 256

func textIn[T any](x operand[T], texts map[string]struct{}) func(*T) bool {
	if x.folded != nil {
		return foldedIn(x, texts)
	}
	in := onlyString(x)
	return func(t *T) bool {
		s, ok := in(t)
		if !ok {
			return false
		}
		_, found := texts[s]
		return found
	}
}

// foldedIn looks for a text in lower or upper case without building it: by a hash of its letters.
func foldedIn[T any](x operand[T], texts map[string]struct{}) func(*T) bool {
	in, folds, letter := x.folded.asText(), x.equalFolds, unicode.ToLower
	if x.upper {
		letter = unicode.ToUpper
	}
	keep := func(r rune) rune { return r }
	byHash := map[uint64][]string{}
	for s := range texts {
		h := letters(s, keep)
		byHash[h] = append(byHash[h], s)
	}
	return func(t *T) bool {
		s, ok := in(t)
		if !ok {
			return false
		}
		for _, want := range byHash[letters(s, letter)] {
			if folds(s, want) {
				return true
			}
		}
		return false
	}
}

// letters hashes the letters of a text, each as a function has it: FNV-1a over code points.
func letters(s string, as func(rune) rune) uint64 {
	h := uint64(14695981039346656037)
	for _, r := range s {
		h = (h ^ uint64(as(r))) * 1099511628211
	}
	return h
}

func numberIn[T any](x operand[T], list *List) func(*T) bool {
	num := x.asNumber()
	if len(list.whole) == 0 {
		return func(t *T) bool { _, found := list.numbers[num(t)]; return found }
	}
	if !isDynamic(x) {
		return func(t *T) bool {
			n := num(t)
			_, found := list.numbers[n]
			_, round := list.rounded[n]
			return found || round
		}
	}
	value := x.value
	return func(t *T) bool {
		v := value(t)
		n := numberOf(v)
		if _, found := list.numbers[n]; found {
			return true
		}
		if v.Kind == ingest.Int {
			_, found := list.whole[v.Int()]
			return found
		}
		_, found := list.rounded[n]
		return found
	}
}
