package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/go-openapi/strfmt"
	"github.com/prometheus/alertmanager/api/v2/models"
	"github.com/prometheus/alertmanager/pkg/labels"
	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/apiv2"
	"github.com/freshet-dev/freshet/rules/expr"
)

// silenceFlags are what freshet silence is asked for.
type silenceFlags struct {
	api apiFlags

	author, comment, duration, start, end string
	schedule, each, location              string
	expired, asJSON                       bool
}

func silenceCommand() *cobra.Command {
	f := &silenceFlags{}
	cmd := &cobra.Command{
		Use:   "silence",
		Short: "Silence alerts for a while, or at certain times again and again",
		Long: `A silence mutes the alerts that all of its matchers match: nobody is told that they fire. Alerts go on to be shown, and
that an alert is over is told to those who were told of its beginning.

Silences are kept in Kafka. amtool works against freshet as well.`,
	}
	f.api.add(cmd)
	return group(cmd, f.addCommand(), f.listCommand(), f.expireCommand(), f.importCommand())
}

func (f *silenceFlags) addCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add MATCHER…",
		Short: "Add a silence and print its ID",
		Example: `  freshet silence add alertname=ErrorSpike service_name=checkout --duration 2h --comment "deployment"
  freshet silence add 'service_name=~"batch-.*"' --end 2026-12-24T18:00:00Z --comment "frozen"
  freshet silence add team=data --schedule '0 2 * * 0' --each 3h --location Europe/Berlin --duration 365d --comment "weekly backup"`,
		RunE: f.add,
	}
	flags := cmd.Flags()
	flags.StringVar(&f.author, "author", "", "`who` silences (default the user who runs the command)")
	flags.StringVar(&f.comment, "comment", "", "`why`")
	flags.StringVar(&f.duration, "duration", "1h", "how `long`, as in 30m or 2d")
	flags.StringVar(&f.start, "start", "", "`from` when on, as in 2026-12-24T18:00:00Z (default now)")
	flags.StringVar(&f.end, "end", "", "until `when`, instead of --duration")
	flags.StringVar(&f.schedule, "schedule", "", "mute only at these times within that: a `cron` expression of five fields, as in '0 2 * * 0'")
	flags.StringVar(&f.each, "each", "", "how `long` each time of --schedule lasts, as in 2h")
	flags.StringVar(&f.location, "location", "", "time `zone` of --schedule, as in Europe/Berlin (default UTC)")
	return cmd
}

func (f *silenceFlags) add(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("expected matchers, as in: freshet silence add alertname=ErrorSpike service_name=checkout")
	}
	if f.comment == "" {
		return errors.New("--comment is missing: why is it silenced?")
	}
	p := &models.PostableSilence{}
	for _, text := range args {
		ms, err := alert.ParseMatchers(text)
		if err != nil {
			return fmt.Errorf("%q is no matcher: expected name=value, or !=, =~, !~: %w", text, err)
		}
		for _, m := range ms {
			p.Matchers = append(p.Matchers, modelMatcher(m))
		}
	}
	start, end, err := f.span(time.Now())
	if err != nil {
		return err
	}
	author := cmp.Or(f.author, currentUser())
	starts, ends := strfmt.DateTime(start), strfmt.DateTime(end)
	p.StartsAt, p.EndsAt, p.CreatedBy, p.Comment = &starts, &ends, &author, &f.comment
	if p.Annotations, err = f.annotations(); err != nil {
		return err
	}
	client, err := f.api.open(cmd)
	if err != nil {
		return err
	}
	var answer struct{ SilenceID string }
	if err := client.call(cmd.Context(), http.MethodPost, "/api/v2/silences", p, &answer); err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), answer.SilenceID)
	return nil
}

// span is from when until when to silence.
func (f *silenceFlags) span(now time.Time) (start, end time.Time, err error) {
	start = now
	if f.start != "" {
		if start, err = time.Parse(time.RFC3339, f.start); err != nil {
			return start, end, fmt.Errorf("--start: expected a moment such as 2026-12-24T18:00:00Z, found %q", f.start)
		}
	}
	if f.end != "" {
		if end, err = time.Parse(time.RFC3339, f.end); err != nil {
			return start, end, fmt.Errorf("--end: expected a moment such as 2026-12-24T18:00:00Z, found %q", f.end)
		}
		return start, end, nil
	}
	d, err := expr.ParseDuration(f.duration)
	if err != nil || d <= 0 {
		return start, end, fmt.Errorf("--duration: expected a length of time such as 30m or 2d, found %q", f.duration)
	}
	return start, start.Add(d), nil
}

// annotations hold what a silence of Alertmanager does not have.
func (f *silenceFlags) annotations() (models.LabelSet, error) {
	if f.schedule == "" {
		if f.each != "" || f.location != "" {
			return nil, errors.New("--each and --location are about --schedule, which is missing")
		}
		return nil, nil
	}
	each, err := expr.ParseDuration(f.each)
	if err != nil || each <= 0 {
		return nil, fmt.Errorf("--each: how long does each time of the schedule last? Expected a length of time such as 2h, found %q", f.each)
	}
	return apiv2.Recurring(f.schedule, each, f.location), nil
}

func (f *silenceFlags) listCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list [MATCHER…]",
		Short: "List the silences",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := f.api.open(cmd)
			if err != nil {
				return err
			}
			q := url.Values{"expired": {fmt.Sprint(f.expired)}, "filter": args}
			var silences models.GettableSilences
			if err := client.call(cmd.Context(), http.MethodGet, "/api/v2/silences?"+q.Encode(), nil, &silences); err != nil {
				return err
			}
			if f.asJSON {
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				return encoder.Encode(silences) //nolint:wrapcheck // standard output
			}
			return printSilences(cmd.OutOrStdout(), silences)
		},
	}
	cmd.Flags().BoolVar(&f.expired, "expired", false, "those that are over too")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print JSON as Alertmanager has it, which `silence import` reads")
	return cmd
}

func printSilences(out io.Writer, silences models.GettableSilences) error {
	if len(silences) == 0 {
		fmt.Fprintln(out, "There are no silences.")
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTATE\tENDS\tBY\tMATCHERS\tCOMMENT")
	for _, s := range silences {
		ends := time.Time(*s.EndsAt).UTC().Format("2006-01-02 15:04") + " UTC"
		if text := apiv2.RecurrenceText(s.Annotations); text != "" {
			ends += " (" + text + ")"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", *s.ID, *s.Status.State, ends, printable(*s.CreatedBy), printable(silenceMatchers(s.Matchers)), printable(*s.Comment))
	}
	return w.Flush() //nolint:wrapcheck // standard output
}

func silenceMatchers(ms models.Matchers) string {
	texts := make([]string, 0, len(ms))
	for _, m := range ms {
		op := map[[2]bool]string{{false, true}: "=", {false, false}: "!=", {true, true}: "=~", {true, false}: "!~"}[[2]bool{
			*m.IsRegex, m.IsEqual == nil || *m.IsEqual}]
		texts = append(texts, fmt.Sprintf("%s%s%q", *m.Name, op, *m.Value))
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

func modelMatcher(m *labels.Matcher) *models.Matcher {
	regex := m.Type == labels.MatchRegexp || m.Type == labels.MatchNotRegexp
	equal := m.Type == labels.MatchEqual || m.Type == labels.MatchRegexp
	return &models.Matcher{Name: &m.Name, Value: &m.Value, IsRegex: &regex, IsEqual: &equal}
}

func (f *silenceFlags) expireCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "expire ID…",
		Short: "End silences now",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("expected IDs; `freshet silence list` shows them")
			}
			client, err := f.api.open(cmd)
			if err != nil {
				return err
			}
			var failed []error
			for _, id := range args {
				if err := client.call(cmd.Context(), http.MethodDelete, "/api/v2/silence/"+url.PathEscape(id), nil, nil); err != nil {
					failed = append(failed, fmt.Errorf("%s: %w", id, err))
				}
			}
			return errors.Join(failed...)
		},
	}
}

func (f *silenceFlags) importCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "import [FILE]",
		Short: "Add silences from JSON, as `silence list --json` and `amtool silence query -o json` print them",
		Long: `import adds silences from a file, or from standard input. Those that are over are left out, and each gets an ID of its
own: what is imported twice is there twice.`,
		Example: `  amtool --alertmanager.url=http://alertmanager:9093 silence query -o json | freshet silence import`,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := cmd.InOrStdin()
			if len(args) == 1 && args[0] != "-" {
				file, err := os.Open(args[0])
				if err != nil {
					return err //nolint:wrapcheck // it names the file
				}
				defer func() { _ = file.Close() }()
				in = file
			}
			var silences models.GettableSilences
			if err := json.NewDecoder(in).Decode(&silences); err != nil {
				return fmt.Errorf("expected a JSON array of silences, as `amtool silence query -o json` prints: %w", err)
			}
			client, err := f.api.open(cmd)
			if err != nil {
				return err
			}
			return importSilences(cmd, client, silences)
		},
	}
}

func importSilences(cmd *cobra.Command, client *apiClient, silences models.GettableSilences) error {
	added, over := 0, 0
	var failed []error
	for i, s := range silences {
		if s == nil || s.EndsAt == nil {
			failed = append(failed, fmt.Errorf("silence %d: expected an object with endsAt", i))
			continue
		}
		if !time.Time(*s.EndsAt).After(time.Now()) {
			over++
			continue
		}
		var answer struct{ SilenceID string }
		if err := client.call(cmd.Context(), http.MethodPost, "/api/v2/silences", &models.PostableSilence{Silence: s.Silence}, &answer); err != nil {
			failed = append(failed, fmt.Errorf("silence %d: %w", i, err))
			continue
		}
		added++
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s added, %d over and left out\n", plural(added, "silence"), over)
	return errors.Join(failed...)
}

func currentUser() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}
