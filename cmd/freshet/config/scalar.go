package config

import (
	"strconv"
	"time"

	"github.com/prometheus/common/model"
)

// word reads the words for true and false that YAML had before version 1.2, and that Alertmanager reads still.
func word(raw string) (value, known bool) {
	switch raw {
	case "y", "Y", "yes", "Yes", "YES", "on", "On", "ON":
		return true, true
	case "n", "N", "no", "No", "NO", "off", "Off", "OFF":
		return false, true
	default:
		return false, false
	}
}

func boolean(raw string) (bool, error) {
	if value, known := word(raw); known {
		return value, nil
	}
	return strconv.ParseBool(raw) //nolint:wrapcheck // whoever asks says what is expected where
}

// duration reads what Prometheus calls one, and Go's, with a fraction, which Alertmanager takes for a timeout.
func duration(raw string) (time.Duration, error) {
	d, err := model.ParseDuration(raw)
	if err == nil {
		return time.Duration(d), nil
	}
	if d, other := time.ParseDuration(raw); other == nil && d >= 0 {
		return d, nil
	}
	return 0, err //nolint:wrapcheck // whoever asks says what is expected where
}
