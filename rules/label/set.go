// Package label holds the one vocabulary that rules, findings and alerts share: sets of labels and the matchers that
// select them.
package label

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// AlertName is the label that holds the name of the rule, as in Prometheus.
const AlertName = "alertname"

// Severity is the label that says how bad it is. A rule with a condition for each of several severities sets it, and its
// alert is known by the other labels.
const Severity = "severity"

// severities are the values of Severity that rules may move between, the least severe first.
var severities = [...]string{"debug", "info", "notice", "low", "minor", "warning", "medium", "error", "high", "major", "critical", "page", "emergency"} //nolint:gochecknoglobals // constant table

// Severities returns the names of severities, the least severe first.
func Severities() []string { return slices.Clone(severities[:]) }

// SeverityRank returns how severe a name is among Severities, -1 for any other text.
func SeverityRank(name string) int { return slices.Index(severities[:], name) }

// Label is one name and its value.
type Label struct{ Name, Value string }

// Set is a set of labels, sorted by name, each name once. The zero value is the empty set.
type Set []Label

// FromMap returns the set of the map's entries. An empty value is left out: it means "no such label", as in Prometheus.
func FromMap(m map[string]string) Set {
	s := make(Set, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if m[name] != "" {
			s = append(s, Label{name, m[name]})
		}
	}
	return s
}

// New returns the set of alternating names and values. It is meant for literals; an odd count ignores the last name.
func New(pairs ...string) Set {
	m := make(map[string]string, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return FromMap(m)
}

// Get returns the value of a name, or "" when the set lacks it.
func (s Set) Get(name string) string {
	i, found := slices.BinarySearchFunc(s, name, func(l Label, n string) int { return strings.Compare(l.Name, n) })
	if !found {
		return ""
	}
	return s[i].Value
}

// Map returns the set as a new map.
func (s Set) Map() map[string]string {
	m := make(map[string]string, len(s))
	for _, l := range s {
		m[l.Name] = l.Value
	}
	return m
}

// With returns a new set in which the labels of other are added; on a shared name other wins.
func (s Set) With(other Set) Set {
	m := s.Map()
	maps.Copy(m, other.Map())
	return FromMap(m)
}

// Only returns the labels of s whose names are given.
func (s Set) Only(names ...string) Set {
	var out Set
	for _, l := range s {
		if slices.Contains(names, l.Name) {
			out = append(out, l)
		}
	}
	return out
}

// Without returns the labels of s whose names are not given.
func (s Set) Without(names ...string) Set {
	var out Set
	for _, l := range s {
		if !slices.Contains(names, l.Name) {
			out = append(out, l)
		}
	}
	return out
}

// Equal says whether both sets have the same labels.
func (s Set) Equal(other Set) bool { return slices.Equal(s, other) }

// Fingerprint identifies a set: equal sets have equal fingerprints in every process and version.
type Fingerprint uint64

// Fingerprint returns the 64-bit xxHash of the set, with a separator that no UTF-8 text contains.
func (s Set) Fingerprint() Fingerprint {
	var d xxhash.Digest
	d.Reset()
	for _, l := range s {
		_, _ = d.WriteString(l.Name)
		_, _ = d.Write([]byte{0xff})
		_, _ = d.WriteString(l.Value)
		_, _ = d.Write([]byte{0xff})
	}
	return Fingerprint(d.Sum64())
}

// String returns the fingerprint as 16 hexadecimal digits.
func (f Fingerprint) String() string {
	s := strconv.FormatUint(uint64(f), 16)
	return strings.Repeat("0", 16-len(s)) + s
}

// MarshalText implements encoding.TextMarshaler with the digits of String.
func (f Fingerprint) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *Fingerprint) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 16, 64)
	*f = Fingerprint(n)
	return err
}

// String returns the set as Prometheus writes it: {a="b", c="d"}.
func (s Set) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, l := range s {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(l.Name)
		b.WriteByte('=')
		b.WriteString(strconv.Quote(l.Value))
	}
	b.WriteByte('}')
	return b.String()
}

// MarshalJSON writes the set as an object.
func (s Set) MarshalJSON() ([]byte, error) { return json.Marshal(s.Map()) }

// UnmarshalJSON reads an object of strings.
func (s *Set) UnmarshalJSON(data []byte) error {
	var m map[string]string
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	*s = FromMap(m)
	return nil
}
