package alert

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// links are where a message leads to, in the order in which it shows them.
func (a *Alerter) links(m *Alert) []Link {
	var out []Link
	if u := a.options.DashboardURL; u != "" {
		out = append(out, Link{"dashboard", dashboardLink(u, m, a.now)})
	}
	if u := m.Annotations["dashboard_url"]; isWeb(u) {
		out = append(out, Link{"dashboard", u})
	}
	if u := m.Annotations["runbook_url"]; isWeb(u) {
		out = append(out, Link{"runbook", u})
	}
	if a.options.ExternalURL != "" && m.Status == statusFiring {
		out = append(out, Link{"silence", silenceLink(a.options.ExternalURL, m.Fingerprint)})
	}
	for _, s := range m.Samples {
		if s.TraceID == "" {
			continue
		}
		if u := a.options.TraceURL; u != "" {
			out = append(out, Link{"trace", fill(u, m.Labels, map[string]string{"trace_id": s.TraceID})})
		}
		break
	}
	return out
}

func isWeb(u string) bool {
	return strings.HasPrefix(u, "https://") || strings.HasPrefix(u, "http://")
}

// dashboardLink fills in the time range of an alert, some minutes around it, and its labels.
func dashboardLink(address string, m *Alert, now time.Time) string {
	end := m.EndsAt
	if m.Status == statusFiring {
		end = now
	}
	return fill(address, m.Labels, map[string]string{"from": itoa(int(m.StartsAt.Add(-15 * time.Minute).UnixMilli())),
		"to": itoa(int(end.Add(5 * time.Minute).UnixMilli()))})
}

// placeholder is what stands in an address for a value: {from}, {label:service_name}.
var placeholder = regexp.MustCompile(`\{([a-z_]+)(:[^{}"]*)?\}`)

const labelPlaceholder = "label"

// fill puts values in the place of placeholders, escaped so that they mean the same in a path and in a query. A label that is
// missing is nothing.
func fill(address string, labels KV, values map[string]string) string {
	return placeholder.ReplaceAllStringFunc(address, func(match string) string {
		parts := placeholder.FindStringSubmatch(match)
		value, known := values[match[1:len(match)-1]]
		if parts[1] == labelPlaceholder && parts[2] != "" {
			value, known = labels[parts[2][1:]], true
		}
		if !known {
			return match
		}
		return strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
	})
}

// linkFault says what is wrong with an address that has placeholders.
func linkFault(fs *faults, path, address string, known ...string) {
	urlFault(fs, path, placeholder.ReplaceAllString(address, "0"))
	for _, parts := range placeholder.FindAllStringSubmatch(address, -1) {
		name := parts[0][1 : len(parts[0])-1]
		switch {
		case parts[1] == labelPlaceholder && len(parts[2]) > 1:
		case parts[1] == labelPlaceholder:
			fs.add(path, fmt.Sprintf("%s names no label", parts[0]), "write it as {label:service_name}")
		case !slices.Contains(known, name):
			fs.unknown(path, parts[0]+" stands for nothing", name, append(known, "label:NAME"))
		}
	}
}

// link is where the page shows an alert.
func link(externalURL, fingerprint string) string {
	if externalURL == "" {
		return ""
	}
	return strings.TrimRight(externalURL, "/") + "/?alert=" + url.QueryEscape(fingerprint)
}

// silenceLink is where the page offers to silence an alert.
func silenceLink(externalURL, fingerprint string) string {
	return strings.TrimRight(externalURL, "/") + "/?silence=" + url.QueryEscape(fingerprint)
}
