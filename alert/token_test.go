package alert

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// A connection to a provider that never answers is given up, so that the next attempt asks anew.
func TestTokenLimit(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	left := make(chan struct{})
	go func() {
		for asked := 0; ; asked++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if asked > 1 { // the library asks twice, with the credentials in the header and in the body
				_, _ = http.ReadRequest(bufio.NewReader(conn))
				body := `{"access_token":"t","token_type":"Bearer","expires_in":3600}`
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"+body)
				_ = conn.Close()
				continue
			}
			_, _ = io.Copy(io.Discard, conn) // until the other side closes
			_ = conn.Close()
			if asked == 1 {
				close(left)
			}
		}
	}()
	var bearer string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { bearer = r.Header.Get("Authorization") }))
	t.Cleanup(server.Close)
	o := &OAuth2{ClientID: "c", ClientSecret: "s", TokenURL: "http://" + listener.Addr().String()}
	c, err := o.library()
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: o.withTokens(c, http.DefaultTransport, 200*time.Millisecond)}
	get := func() error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("body"))
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	if err := get(); err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	select {
	case <-left:
	case <-time.After(10 * time.Second):
		t.Fatal("the connection stays")
	}
	if err := get(); err != nil || bearer != "Bearer t" {
		t.Errorf("got %v, Authorization is %q", err, bearer)
	}
}
