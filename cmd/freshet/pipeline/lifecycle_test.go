package pipeline

import (
	"net"
	"testing"

	"github.com/freshet-dev/freshet/cmd/freshet/config"
)

// listening is a listener at an address.
type listening struct {
	net.Listener
	ip string
}

func (l listening) Addr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(l.ip), Port: 8080} }

// Who reaches the page from elsewhere may not have rules reloaded unless the configuration says so.
func TestLifecycle(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for _, c := range []struct {
		ip   string
		key  *bool
		want bool
	}{
		{"127.0.0.1", nil, true}, {"::1", nil, true}, {"127.0.0.1", &no, false},
		{"0.0.0.0", nil, false}, {"::", nil, false}, {"192.0.2.7", nil, false}, {"192.0.2.7", &yes, true},
	} {
		p := &Pipeline{cfg: config.Default(), listener: listening{ip: c.ip}}
		p.cfg.HTTP.EnableLifecycle = c.key
		if got := p.lifecycle(); got != c.want {
			t.Errorf("at %s, enable_lifecycle %v: %t", c.ip, c.key, got)
		}
	}
}
