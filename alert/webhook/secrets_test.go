package webhook

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/webhook/webhooktest"
)

// A receiver that repeats the whole request in its answer has the error show none of the secrets in it, in whatever form.
func TestNoSecretInErrors(t *testing.T) {
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		dump, err := httputil.DumpRequest(r, true)
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusBadRequest)
		quoted, _ := json.Marshal(string(dump)) // of a string: cannot fail
		_, _ = w.Write(dump)
		_, _ = w.Write(quoted)
	}))
	t.Cleanup(echo.Close)
	file := write(t, "secret", "f1le-pl@nted/+&\"x\n")
	address := strings.Replace(echo.URL, "http://", "http://user:us3rinfo-planted@", 1) + "/services/T0/path-pl4nted-part?key=qu3ry-planted"
	base := alert.WebhookConfig{
		URL:         alert.Secret(address),
		Body:        `{"key": {{ .Secret "a" | toJson }}, "file": {{ .Secret "b" | toJson }}}`,
		Headers:     map[string]alert.Secret{"X-Api-Token": "Token h3ader-planted", "X-Team": "shop"},
		Secrets:     map[string]alert.Secret{"a": `b0dy-pl"nted`},
		SecretFiles: map[string]*string{"b": &file}, SigningSecret: alert.Secret(signingSecret(7)),
	}
	for name, h := range map[string]*alert.HTTPConfig{
		"basic":  {BasicAuth: &alert.BasicAuth{Username: "u", PasswordFile: file}},
		"bearer": {BearerToken: "b3arer-planted"},
		"file":   {Authorization: &alert.Authorization{CredentialsFile: file}},
		"header": {HTTPHeaders: map[string]alert.HTTPHeader{"X-Key": {Secrets: []alert.Secret{"http-h3ader-planted"}, Files: []string{file}}}},
	} {
		t.Run(name, func(t *testing.T) {
			c := base
			c.HTTPConfig = h
			n, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			_, err = n.Notify(t.Context(), notification())
			if err == nil || !strings.Contains(err.Error(), "400 Bad Request") {
				t.Fatalf("got %v", err)
			}
			r, rendered := n.render(notification(), notification().Created)
			if rendered != nil {
				t.Fatal(rendered)
			}
			answer, _, _ := alert.Do(t.Context(), n.client, c.HTTPConfig, r)
			preview, previewed := n.Preview(notification())
			if previewed != nil || !strings.Contains(answer.Body, "X-Team: shop") {
				t.Fatalf("%v, the answer is %s", previewed, answer.Body)
			}
			for _, text := range []string{err.Error(), answer.Body, answer.Line(), preview, fmt.Sprintf("%v %+v %#v", c, c, c.HTTPConfig)} {
				for _, planted := range []string{"planted", "pl4nted", "pl@nted", `pl"nted`, `pl\"nted`, "pl%40nted", "dTpmMWxlLX"} {
					if strings.Contains(text, planted) {
						t.Errorf("%s is in\n%s", planted, text)
					}
				}
			}
		})
	}
}

// Of a server that nobody reaches, the error shows the host alone.
func TestNoSecretInConnectionErrors(t *testing.T) {
	s := webhooktest.New(t)
	s.Always(webhooktest.CutBefore())
	for name, address := range map[string]string{
		"cut":        s.URL + "/pl4nted-path?key=planted",
		"no host":    "http://nowhere.invalid/pl4nted-path?key=planted",
		"no TLS":     strings.Replace(s.URL, "http://", "https://u:planted@", 1) + "/pl4nted-path",
		"no address": "http://127.0.0.1:port/pl4nted-path",
	} {
		o, err := deliver(t, s, alert.WebhookConfig{URL: alert.Secret(address)}, notification())
		if err == nil || strings.Contains(err.Error(), "planted") || strings.Contains(err.Error(), "pl4nted") {
			t.Errorf("%s: got %+v, %v", name, o, err)
		}
	}
}
