package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/common/model"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/rules/label"
)

// printRoutes prints the tree, a route a line.
func printRoutes(out io.Writer, root *alert.Route) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ROUTE\tRECEIVER\tGROUP BY\tWAIT\tINTERVAL\tREPEAT\tBESIDES")
	printRoute(w, root, "", "")
	return w.Flush() //nolint:wrapcheck // standard output's own
}

func printRoute(w io.Writer, r *alert.Route, lead, below string) {
	repeat := duration(r.RepeatInterval)
	if r.RepeatMax > r.RepeatInterval {
		repeat += ".." + duration(r.RepeatMax)
	}
	fields := []string{lead + matchersText(r), r.Receiver, groupByText(r), duration(r.GroupWait), duration(r.GroupInterval), repeat, besides(r)}
	fmt.Fprintln(w, strings.TrimRight(strings.Join(fields, "\t"), "\t"))
	for i, child := range r.Routes {
		if i == len(r.Routes)-1 {
			printRoute(w, child, below+"└─ ", below+"   ")
		} else {
			printRoute(w, child, below+"├─ ", below+"│  ")
		}
	}
}

func matchersText(r *alert.Route) string {
	if len(r.Matchers) == 0 {
		return "all"
	}
	return strings.Trim(r.Matchers.String(), "{}")
}

func groupByText(r *alert.Route) string {
	switch {
	case r.GroupByAll:
		return "..."
	case len(r.GroupBy) == 0:
		return "-"
	default:
		return strings.Join(r.GroupBy, ",")
	}
}

// besides is what few routes have.
func besides(r *alert.Route) string {
	var parts []string
	if r.Continue {
		parts = append(parts, "continue")
	}
	if len(r.MuteIntervals) > 0 {
		parts = append(parts, "muted in "+strings.Join(r.MuteIntervals, ","))
	}
	if len(r.ActiveIntervals) > 0 {
		parts = append(parts, "active in "+strings.Join(r.ActiveIntervals, ","))
	}
	if len(r.Labels) > 0 {
		parts = append(parts, "labels "+strings.Join(slices.Sorted(maps.Keys(r.Labels)), ","))
	}
	return strings.Join(parts, ", ")
}

func duration(d time.Duration) string { return model.Duration(d).String() }

// printRoutings prints for every alert who is told, and what mutes it.
func printRoutings(out io.Writer, routings []alert.Routing, silences []*alert.Silence) error {
	for i, r := range routings {
		if i > 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintf(out, "alert %s\n", r.Labels)
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, t := range r.Taken {
			fmt.Fprintf(w, "  %s\tgroup %s\tafter %s\t%s\n", t.Route.Receiver, t.GroupKey, duration(t.Route.GroupWait), takenText(t))
		}
		if err := w.Flush(); err != nil {
			return err //nolint:wrapcheck // standard output's own
		}
		for _, id := range r.Silences {
			fmt.Fprintf(out, "  silenced by %s\n", silenceText(id, silences))
		}
		for _, by := range r.Inhibited {
			fmt.Fprintf(out, "  inhibited by %s, by %s\n", by.By, by.Rule)
		}
		told := "nobody"
		if names := r.Told(); len(names) > 0 {
			told = strings.Join(names, ",")
		}
		fmt.Fprintf(out, "  told: %s\n", told)
	}
	return nil
}

func takenText(t alert.Taken) string {
	switch {
	case len(t.Muted) > 0:
		return "muted in " + strings.Join(t.Muted, ",")
	case t.Inactive:
		return "inactive out of " + strings.Join(t.Route.ActiveIntervals, ",")
	default:
		return "again after " + duration(t.Route.RepeatInterval)
	}
}

func silenceText(id string, silences []*alert.Silence) string {
	for _, s := range silences {
		if s.ID == id && s.Comment != "" {
			return fmt.Sprintf("%s (%s: %s)", id, s.CreatedBy, s.Comment)
		}
	}
	return id
}

// The routings in the form of --format json.
type (
	routingsJSON struct {
		At     time.Time     `json:"at"`
		Alerts []routingJSON `json:"alerts"`
	}
	routingJSON struct {
		Labels      label.Set       `json:"labels"`
		Receivers   []string        `json:"receivers"`
		Told        []string        `json:"told"`
		Routes      []takenJSON     `json:"routes"`
		SilencedBy  []string        `json:"silenced_by"`
		InhibitedBy []inhibitedJSON `json:"inhibited_by"`
	}
	takenJSON struct {
		Receiver       string    `json:"receiver"`
		GroupKey       string    `json:"group_key"`
		GroupLabels    label.Set `json:"group_labels"`
		GroupWait      string    `json:"group_wait"`
		GroupInterval  string    `json:"group_interval"`
		RepeatInterval string    `json:"repeat_interval"`
		MutedBy        []string  `json:"muted_by"`
		Inactive       bool      `json:"inactive"`
	}
	inhibitedJSON struct {
		Labels label.Set `json:"labels"`
		Rule   string    `json:"rule"`
	}
)

func writeRoutings(out io.Writer, routings []alert.Routing, at time.Time) error {
	doc := routingsJSON{At: at.UTC(), Alerts: []routingJSON{}}
	for i := range routings {
		r := &routings[i]
		one := routingJSON{Labels: r.Labels, Receivers: list(r.Receivers()), Told: list(r.Told()), SilencedBy: list(r.Silences), InhibitedBy: []inhibitedJSON{}}
		for _, t := range r.Taken {
			one.Routes = append(one.Routes, takenJSON{Receiver: t.Route.Receiver, GroupKey: t.GroupKey, GroupLabels: t.Group,
				GroupWait: duration(t.Route.GroupWait), GroupInterval: duration(t.Route.GroupInterval), RepeatInterval: duration(t.Route.RepeatInterval),
				MutedBy: list(t.Muted), Inactive: t.Inactive})
		}
		for _, by := range r.Inhibited {
			one.InhibitedBy = append(one.InhibitedBy, inhibitedJSON{by.By, by.Rule})
		}
		doc.Alerts = append(doc.Alerts, one)
	}
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(doc) //nolint:wrapcheck // standard output's own
}

// list is never null in JSON.
func list(s []string) []string { return append([]string{}, s...) }
