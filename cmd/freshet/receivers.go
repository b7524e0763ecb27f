package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/cmd/freshet/config"
	"github.com/freshet-dev/freshet/cmd/freshet/pipeline"
	"github.com/freshet-dev/freshet/rules/expr"
	"github.com/freshet-dev/freshet/rules/label"
)

func receiversCommand() *cobra.Command {
	t := receiverTest{}
	var path string
	test := &cobra.Command{
		Use:   "test NAME...",
		Short: "Send a test message, firing and then resolved, to receivers; exits 1 if any does not take it",
		Long: `Send a test message to receivers of the configuration, through what sends real ones: an alert named ` + testAlert + ` that
fires, then its end. Each way in which a receiver is notified is said to be OK, or what is wrong and what to do.

A webhook that mends (remediation:) is left out unless --remediations asks for it, because it is called as for an alert.`,
		RunE: func(cmd *cobra.Command, names []string) error {
			cfg, err := loadConfig(cmd, path)
			if err != nil {
				return err
			}
			t.out = cmd.OutOrStdout()
			return t.run(cmd.Context(), cfg, names)
		},
	}
	test.Flags().StringVar(&path, "config", "freshet.yaml", "configuration `file`")
	test.Flags().BoolVar(&t.all, "all", false, "test all receivers")
	test.Flags().BoolVar(&t.dryRun, "dry-run", false, "print what would be sent, without secrets, and send nothing")
	test.Flags().BoolVar(&t.remediations, "remediations", false, "call webhooks that mend too")
	return group(&cobra.Command{Use: "receivers", Short: "Work with the receivers of alerts"}, test, undeliveredCommand())
}

// testAlert is the name of the alert in test messages.
const testAlert = "FreshetTest"

// receiverTest is `freshet receivers test`.
type receiverTest struct {
	all, dryRun, remediations bool
	out                       io.Writer
}

func (t *receiverTest) run(ctx context.Context, cfg *config.Config, names []string) error {
	if err := t.checkNames(cfg, names); err != nil {
		return err
	}
	tested, failed := 0, 0
	for _, i := range cfg.Alert.Integrations(cfg.Alert.Defaults()) {
		if !t.all && !slices.Contains(names, i.Receiver) {
			continue
		}
		tested++
		if !t.integration(ctx, cfg, i) {
			failed++
		}
	}
	if tested == 0 {
		fmt.Fprintln(t.out, "nobody is notified: such a receiver drops what is routed to it")
	}
	if failed > 0 {
		fmt.Fprintf(t.out, "%d of %d failed\n", failed, tested)
		return statusError(1)
	}
	return nil
}

// checkNames says which names are no receivers.
func (t *receiverTest) checkNames(cfg *config.Config, names []string) error {
	known := make([]string, 0, len(cfg.Alert.Receivers))
	for _, r := range cfg.Alert.Receivers {
		known = append(known, r.Name)
	}
	list := "the configuration has no receivers"
	if len(known) > 0 {
		list = "there are " + strings.Join(known, ", ")
	}
	switch {
	case t.all && len(names) > 0:
		return errors.New("--all tests all receivers, so none is to be named")
	case !t.all && len(names) == 0:
		return fmt.Errorf("no receiver is named, expected a name or --all; %s", list)
	}
	for _, name := range names {
		if slices.Contains(known, name) {
			continue
		}
		if near := expr.Nearest(name, known); near != "" {
			list = "did you mean " + near + "?"
		}
		return fmt.Errorf("no receiver is named %q; %s", name, list)
	}
	return nil
}

// integration tests one way to a receiver and says whether it works.
func (t *receiverTest) integration(ctx context.Context, cfg *config.Config, i alert.Integration) bool {
	if i.Remediation != nil && !t.remediations && !t.dryRun {
		fmt.Fprintf(t.out, "%s  left out: it mends, and would be called as for an alert; --remediations tests it too\n", i.Key())
		return true
	}
	firing, resolved := testNotifications(i, cfg.HTTP.ExternalURL, time.Now())
	if t.dryRun {
		return t.preview(ctx, i, firing, resolved)
	}
	n, err := pipeline.NewNotifier(i)
	if err != nil {
		t.failed(i, "", alert.Outcome{Permanent: true}, err)
		return false
	}
	var said []string
	ref := ""
	for _, step := range []*alert.Notification{firing, resolved} {
		if step == resolved && !i.SendResolved {
			said = append(said, "its end is not told")
			break
		}
		step.Ref = ref
		start := time.Now()
		outcome, err := n.Notify(ctx, step)
		if err != nil {
			t.failed(i, step.Data.Status, outcome, err)
			return false
		}
		ref = outcome.Ref
		said = append(said, fmt.Sprintf("%s in %s", step.Data.Status, time.Since(start).Round(time.Millisecond)))
		if outcome.Note != "" {
			said = append(said, outcome.Note)
		}
	}
	fmt.Fprintf(t.out, "%s  OK  %s\n", i.Key(), strings.Join(said, ", "))
	return true
}

func (t *receiverTest) failed(i alert.Integration, status string, o alert.Outcome, err error) {
	if status != "" {
		status += ": "
	}
	fmt.Fprintf(t.out, "%s  FAILED  %s%v\n", i.Key(), status, err)
	if hint := receiverHint(o, err); hint != "" {
		fmt.Fprintf(t.out, "  = %s\n", hint)
	}
}

// receiverHint says what to do about an error, "" when the error says it.
func receiverHint(o alert.Outcome, err error) string {
	var (
		name      *net.DNSError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
	)
	switch {
	case errors.As(err, &name):
		return "the host's name is not known: is the address right, and is the name known on this machine?"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: is the address right, and does the receiver run?"
	case errors.As(err, &authority):
		return "its certificate is of an authority that this machine does not know: name it in http_config.tls_config.ca_file"
	case errors.As(err, &host):
		return "its certificate is for another name: set http_config.tls_config.server_name if that is right"
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer came in time: does a firewall or a proxy stand between? timeout: allows more than 10s"
	case o.RetryAfter > 0:
		return fmt.Sprintf("it asks to be left alone for %s: try again then", o.RetryAfter)
	case o.Permanent:
		return "it will not take this however often it is tried: mend address, credentials or body; --dry-run shows what is sent"
	default:
		return "a real message would be tried again until it is taken"
	}
}

// testNotifications are a firing and a resolved message that nobody takes for real ones.
func testNotifications(i alert.Integration, externalURL string, now time.Time) (firing, resolved *alert.Notification) {
	labels := label.FromMap(map[string]string{label.AlertName: testAlert, "severity": "info", "receiver": i.Receiver})
	a := alert.Alert{
		Status: "firing", Labels: labels.Map(), StartsAt: now.Truncate(time.Second), GeneratorURL: externalURL,
		Fingerprint: labels.Fingerprint().String(),
		Annotations: alert.KV{
			"summary":     "This is only a test: somebody tries whether freshet's messages arrive",
			"description": "`freshet receivers test` sent it. Nobody needs to do anything.",
		},
		Evidence: alert.Evidence{New: true},
	}
	over := a
	over.Status, over.EndsAt = "resolved", now
	return testNotification(i, externalURL, alert.FirstNotification, a, now), testNotification(i, externalURL, alert.AllResolved, over, now)
}

func testNotification(i alert.Integration, externalURL string, reason alert.Reason, a alert.Alert, now time.Time) *alert.Notification {
	data := (alert.Data{ExternalURL: externalURL, NotificationReason: string(reason), Receiver: i.Receiver,
		GroupLabels: alert.KV{label.AlertName: testAlert}}).Only(alert.Alerts{a})
	return &alert.Notification{
		ID: fmt.Sprintf("test-%s-%x", a.Status, now.UnixNano()), Integration: i, GroupKey: fmt.Sprintf("{}:{%s=%q}", label.AlertName, testAlert),
		Reason: reason, Created: now, Attempt: 1, Data: data,
	}
}
