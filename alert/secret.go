package alert

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// Secret is a text that must not be shown: it prints as <secret>.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "<secret>"
}

// GoString hides the secret from %#v too.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// MarshalText hides the secret in JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = Secret(text)
	return nil
}

// ReadSecret returns the secret, from the file if one is named. The file is read at each call, so that a secret that is
// exchanged is used without a restart. The error names the file, never its content.
func ReadSecret(s Secret, file string) (string, error) {
	if file == "" {
		return string(s), nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading the secret in %s: %w", file, withoutPath(err))
	}
	text := strings.TrimSpace(string(b))
	if text == "" {
		return "", fmt.Errorf("reading the secret in %s: the file is empty", file)
	}
	return text, nil
}

// withoutPath returns why a file cannot be read, without the file's name, which the text around it has.
func withoutPath(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}
