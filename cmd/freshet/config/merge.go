package config

import (
	"errors"
	"reflect"

	"go.yaml.in/yaml/v3"
)

// pair is a key of a mapping and its value.
type pair struct {
	key, value *yaml.Node
	// merged says that << brought it in.
	merged bool
}

// pairs returns the keys of a mapping as written, then those that << merges into it: a key that stands there itself wins,
// and of several mappings the first that has it.
func (s *strict) pairs(n *yaml.Node, path string) []pair {
	var out []pair
	var merges []*yaml.Node
	has, seen := map[string]bool{}, map[*yaml.Node]bool{n: true}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Tag == "!!merge" {
			merges = append(merges, n.Content[i+1])
			continue
		}
		out = append(out, pair{key: n.Content[i], value: n.Content[i+1]})
		has[n.Content[i].Value] = true
	}
	for len(merges) > 0 {
		from := merges[0]
		merges = merges[1:]
		if from.Kind == yaml.AliasNode {
			from = from.Alias
		}
		if seen[from] {
			continue // all its keys are there; it may hold itself
		}
		seen[from] = true
		switch from.Kind {
		case yaml.SequenceNode:
			merges = append(append([]*yaml.Node{}, from.Content...), merges...)
		case yaml.MappingNode:
			var inner []*yaml.Node
			for i := 0; i+1 < len(from.Content); i += 2 {
				key := from.Content[i]
				switch {
				case key.Tag == "!!merge":
					inner = append(inner, from.Content[i+1])
				case !has[key.Value]:
					out = append(out, pair{key: key, value: from.Content[i+1], merged: true})
					has[key.Value] = true
				}
			}
			merges = append(inner, merges...)
		default:
			s.fault(path, from, "<< merges a mapping, found "+kindOf(from), "name an anchor, as in <<: *defaults")
		}
	}
	return out
}

// selfDecoding is a type of others that reads itself, by a function that decodes into a plainer one.
type selfDecoding interface {
	UnmarshalYAML(unmarshal func(any) error) error
}

var errTold = errors.New("the fault is told")

// self decodes a type that reads itself; what it asks for is decoded as strictly as all else.
func (s *strict) self(n *yaml.Node, v selfDecoding, path string) {
	before, filled := len(s.faults), len(s.filled)
	err := v.UnmarshalYAML(func(into any) error {
		if s.value(n, reflect.ValueOf(into).Elem(), path); len(s.faults) > before {
			return errTold
		}
		return nil
	})
	if err == nil || errors.Is(err, errTold) {
		return
	}
	message := err.Error()
	if len(s.filled) > filled {
		message = kindOf(n) + " is not valid here" // the error may hold a secret from the environment
	}
	s.undecoded = append(s.undecoded, path)
	s.fault(path, n, message, "")
}
