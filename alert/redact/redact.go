// Package redact takes secrets out of texts before people see them: sample records in messages may hold what a service
// should not have logged. It errs on the side of hiding, keeps the words around a secret, and says nothing of what is
// hidden but its kind: password=<redacted>, <redacted jwt>.
package redact

import (
	"regexp"
	"strings"
)

// Mask stands in the place of a secret that a name tells of.
const Mask = "<redacted>"

// kind is one form of secret.
type kind struct {
	// near are texts of which one is in every text that holds the secret, in lower case: a cheap test before the pattern.
	near    []string
	pattern *regexp.Regexp
	// with replaces a match, as in regexp.ReplaceAllString.
	with string
	// sure says whether a match is one, nil for always.
	sure func(match string) bool
}

// passName and secretName are the ends of names whose value is a secret, as in db.password, X-Api-Key or AWS_SECRET_ACCESS_KEY.
const (
	passName   = `[\w.\-]*?(?:pass(?:word|wd|phrase|code)?|pwd|secret)` + ofSecret
	secretName = `[\w.\-]*?(?:token|otp|(?:api|access|account|auth|encryption|master|private|shared|signing)[_\-. ]?key(?:[_\-. ]?id)?|` +
		`credentials?|session[_\-. ]?id|sid|cookie|sig(?:nature)?)` + ofSecret
	// ofSecret may follow, as in secretKey or password_confirmation.
	ofSecret = `(?:[_\-. ]?(?:base|confirmation|hash|key|value))?`
	is       = `\\?["']?\s*(?:=>|:=|[=:])\s*`
	quoted   = `"(?:[^"\\]|\\.)*(?:"|\\?\z)|\\"[^"\\]*(?:\\"|\z)|'[^']*(?:'|\z)`
)

var kinds = []kind{ //nolint:gochecknoglobals // a table that nobody changes
	{near: []string{"-----begin"},
		pattern: regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)`),
		with:    "<redacted private key>"},
	{near: []string{"eyj"},
		pattern: regexp.MustCompile(`\beyJ[A-Za-z0-9_\-]{5,}\.[A-Za-z0-9_\-]{5,}(?:\.[A-Za-z0-9_\-]*)?`), with: "<redacted jwt>"},
	{near: []string{"://"},
		pattern: regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.\-]*://)[^\s/?#@"'<>]*:[^\s/"'<>]*@`), with: "${1}" + Mask + "@"},
	{near: []string{"authorization"},
		pattern: regexp.MustCompile(`(?i)((?:proxy-)?authorization["']?\s*[:=]\s*["']?(?:[a-z][a-z0-9\-]*\s+)?)[^\s"',;<>]+`), with: "${1}" + Mask,
		sure: func(m string) bool { return !schemeOnly.MatchString(m) }},
	{near: []string{"bearer", "basic"},
		pattern: regexp.MustCompile(`(?i)\b(bearer|basic)(\s+)([A-Za-z0-9\-._~+/]{8,}=*)`), with: "${1}${2}" + Mask,
		sure: func(m string) bool { return strings.ContainsAny(m[5:], "0123456789=+/_-.") || len(m) > 30 }},
	{near: []string{"cookie"},
		pattern: regexp.MustCompile(`(?i)\b((?:set-)?cookie["']?\s*:\s*["']?)[^\r\n"']+`), with: "${1}" + Mask},
	// A password may hold what separates others, but hardly ends with it.
	{near: []string{"pass", "pwd", "secret"},
		pattern: regexp.MustCompile(`(?i)(\b` + passName + is + `)(?:` + quoted + `|[^\s"'&<>]*[^\s"'&,;<>{}()\[\]])`), with: "${1}" + Mask, sure: namesSecret},
	{near: []string{"token", "otp", "key", "credential", "session", "sid", "cookie", "sig"},
		pattern: regexp.MustCompile(`(?i)(\b` + secretName + is + `)(?:` + quoted + `|[^\s"'&,;<>{}()\[\]]+)`), with: "${1}" + Mask, sure: namesSecret},
	{near: []string{"--"},
		pattern: regexp.MustCompile(`(?i)(--[\w\-]*(?:pass(?:word|wd|phrase)?|secret|token|api[_\-]?key)[ \t]+)(?:"[^"]*(?:"|\z)|'[^']*(?:'|\z)|[^\s"'\-<][^\s"']*)`), with: "${1}" + Mask},
	{near: []string{"akia", "asia", "aroa", "aida"},
		pattern: regexp.MustCompile(`\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}\b`), with: "<redacted aws key>"},
	{near: []string{"xox", "xapp-"},
		pattern: regexp.MustCompile(`\b(?:xox[a-z]|xapp)-[A-Za-z0-9\-]{8,}`), with: "<redacted slack token>"},
	{near: []string{"hooks.slack.com"},
		pattern: regexp.MustCompile(`(hooks\.slack\.com/)(?:services|workflows|triggers)/[^\s"'<>]+`), with: "${1}" + Mask},
	{near: []string{"gh", "github_pat_", "glpat-"},
		pattern: regexp.MustCompile(`\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_\-]{16,})`), with: "<redacted token>"},
	{near: []string{"sk_", "rk_", "sk-"},
		pattern: regexp.MustCompile(`\b(?:[sr]k_(?:live|test)_[A-Za-z0-9]{10,}|sk-[A-Za-z0-9_\-]{20,})`), with: "<redacted token>"},
	{near: []string{"aiza"},
		pattern: regexp.MustCompile(`\bAIza[A-Za-z0-9_\-]{35}`), with: "<redacted token>"},
	{pattern: regexp.MustCompile(`\b[3-6]\d{3}(?:[ \-]?\d){9,15}\b`), with: "<redacted card number>", sure: isCard},
}

// schemeOnly is a header whose credentials are gone already.
var schemeOnly = regexp.MustCompile(`(?i)[\s:="'](?:bearer|basic|digest|negotiate)$`)

// benign are values that are no secrets though a name says so: what a program logs of a secret's presence.
var benign = regexp.MustCompile(`(?i)[=:>]\s*\\?["']?(?:true|false|null|nil|none|yes|no|missing|expired|invalid|empty|required|ok|<redacted>.*|<redacted|\*+|\[?redacted\]?)\\?["']?$`)

func namesSecret(match string) bool { return !benign.MatchString(match) }

// Text returns the text without the secrets that are found in it.
func Text(s string) string {
	lower := strings.ToLower(s)
	for i := range kinds {
		k := &kinds[i]
		if !nearAny(lower, k.near) || !k.pattern.MatchString(s) {
			continue
		}
		if k.sure == nil {
			s = k.pattern.ReplaceAllString(s, k.with)
			continue
		}
		s = k.replaceSure(s)
	}
	return s
}

func nearAny(lower string, near []string) bool {
	if len(near) == 0 {
		return true
	}
	for _, n := range near {
		if strings.Contains(lower, n) {
			return true
		}
	}
	return false
}

// replaceSure replaces the matches that are surely secrets.
func (k *kind) replaceSure(s string) string {
	var out []byte
	end := 0
	for _, m := range k.pattern.FindAllStringSubmatchIndex(s, -1) {
		if !k.sure(s[m[0]:m[1]]) {
			continue
		}
		out = append(out, s[end:m[0]]...)
		out = k.pattern.ExpandString(out, k.with, s, m)
		end = m[1]
	}
	return string(append(out, s[end:]...))
}

// isCard says whether digits, with blanks or dashes between them, are a number as payment cards have it: 13 to 19 digits
// whose check digit is right.
func isCard(match string) bool {
	sum, n := 0, 0
	for i := len(match) - 1; i >= 0; i-- {
		if match[i] < '0' || match[i] > '9' {
			continue
		}
		d := int(match[i] - '0')
		if n++; n%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return n >= 13 && n <= 19 && sum%10 == 0
}
