package expr

import (
	"fmt"
	"strconv"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/operators"
)

// language is the immutable part of the compiler: CEL's environment and the table of functions by name.
type language struct {
	env       *cel.Env
	functions map[string]function
	names     []string // of the functions
	err       error    // an environment that CEL refuses is a bug of ours; each compilation reports it
}

// theLanguage builds the language once: it takes milliseconds, a rule takes microseconds.
var theLanguage = sync.OnceValue(newLanguage) //nolint:gochecknoglobals // an immutable constant that is costly to build

// Names that the resolver puts in the place of fields and attributes, so that one environment serves all rules.
const (
	anyNumber  = "@number"
	anyText    = "@text"
	anyTruth   = "@truth"
	anyDynamic = "@dynamic"
)

// standIn returns the variable of a kind.
func standIn(k kind) string {
	switch k {
	case number:
		return anyNumber
	case text:
		return anyText
	case truth:
		return anyTruth
	default:
		return anyDynamic
	}
}

func newLanguage() *language {
	l := &language{functions: map[string]function{}}
	options := []cel.EnvOption{
		cel.ClearMacros(),
		cel.EnableIdentifierEscapeSyntax(),
		cel.ParserExpressionSizeLimit(maxLength),
		cel.Variable(anyNumber, cel.DoubleType),
		cel.Variable(anyText, cel.StringType),
		cel.Variable(anyTruth, cel.BoolType),
		cel.Variable(anyDynamic, cel.DynType),
	}
	options = append(options, operatorDeclarations()...)
	options = append(options, listDeclarations()...)
	for _, f := range functions() {
		l.functions[f.key()] = f
		if f.own == "" {
			l.names = append(l.names, f.name)
		}
		if f.key() != "has" && f.name != "metric" { // the resolver puts a variable in the place of these
			options = append(options, declare(f))
		}
	}
	env, err := cel.NewCustomEnv(options...)
	if err != nil {
		l.err = fmt.Errorf("building the CEL environment: %w", err)
	}
	l.env = env
	return l
}

// maxLength bounds an expression, in characters; a person writes a hundredth of it.
const maxLength = 10_000

// operatorDeclarations give the operators the types they have here: all numbers are doubles, text is only compared.
func operatorDeclarations() []cel.EnvOption {
	a := cel.TypeParamType("A")
	var options []cel.EnvOption
	binary := func(op, id string, result *cel.Type, args ...*cel.Type) {
		overloads := make([]cel.FunctionOpt, 0, len(args))
		for i, arg := range args {
			overloads = append(overloads, cel.Overload(id+strconv.Itoa(i), []*cel.Type{arg, arg}, result))
		}
		options = append(options, cel.Function(op, overloads...))
	}
	binary(operators.LogicalAnd, "and", cel.BoolType, cel.BoolType)
	binary(operators.LogicalOr, "or", cel.BoolType, cel.BoolType)
	binary(operators.Equals, "equals", cel.BoolType, a)
	binary(operators.NotEquals, "not_equals", cel.BoolType, a)
	binary(operators.Less, "less", cel.BoolType, cel.DoubleType, cel.StringType)
	binary(operators.LessEquals, "less_equals", cel.BoolType, cel.DoubleType, cel.StringType)
	binary(operators.Greater, "greater", cel.BoolType, cel.DoubleType, cel.StringType)
	binary(operators.GreaterEquals, "greater_equals", cel.BoolType, cel.DoubleType, cel.StringType)
	binary(operators.Add, "add", cel.DoubleType, cel.DoubleType)
	binary(operators.Subtract, "subtract", cel.DoubleType, cel.DoubleType)
	binary(operators.Multiply, "multiply", cel.DoubleType, cel.DoubleType)
	binary(operators.Divide, "divide", cel.DoubleType, cel.DoubleType)
	binary(operators.Modulo, "modulo", cel.DoubleType, cel.DoubleType)
	return append(options,
		cel.Function(operators.LogicalNot, cel.Overload("not", []*cel.Type{cel.BoolType}, cel.BoolType)),
		cel.Function(operators.Negate, cel.Overload("negate", []*cel.Type{cel.DoubleType}, cel.DoubleType)),
		cel.Function(operators.Conditional, cel.Overload("conditional", []*cel.Type{cel.BoolType, a, a}, a)),
		cel.Function(operators.In, cel.Overload("in", []*cel.Type{a, cel.ListType(a)}, cel.BoolType)),
	)
}

// declare gives CEL one overload for each number of arguments that f may have.
func declare(f function) cel.EnvOption {
	a := cel.TypeParamType("A")
	celType := func(k kind) *cel.Type {
		switch k {
		case number:
			return cel.DoubleType
		case text:
			return cel.StringType
		case truth:
			return cel.BoolType
		case dynamic:
			return cel.DynType
		default:
			return a
		}
	}
	var overloads []cel.FunctionOpt
	for n := len(f.args) - f.optional; n <= len(f.args); n++ {
		args := make([]*cel.Type, 0, n+1)
		if f.method {
			args = append(args, celType(f.on))
		}
		for _, k := range f.args[:n] {
			args = append(args, celType(k))
		}
		id := f.key() + "_" + strconv.Itoa(n)
		if f.method {
			overloads = append(overloads, cel.MemberOverload(id, args, celType(f.result)))
		} else {
			overloads = append(overloads, cel.Overload(id, args, celType(f.result)))
		}
	}
	return cel.Function(f.key(), overloads...)
}
