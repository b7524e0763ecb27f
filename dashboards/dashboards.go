// Package dashboards builds freshet's Grafana dashboard over its own Prometheus metrics. The JSON beside it is what
// Grafana is given, and is written anew by go generate.
package dashboards

import (
	"encoding/json"
	"fmt"
)

//go:generate go test -count=1 -run TestFilesAreUpToDate -update .

// Dashboard is a Grafana dashboard, in the part of its schema that is used here.
type Dashboard struct {
	UID           string     `json:"uid"`
	Title         string     `json:"title"`
	Description   string     `json:"description"`
	Tags          []string   `json:"tags"`
	SchemaVersion int        `json:"schemaVersion"`
	Editable      bool       `json:"editable"`
	GraphTooltip  int        `json:"graphTooltip"` // 1: one crosshair over all panels
	Refresh       string     `json:"refresh"`
	Timezone      string     `json:"timezone"`
	Time          TimeRange  `json:"time"`
	Templating    Templating `json:"templating"`
	Panels        []Panel    `json:"panels"`
}

// TimeRange is the time shown at first, in Grafana's words.
type TimeRange struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Templating holds the variables that a viewer chooses.
type Templating struct {
	List []Variable `json:"list"`
}

// Variable is one choice of the viewer.
type Variable struct {
	Name       string      `json:"name"`
	Label      string      `json:"label"`
	Type       string      `json:"type"`
	Query      any         `json:"query"`
	Datasource *Datasource `json:"datasource,omitempty"`
	Refresh    int         `json:"refresh"` // 1: on load, 2: when the time range changes
	Multi      bool        `json:"multi,omitempty"`
	IncludeAll bool        `json:"includeAll,omitempty"`
	AllValue   string      `json:"allValue,omitempty"`
	Current    *Current    `json:"current,omitempty"`
}

// Current is the value that a variable has at first.
type Current struct {
	Text  string `json:"text"`
	Value string `json:"value"`
}

// Datasource names where data comes from.
type Datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

// Panel is one chart, number or row heading.
type Panel struct {
	ID          int          `json:"id"`
	Type        string       `json:"type"`
	Title       string       `json:"title"`
	Description string       `json:"description,omitempty"`
	GridPos     GridPos      `json:"gridPos"`
	Datasource  *Datasource  `json:"datasource,omitempty"`
	Targets     []Target     `json:"targets,omitempty"`
	FieldConfig *FieldConfig `json:"fieldConfig,omitempty"`
	Options     any          `json:"options,omitempty"`
	Collapsed   *bool        `json:"collapsed,omitempty"`
	Panels      *[]Panel     `json:"panels,omitempty"` // of a row: always empty here, as rows are open
}

// GridPos is a panel's place in a grid of 24 columns.
type GridPos struct {
	H int `json:"h"`
	W int `json:"w"`
	X int `json:"x"`
	Y int `json:"y"`
}

// Target is one query in PromQL.
type Target struct {
	RefID        string `json:"refId"`
	Expr         string `json:"expr"`
	LegendFormat string `json:"legendFormat"`
	Instant      bool   `json:"instant,omitempty"`
}

// FieldConfig says how values are shown.
type FieldConfig struct {
	Defaults  Field  `json:"defaults"`
	Overrides []Void `json:"overrides"`
}

// Void is an element of a list that is always empty.
type Void struct{}

// Field says how one value is shown.
type Field struct {
	Unit       string      `json:"unit,omitempty"`
	Decimals   *int        `json:"decimals,omitempty"`
	Min        *float64    `json:"min,omitempty"`
	NoValue    string      `json:"noValue,omitempty"`
	Custom     any         `json:"custom,omitempty"`
	Thresholds *Thresholds `json:"thresholds,omitempty"`
}

// Thresholds colour a value.
type Thresholds struct {
	Mode  string `json:"mode"`
	Steps []Step `json:"steps"`
}

// Step is the colour from a value on; a nil Value is minus infinity.
type Step struct {
	Color string   `json:"color"`
	Value *float64 `json:"value"`
}

// JSON returns the dashboard as Grafana reads it.
func (d Dashboard) JSON() ([]byte, error) {
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the dashboard %s: %w", d.UID, err)
	}
	return append(b, '\n'), nil
}

// source is the Prometheus that the viewer chose.
func source() *Datasource { return &Datasource{"prometheus", "${datasource}"} }

// query is a PromQL expression and the name of its lines.
type query struct{ expr, legend string }

// layout places panels from left to right and top to bottom.
type layout struct {
	panels  []Panel
	x, y, h int
}

func (l *layout) add(w, h int, p Panel) {
	if l.x+w > 24 {
		l.x, l.y, l.h = 0, l.y+l.h, 0
	}
	p.ID = len(l.panels) + 1
	p.GridPos = GridPos{H: h, W: w, X: l.x, Y: l.y}
	l.x += w
	l.h = max(l.h, h)
	l.panels = append(l.panels, p)
}

// row begins a part of the dashboard.
func (l *layout) row(title string) {
	l.x = 24 // the next panel does not fit on the line
	open := false
	l.add(24, 1, Panel{Type: "row", Title: title, Collapsed: &open, Panels: &[]Panel{}})
}

// number adds a value of now. From the thresholds on, the first orange and the second red, it is coloured.
func (l *layout) number(title, description, unit, expr string, thresholds ...float64) {
	steps := []Step{{Color: "text"}}
	for i, from := range thresholds {
		steps = append(steps, Step{[]string{"orange", "red"}[i%2], &from})
	}
	l.add(4, 4, Panel{
		Type: "stat", Title: title, Description: description, Datasource: source(),
		Targets: targets(query{expr, ""}),
		FieldConfig: &FieldConfig{Overrides: []Void{}, Defaults: Field{
			Unit: unit, NoValue: "–", Thresholds: &Thresholds{"absolute", steps},
		}},
		Options: map[string]any{
			"colorMode": "value", "graphMode": "area", "textMode": "value",
			"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}},
		},
	})
}

// chart adds lines over time.
func (l *layout) chart(title, description, unit string, queries ...query) {
	zero := 0.0
	l.add(8, 8, Panel{
		Type: "timeseries", Title: title, Description: description, Datasource: source(),
		Targets: targets(queries...),
		FieldConfig: &FieldConfig{Overrides: []Void{}, Defaults: Field{
			Unit: unit, Min: &zero,
			Custom: map[string]any{"lineWidth": 1, "fillOpacity": 8, "showPoints": "never"},
		}},
		Options: map[string]any{
			"legend":  map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": true},
			"tooltip": map[string]any{"mode": "multi", "sort": "desc"},
		},
	})
}

func targets(queries ...query) []Target {
	var out []Target
	for i, q := range queries {
		out = append(out, Target{RefID: string(rune('A' + i)), Expr: q.expr, LegendFormat: q.legend})
	}
	return out
}
