package explain

import (
	"bytes"
	"strings"

	"github.com/freshet-dev/freshet/ingest"
)

// secretParts are what names of secrets hold, in lower case and without what separates words.
var secretParts = [...]string{ //nolint:gochecknoglobals // constant table
	"password", "passwd", "passphrase", "pwd", "secret", "token", "authorization", "credential", "cookie", "apikey",
	"accesskey", "privatekey", "sessionid", "jwt", "signature",
}

// SecretName says whether an attribute of that name is taken for a secret, whose values are never shown.
func SecretName(name string) bool {
	var plain [2 * maxName]byte
	n := 0
	for i := max(0, len(name)-len(plain)); i < len(name); i++ {
		switch c := name[i]; {
		case c == '-' || c == '_' || c == '.' || c == ' ':
		case c >= 'A' && c <= 'Z':
			plain[n] = c + 'a' - 'A'
			n++
		default:
			plain[n] = c
			n++
		}
	}
	for _, part := range secretParts {
		if bytes.Contains(plain[:n], []byte(part)) {
			return true
		}
	}
	return false
}

// isSecret says whether a value looks like one that holds a secret, whatever its name: an address with a password, a
// header's credentials, a signed token, settings or JSON with a secret among them.
func isSecret(v string) bool {
	if len(v) < 8 {
		return false // too short, and most are
	}
	if strings.HasPrefix(v, "Bearer ") || strings.HasPrefix(v, "Basic ") || strings.HasPrefix(v, "eyJ") || strings.HasPrefix(v, "-----BEGIN") {
		return true
	}
	if i := strings.IndexByte(v, '@'); i >= 0 && strings.Contains(v[:i], "://") {
		return true
	}
	if strings.IndexByte(v, '=') < 0 && strings.IndexByte(v, '"') < 0 {
		return false
	}
	for rest := v; ; {
		i := strings.IndexAny(rest, "=:")
		if i < 0 {
			return false
		}
		name := strings.TrimRight(rest[:i], "\"' ")
		if SecretName(name[strings.LastIndexAny(name, "?&;,{ \t\"'")+1:]) {
			return true
		}
		rest = rest[i+1:]
	}
}

// timeNames are names of the time of a record: of course it is another now than before.
var timeNames = [...]string{ //nolint:gochecknoglobals // constant table
	"time", "timestamp", "@timestamp", "ts", "date", "datetime", "eventtime", "observedtimestamp", "traceid", "spanid", "parentspanid",
	"traceparent",
}

// timeName says whether an attribute of that name is the record's time, or names the record.
func timeName(name string) bool {
	plain := strings.NewReplacer("_", "", "-", "", ".", "").Replace(strings.ToLower(name))
	for _, n := range timeNames {
		if plain == n {
			return true
		}
	}
	return false
}

const twoDays = int64(2 * 24 * 3600 * 1e9)

// isTime says whether a value is a time near that of the record: as a date, or in seconds, milli-, micro- or nanoseconds
// since 1970.
func isTime(v ingest.Value, at int64) bool {
	switch v.Kind {
	case ingest.Int:
		n := v.Int()
		for unit := int64(1); unit <= 1e9; unit *= 1e3 {
			if n >= (at-twoDays)/unit && n <= (at+twoDays)/unit && n > 1e8 {
				return true
			}
		}
		return false
	case ingest.String:
		s := v.Str
		return len(s) >= 10 && s[4] == '-' && s[7] == '-' && digits(s[:4]) && digits(s[5:7]) && digits(s[8:10])
	default:
		return false
	}
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
