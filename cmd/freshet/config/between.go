package config

import (
	"fmt"
	"net/http"

	"github.com/freshet-dev/freshet/alert"
)

// Between returns what asks other freshet processes. No proxy is between, as they are asked with the credentials of whoever
// asks this one.
func (h HTTP) Between() (http.RoundTripper, error) {
	client, err := (&alert.HTTPConfig{TLSConfig: h.AdvertiseTLSConfig}).Client("freshet")
	if err != nil {
		return nil, fmt.Errorf("http.advertise_tls_config: %w", err)
	}
	return client.Transport, nil
}
