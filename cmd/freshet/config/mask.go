package config

import (
	"reflect"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/freshet-dev/freshet/alert"
)

// sensitive fits the names of keys whose values may be secrets, where no type says so.
var sensitive = regexp.MustCompile(`(?i)(secret|token|passw|credential|key|url)\w*["']?\s*:`)

// holdsSecret says whether what a type decodes may be a secret: where the key has no effect, nobody knows.
func holdsSecret(t reflect.Type) bool {
	return t.Name() == "Secret" || t == reflect.TypeFor[alert.Unused]()
}

// hide keeps the texts of a node out of the lines that faults show.
func (s *strict) hide(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		s.hidden[n.Line] = append(s.hidden[n.Line], n)
	}
	if n.Kind == yaml.MappingNode {
		for i := 1; i < len(n.Content); i += 2 {
			s.hide(n.Content[i])
		}
		return
	}
	for _, child := range n.Content {
		s.hide(child)
	}
}

// shown returns a line of the file, counted from 1, with stars for secrets.
func (s *strict) shown(line int) string {
	text := []rune(strings.TrimRight(s.lines[line-1], "\r"))
	for _, n := range s.hidden[line] {
		if strings.HasPrefix(n.Value, "${") && strings.HasSuffix(n.Value, "}") && !strings.Contains(n.Value, ":-") {
			continue // the secret is in the environment
		}
		from := min(n.Column-1, len(text))
		length := len(text) - from // unless the value is found as it is
		if before, _, found := strings.Cut(string(text[from:]), n.Value); found {
			from += len([]rune(before))
			length = len([]rune(n.Value))
		}
		for i := range length {
			text[from+i] = '*'
		}
	}
	return string(text)
}
