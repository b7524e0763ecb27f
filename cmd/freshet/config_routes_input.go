package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/prometheus/alertmanager/pkg/labels"
	"go.yaml.in/yaml/v3"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/rules/label"
)

// maxSilences bounds what is read from a URL of silences, in bytes.
const maxSilences = 64 << 20

// splitLabels splits at spaces that are not in quotes.
func splitLabels(text string) []string {
	quoted := false
	return strings.FieldsFunc(text, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && unicode.IsSpace(r)
	})
}

// parseLabels reads name=value pairs.
func parseLabels(pairs []string) (label.Set, error) {
	m := map[string]string{}
	for _, pair := range pairs {
		ms, err := alert.ParseMatchers(pair)
		if err != nil || len(ms) != 1 || ms[0].Type != labels.MatchEqual {
			return nil, fmt.Errorf("%q is no label, expected name=value as in severity=critical", pair)
		}
		m[ms[0].Name] = ms[0].Value
	}
	return label.FromMap(m), nil
}

// readAlertsFile reads a list of alerts in YAML, of which JSON is a part.
func readAlertsFile(file string) ([]label.Set, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading --alerts: %w", err)
	}
	var list []map[string]yaml.Node
	if err := yaml.Unmarshal(content, &list); err != nil {
		return nil, fmt.Errorf("reading %s: expected a list of alerts, as in [{alertname: Down, host: a}]: %w", file, err)
	}
	out := make([]label.Set, len(list))
	for i, entry := range list {
		m := map[string]string{}
		if inner, ok := entry["labels"]; ok && inner.Kind == yaml.MappingNode {
			err = inner.Decode(&m)
		} else {
			for name, value := range entry {
				if value.Kind != yaml.ScalarNode {
					err = fmt.Errorf("label %s has no text", name)
				}
				m[name] = value.Value
			}
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: alert %d: %w", file, i+1, err)
		}
		out[i] = label.FromMap(m)
	}
	return out, nil
}

// readSilences returns the silences that flags name.
func (t *routesTest) readSilences(ctx context.Context, at time.Time) ([]*alert.Silence, error) {
	var out []*alert.Silence
	for _, text := range t.silences {
		s := &alert.Silence{ID: text, Matchers: splitLabels(text), StartsAt: at.Add(-time.Minute), EndsAt: at.Add(time.Hour)}
		if err := s.Validate(); err != nil {
			return nil, fmt.Errorf("--silence: %w", err)
		}
		out = append(out, s)
	}
	if t.silencesFrom == "" {
		return out, nil
	}
	content, err := fetchSilences(ctx, t.silencesFrom)
	if err != nil {
		return nil, fmt.Errorf("reading --silences: %w", err)
	}
	more, err := parseSilences(content)
	if err != nil {
		return nil, fmt.Errorf("reading --silences: %w", err)
	}
	return append(out, more...), nil
}

// fetchSilences reads a file, or asks a server for the list that its API has.
func fetchSilences(ctx context.Context, from string) ([]byte, error) {
	u, err := url.Parse(from)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return os.ReadFile(from) //nolint:wrapcheck // the error names the file
	}
	if !strings.HasSuffix(u.Path, "/silences") {
		u = u.JoinPath("api", "v2", "silences")
	}
	ctx, cancel := context.WithTimeout(ctx, alert.DefaultTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return nil, alert.RedactURL(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, alert.RedactURL(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", u.Host, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxSilences)) //nolint:wrapcheck // the caller says what for
}

// parseSilences reads the list that GET /api/v2/silences gives; those that have ended are left out.
func parseSilences(content []byte) ([]*alert.Silence, error) {
	var list []struct {
		ID       string `json:"id"`
		Matchers []struct {
			Name    string `json:"name"`
			Value   string `json:"value"`
			IsRegex bool   `json:"isRegex"`
			IsEqual *bool  `json:"isEqual"`
		} `json:"matchers"`
		StartsAt  time.Time `json:"startsAt"`
		EndsAt    time.Time `json:"endsAt"`
		CreatedBy string    `json:"createdBy"`
		Comment   string    `json:"comment"`
		Status    struct {
			State string `json:"state"`
		} `json:"status"`
	}
	if err := json.Unmarshal(content, &list); err != nil {
		return nil, fmt.Errorf("expected the list that GET /api/v2/silences gives: %w", err)
	}
	var out []*alert.Silence
	for _, one := range list {
		if one.Status.State == "expired" {
			continue
		}
		s := &alert.Silence{ID: one.ID, StartsAt: one.StartsAt, EndsAt: one.EndsAt, CreatedBy: one.CreatedBy, Comment: one.Comment}
		for _, m := range one.Matchers {
			kind := labels.MatchEqual
			switch equal := m.IsEqual == nil || *m.IsEqual; {
			case m.IsRegex && equal:
				kind = labels.MatchRegexp
			case m.IsRegex:
				kind = labels.MatchNotRegexp
			case !equal:
				kind = labels.MatchNotEqual
			}
			s.Matchers = append(s.Matchers, (&labels.Matcher{Type: kind, Name: m.Name, Value: m.Value}).String())
		}
		if err := s.Validate(); err != nil {
			return nil, fmt.Errorf("silence %s: %w", one.ID, err)
		}
		out = append(out, s)
	}
	return out, nil
}
