package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	commoncfg "github.com/prometheus/common/config"
	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/cmd/freshet/config"
)

// apiFlags say which running freshet a command talks to.
type apiFlags struct {
	path, url, httpConfig string
}

func (f *apiFlags) add(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.StringVar(&f.path, "config", "", "configuration `file`, to know where freshet listens")
	flags.StringVar(&f.url, "url", "", "`address` of a running freshet with the alerter (default what --config says, else http://127.0.0.1:8080)")
	flags.StringVar(&f.httpConfig, "http-config-file", "", "`file` with Prometheus's http_config: credentials and certificates")
}

// apiClient asks a running freshet.
type apiClient struct {
	base   string
	client *http.Client
}

// apiTimeout bounds one request.
const apiTimeout = 30 * time.Second

func (f *apiFlags) open(cmd *cobra.Command) (*apiClient, error) {
	base := f.url
	if base == "" {
		cfg, err := loadConfig(cmd, f.path)
		if err != nil {
			return nil, err
		}
		base = apiAddress(cfg)
	}
	if u, err := url.Parse(base); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("--url: expected an address such as http://127.0.0.1:8080")
	}
	var settings commoncfg.HTTPClientConfig
	if f.httpConfig != "" {
		loaded, _, err := commoncfg.LoadHTTPConfigFile(f.httpConfig)
		if err != nil {
			return nil, fmt.Errorf("--http-config-file: %w", err)
		}
		settings = *loaded
	}
	client, err := commoncfg.NewClientFromConfig(settings, "freshet")
	if err != nil {
		return nil, fmt.Errorf("--http-config-file: %w", err)
	}
	client.Timeout = apiTimeout
	return &apiClient{base: strings.TrimRight(base, "/"), client: client}, nil
}

// apiAddress is where a freshet of this configuration answers.
func apiAddress(cfg *config.Config) string {
	scheme, listen := "http", cfg.HTTP.Listen
	if cfg.HTTP.WebConfigFile != "" {
		scheme = "https"
	}
	for _, all := range []string{"0.0.0.0:", "[::]:", ":"} {
		if rest, ok := strings.CutPrefix(listen, all); ok {
			listen = "127.0.0.1:" + rest
		}
	}
	return scheme + "://" + listen
}

// call sends a request and decodes the answer into out, which may be nil.
func (c *apiClient) call(ctx context.Context, method, path string, body, out any) error {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encoding the request: %w", err)
		}
		content = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return fmt.Errorf("asking freshet: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return fmt.Errorf("freshet does not answer: %w; --url names another address", alert.RedactURL(err))
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("reading freshet's answer: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		var text string
		if json.Unmarshal(answer, &text) != nil {
			text = strings.TrimSpace(string(answer))
		}
		return fmt.Errorf("freshet answered %s: %s", resp.Status, alert.Excerpt(text, 500))
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("freshet's answer is not what was expected: %w", err)
	}
	return nil
}
