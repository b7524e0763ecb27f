package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Bytes is an amount of memory or disk, written as a number with an optional unit: 512, 64KB, 16MiB, 1GiB. As in
// Prometheus, KB and KiB both mean 1024 bytes.
type Bytes int64

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Bytes) UnmarshalText(text []byte) error {
	digits := strings.TrimRight(string(text), "KMGTiBkb ")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("expected a size such as 64KiB or 16MiB, found %q", text)
	}
	shift := 0
	switch strings.ToUpper(strings.TrimSpace(string(text)[len(digits):])) {
	case "", "B":
	case "K", "KB", "KIB":
		shift = 10
	case "M", "MB", "MIB":
		shift = 20
	case "G", "GB", "GIB":
		shift = 30
	case "T", "TB", "TIB":
		shift = 40
	default:
		return fmt.Errorf("unknown unit in %q, expected B, KiB, MiB, GiB or TiB", text)
	}
	if n > 1<<62>>shift {
		return fmt.Errorf("size %q is too large", text)
	}
	*b = Bytes(n << shift)
	return nil
}

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
