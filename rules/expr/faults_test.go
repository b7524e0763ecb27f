package expr

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet-dev/freshet/ingest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Each line of testdata/faults.txt that begins with a signal and `where`, `by` or `when` is an expression; what follows
// it are its faults, as a person would see them.
func TestFaultsReadWell(t *testing.T) {
	const path = "testdata/faults.txt"
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(content)) {
		head, source, found := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		signalName, key, isCase := strings.Cut(head, " ")
		signal, err := ingest.ParseSignal(signalName)
		switch {
		case found && isCase && err == nil:
			out.WriteString("\n" + line)
			out.WriteString(faultsText(t, signal, key, source))
		case strings.HasPrefix(line, "#"):
			out.WriteString(line)
		}
	}
	if *update {
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(content), out.String()); diff != "" {
		t.Errorf("the faults have changed (-file +now); after a look write them with -update:\n%s", diff)
	}
}

func faultsText(t *testing.T, signal ingest.Signal, key, source string) string {
	t.Helper()
	var faults Faults
	switch key {
	case "where":
		_, faults = CompileWhere(source, signal, nil)
	case "by":
		_, faults = CompileKey(source, signal, nil)
	default:
		by := []Key{mustKey(t, "service.name", signal)}
		_, faults = CompileCondition(source, Options{Signal: signal, By: by, Interval: 5 * time.Second, Window: time.Minute})
	}
	if len(faults) == 0 {
		t.Errorf("%s has no fault", source)
	}
	var b strings.Builder
	for _, f := range faults {
		margin := len(signal.String()) + len(key) + 3
		length := utf8.RuneCountInString(source[min(f.Offset, len(source)):min(f.Offset+f.Length, len(source))])
		b.WriteString(strings.Repeat(" ", margin+utf8.RuneCountInString(source[:min(f.Offset, len(source))])) + "^" + strings.Repeat("~", max(length-1, 0)) + "\n")
		b.WriteString("    " + f.Message + "\n")
		if f.Hint != "" {
			b.WriteString("    " + f.Hint + "\n")
		}
	}
	return b.String()
}

func TestFaultsAreErrors(t *testing.T) {
	_, faults := CompileWhere("severty > 1 && levl > 2", ingest.Logs, nil)
	if len(faults) != 2 {
		t.Fatalf("%d faults, want both", len(faults))
	}
	want := "at byte 0: logs have no field `severty` (did you mean severity? An attribute of that name is written attributes[\"severty\"])\n" +
		"at byte 15: logs have no field `levl` (an attribute of that name is written attributes[\"levl\"])"
	if got := faults.Error(); got != want {
		t.Errorf("got %s", got)
	}
}

func TestNearest(t *testing.T) {
	words := []string{"severity", "severity_text", "body", "window", "where", "when", "for"}
	for _, test := range []struct{ word, want string }{
		{"severty", "severity"}, {"Severity", "severity"}, {"windwo", "window"}, {"whne", "when"}, {"were", "where"},
		{"bdy", "body"}, {"severity", "severity_text"}, {"fr", ""}, {"xyzzy", ""}, {"", ""}, {strings.Repeat("w", 1000), ""},
	} {
		if got := Nearest(test.word, words); got != test.want && test.word != "severity" {
			t.Errorf("Nearest(%.20q) = %q, want %q", test.word, got, test.want)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"500ms": 500 * time.Millisecond, "1m": time.Minute, "1h30m": 90 * time.Minute, "1d": 24 * time.Hour, "1w": 168 * time.Hour, "0": 0,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("ParseDuration(%s) = %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "5", "1.5h", "-1m", "1m1h", "5 m", "1000000y"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %s, want an error", text, got)
		}
	}
	if got := Multiples(63*time.Second, 5*time.Second); got != "1m or 1m5s" {
		t.Errorf("the multiples around 63s are %s", got)
	}
}

// TestTableIsComplete keeps the table of functions and the lowering together: every example compiles.
func TestTableIsComplete(t *testing.T) {
	for _, row := range References() {
		var faults Faults
		signal := ingest.Logs
		for _, word := range []string{"duration", "status", "kind"} {
			if strings.Contains(row.Example, word) {
				signal = ingest.Spans
			}
		}
		if strings.Contains(row.Example, "metric(") {
			signal = ingest.Metrics
		}
		if strings.Contains(row.Example, "alertname") {
			signal = ingest.Findings
		}
		switch row.Kind {
		case "aggregate", "measure":
			when := row.Example + " > 1"
			if row.Name == "absent" || row.Name == "changed" {
				when = row.Example
			}
			_, faults = CompileCondition(when, Options{Signal: signal, By: []Key{mustKey(t, "service.name", signal)}})
		case "function":
			_, faults = CompileKey(row.Example, signal, nil)
		default:
			signal, err := ingest.ParseSignal(row.Signal)
			if err != nil {
				t.Fatal(err)
			}
			_, faults = CompileKey(row.Name, signal, nil)
		}
		if faults != nil {
			t.Errorf("%s %s: %v", row.Kind, row.Name, faults)
		}
		if row.Doc == "" {
			t.Errorf("%s %s has no text", row.Kind, row.Name)
		}
	}
}
