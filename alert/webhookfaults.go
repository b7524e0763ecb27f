package alert

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// headerName is what RFC 9110 calls a token.
var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// ownHeaders are those that a webhook's headers cannot set, and what to do instead.
var ownHeaders = map[string]string{ //nolint:gochecknoglobals // a constant table
	"Content-Type": "use content_type", "Content-Length": "it follows from the body", "Host": "it follows from url",
	"Connection": "", "Transfer-Encoding": "", "Idempotency-Key": "it is the notification's ID",
	"Webhook-Id": "it is the notification's ID", "Webhook-Timestamp": "", "Webhook-Signature": "use signing_secret",
}

// requestFaults returns what is wrong with the request that a webhook makes.
func (w *WebhookConfig) requestFaults(fs *faults, path string) {
	if strings.Contains(string(w.URL), "{{") {
		templateFault(fs, path+".url", string(w.URL))
	} else {
		urlFault(fs, path+".url", string(w.URL))
	}
	if w.Method != "" && w.Method != http.MethodPost && w.Method != http.MethodPut {
		fs.add(path+".method", fmt.Sprintf("expected POST or PUT, found %q", w.Method), "")
	}
	exclusive(fs, path, "body", w.Body != "", "payload", w.Payload != nil)
	templateFault(fs, path+".body", w.Body)
	payloadFaults(fs, path+".payload", w.Payload)
	if w.ContentType != "" {
		if _, _, err := mime.ParseMediaType(w.ContentType); err != nil {
			fs.add(path+".content_type", "expected a media type such as application/json or text/plain; charset=utf-8", "")
		}
		if w.Body == "" {
			fs.add(path+".content_type", "the body without body: is JSON", "remove it, or write body:")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.Headers)) {
		at := path + ".headers." + name
		canonical := http.CanonicalHeaderKey(name)
		hint, own := ownHeaders[canonical]
		switch {
		case !headerName.MatchString(name):
			fs.add(at, fmt.Sprintf("%q is no header's name", name), "")
		case own:
			fs.add(at, "this header cannot be set here", hint)
		case canonical == "Authorization" && w.HTTPConfig.authenticates():
			fs.add(at, "http_config has credentials too", "keep one")
		}
		templateFault(fs, at, string(w.Headers[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(w.SecretFiles)) {
		_, twice := w.Secrets[name]
		switch file := w.SecretFiles[name]; {
		case twice:
			fs.add(path+".secret_files."+name, "secrets has this name too", "keep one")
		case file == nil || *file == "":
			fs.add(path+".secret_files."+name, "the file is missing", "")
		}
	}
	exclusive(fs, path, "signing_secret", w.SigningSecret != "", "signing_secret_file", w.SigningSecretFile != "")
	if _, err := SigningKeys(string(w.SigningSecret)); w.SigningSecret != "" && err != nil {
		fs.add(path+".signing_secret", err.Error(), "")
	}
	w.Remediation.faults(fs, path+".remediation")
	if w.Remediation != nil && w.SendResolved != nil && *w.SendResolved {
		fs.add(path+".send_resolved", "a webhook that mends is called when an alert fires, not when it is over", "remove it")
	}
}

func (r *RemediationConfig) faults(fs *faults, path string) {
	if r == nil {
		return
	}
	if r.Cooldown < 0 {
		fs.add(path+".cooldown", "expected a duration, or 0 for none", "")
	}
	if r.MaxPerHour < 0 {
		fs.add(path+".max_per_hour", "expected 0 (no bound) or more", "")
	}
	if r.MaxConcurrent < 0 {
		fs.add(path+".max_concurrent", "expected 0 (no bound) or more", "")
	}
}

func templateFault(fs *faults, path, text string) {
	if err := checkTemplate(text); err != nil {
		fs.add(path, err.Error(), "")
	}
}

// payloadFaults looks for templates in a structure.
func payloadFaults(fs *faults, path string, value any) {
	switch v := value.(type) {
	case string:
		templateFault(fs, path, v)
	case []any:
		for i, e := range v {
			payloadFaults(fs, fmt.Sprintf("%s[%d]", path, i), e)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			templateFault(fs, path, key)
			payloadFaults(fs, path+"."+key, v[key])
		}
	}
}

// SigningKeys reads the secrets of Standard Webhooks: one, or two during a rotation, with space or a line's end between
// them. No error shows them.
func SigningKeys(text string) ([][]byte, error) {
	const least, most = 24, 64 // bytes, by the specification
	fields := strings.Fields(text)
	if len(fields) < 1 || len(fields) > 2 {
		return nil, fmt.Errorf("expected one secret, or two during a rotation, found %d", len(fields))
	}
	keys := make([][]byte, len(fields))
	for i, f := range fields {
		encoded, ok := strings.CutPrefix(f, "whsec_")
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil || len(key) < least || len(key) > most {
			return nil, errors.New("expected whsec_ and 24 to 64 bytes in base64, as `echo whsec_$(openssl rand -base64 32)` makes them")
		}
		keys[i] = key
	}
	return keys, nil
}
