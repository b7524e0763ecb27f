package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/rules/expr"
	"github.com/freshet-dev/freshet/rules/label"
)

var fingerprintText = regexp.MustCompile(`^[0-9a-f]{16}$`)

func whyCommand() *cobra.Command {
	var api apiFlags
	var since string
	var asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use:   "why FINGERPRINT|ALERTNAME",
		Short: "Show what was decided about an alert: who was told, who was not, and why",
		Long: `why shows every decision of the alerter about one alert, by its fingerprint, or about all alerts of a name: that it
fired and was grouped, silenced, inhibited or muted, that a receiver was told or refused, and so on, with the reasons.
Decisions are kept for 30 days.`,
		Example: `  freshet why ErrorSpike
  freshet why 5b2e0c1d9a7f4e83 --since 7d`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := expr.ParseDuration(since)
			if err != nil || d <= 0 {
				return fmt.Errorf("--since: expected a length of time such as 24h or 7d, found %q", since)
			}
			client, err := api.open(cmd)
			if err != nil {
				return err
			}
			key := "alertname"
			if fingerprintText.MatchString(args[0]) {
				key = "fingerprint"
			}
			var decisions []alert.Decision
			q := url.Values{key: {args[0]}, "since": {d.String()}, "limit": {strconv.Itoa(limit)}}
			if err := client.call(cmd.Context(), http.MethodGet, "/api/freshet/decisions?"+q.Encode(), nil, &decisions); err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(decisions) //nolint:wrapcheck // standard output
			}
			if len(decisions) == 0 {
				return fmt.Errorf("nothing was decided about %s in the last %s: no alert of that %s fired (--since looks further back)", args[0], since, key)
			}
			if err := printDecisions(cmd.OutOrStdout(), decisions); err != nil {
				return err
			}
			newest(cmd.OutOrStdout(), len(decisions), limit, "A fingerprint or --since narrows it, --limit shows more.")
			return nil
		},
	}
	api.add(cmd)
	cmd.Flags().StringVar(&since, "since", "24h", "how far `back`, as in 24h or 7d")
	cmd.Flags().IntVar(&limit, "limit", 200, "how many of the newest are shown, at most 10000")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// newest says that there may be more than what is shown.
func newest(out io.Writer, shown, limit int, narrower string) {
	if shown >= limit {
		fmt.Fprintf(out, "These are the newest %d. %s\n", shown, narrower)
	}
}

func printDecisions(out io.Writer, decisions []alert.Decision) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	var alertShown label.Fingerprint
	for _, d := range decisions {
		if d.Fingerprint != alertShown {
			alertShown = d.Fingerprint
			fmt.Fprintf(w, "%s %s %s\n", printable(d.AlertName), d.Fingerprint, printable(d.Labels.Without(label.AlertName).String()))
		}
		what := strings.ReplaceAll(string(d.Verdict), "_", " ")
		to := d.Integration
		if to == "" {
			to = d.Receiver
		}
		reason := d.Reason
		if d.By != "" {
			reason = strings.TrimSuffix("by "+d.By+": "+reason, ": ")
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", moment(d.At), what, printable(to), printable(reason))
	}
	return w.Flush() //nolint:wrapcheck // standard output
}
