package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/rules/expr"
	"github.com/freshet-dev/freshet/rules/label"
)

// shownNames is how many of a notification's alerts are named.
const shownNames = 3

func undeliveredCommand() *cobra.Command {
	var api apiFlags
	var since string
	var asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use:   "undelivered",
		Short: "List the notifications that were given up, and why",
		Long: `A notification that a receiver does not take is tried again, for up to a day after its alerts are over. What is given up
then, because its receiver is gone from the configuration, or because all of its alerts are muted by now, is kept for 30 days in
the topic freshet.undelivered: this lists it.`,
		Example: `  freshet receivers undelivered --since 7d`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := expr.ParseDuration(since)
			if err != nil || d <= 0 {
				return fmt.Errorf("--since: expected a length of time such as 24h or 7d, found %q", since)
			}
			client, err := api.open(cmd)
			if err != nil {
				return err
			}
			letters := []alert.DeadLetter{}
			q := url.Values{"since": {d.String()}, "limit": {strconv.Itoa(limit)}}
			if err := client.call(cmd.Context(), http.MethodGet, "/api/freshet/undelivered?"+q.Encode(), nil, &letters); err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(letters) //nolint:wrapcheck // standard output
			}
			if len(letters) == 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "nothing was given up in the last %s\n", since)
				return nil
			}
			if err := printUndelivered(cmd.OutOrStdout(), letters); err != nil {
				return err
			}
			newest(cmd.OutOrStdout(), len(letters), limit, "--since narrows it, --limit shows more.")
			return nil
		},
	}
	api.add(cmd)
	cmd.Flags().StringVar(&since, "since", "24h", "how far `back`, as in 24h or 7d")
	cmd.Flags().IntVar(&limit, "limit", 200, "how many of the newest are shown, at most 10000")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printUndelivered(out io.Writer, letters []alert.DeadLetter) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, l := range letters {
		fmt.Fprintf(w, "%s\t%s\t%s\n", moment(l.At), printable(l.Integration), printable(l.Reason))
		shown := l.Data.Alerts[:min(len(l.Data.Alerts), shownNames)]
		for _, a := range shown {
			fmt.Fprintf(w, "  %s %s%s\n", a.Status, printable(a.Name()), printable(label.FromMap(a.Labels).Without(label.AlertName).String()))
		}
		if more := len(l.Data.Alerts) + l.Omitted - len(shown); more > 0 {
			fmt.Fprintf(w, "  and %d more\n", more)
		}
	}
	return w.Flush() //nolint:wrapcheck // standard output
}
