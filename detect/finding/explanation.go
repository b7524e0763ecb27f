package finding

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// What an explanation compares with.
const (
	// AgainstMatching are records that the rule's aggregates chose before.
	AgainstMatching = "matching"
	// AgainstAll are all records that the group sent before, where few or none of them matched.
	AgainstAll = "all"
)

// Explanation says what sets the alert's matching records apart: which values of attributes are over-represented among
// them now, against before. It is computed from samples.
type Explanation struct {
	// Now and Before are how many records were compared, and Since the time from which on records count as now.
	Now    int       `json:"now"`
	Before int       `json:"before"`
	Since  time.Time `json:"since"`
	// Against says what those before are: AgainstMatching or AgainstAll.
	Against string `json:"against"`
	// Traits are the values, the most telling first.
	Traits []Trait `json:"traits"`
}

// Trait is a value of an attribute that is over-represented.
type Trait struct {
	Attribute string `json:"attribute"`
	Value     string `json:"value"`
	// Now and Before are the shares of records that have it, 0 to 1; the counts are how many these are.
	Now         float64 `json:"now"`
	Before      float64 `json:"before"`
	NowCount    int     `json:"now_count"`
	BeforeCount int     `json:"before_count"`
	// Also are values of other attributes that the same records have, so that they say the same.
	Also []Attribute `json:"also,omitempty"`
}

// Attribute is a name and its value.
type Attribute struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// String returns the traits in one line, "" when there are none.
func (e *Explanation) String() string {
	if e == nil {
		return ""
	}
	parts := make([]string, len(e.Traits))
	for i, t := range e.Traits {
		parts[i] = t.String()
	}
	return strings.Join(parts, "; ")
}

// String returns the trait as a person reads it: service.version=1.4.2: 92 % now, 3 % before.
func (t Trait) String() string { return t.Name() + ": " + t.Shares() }

// Name returns attribute and value: service.version=1.4.2.
func (t Trait) Name() string { return Attribute{t.Attribute, t.Value}.String() }

// Shares returns the two shares: 92 % now, 3 % before.
func (t Trait) Shares() string {
	return fmt.Sprintf("%s now, %s before", percent(t.Now), percent(t.Before))
}

// String returns name=value, the value in quotes where it would not be read as one.
func (a Attribute) String() string {
	plain := a.Value != "" && !strings.ContainsFunc(a.Value, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r) || strings.ContainsRune(`"=,;`, r)
	})
	if plain {
		return a.Name + "=" + a.Value
	}
	return a.Name + "=" + strconv.Quote(a.Value)
}

// percent rounds a share, but shows neither a few as none nor most as all.
func percent(share float64) string {
	switch p := int(share*100 + 0.5); {
	case p == 0 && share > 0:
		return "under 1 %"
	case p == 100 && share < 1:
		return "over 99 %"
	default:
		return strconv.Itoa(p) + " %"
	}
}
