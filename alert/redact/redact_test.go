package redact

import (
	"strings"
	"testing"
)

const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"

func TestText(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"login failed for anna", "login failed for anna"},
		{"", ""},
		{"GET /cart?token=abc123&page=2 200", "GET /cart?token=<redacted>&page=2 200"},
		{"password=hunter2 user=anna", "password=<redacted> user=anna"},
		{`{"user":"anna","password":"hun \"ter2","n":1}`, `{"user":"anna","password":<redacted>,"n":1}`},
		{`{\"password\":\"hunter2\",\"n\":1}`, `{\"password\":<redacted>,\"n\":1}`},
		{"db.password: 'a b c' ok", "db.password: <redacted> ok"},
		{"AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG", "AWS_SECRET_ACCESS_KEY=<redacted>"},
		{"x-api-key: 0123abc, x-id: 7", "x-api-key: <redacted>, x-id: 7"},
		{"apiKey=abc client_secret=def sessionid=9", "apiKey=<redacted> client_secret=<redacted> sessionid=<redacted>"},
		{"secret_key=abc signing-key: def AccountKey=ghi==", "secret_key=<redacted> signing-key: <redacted> AccountKey=<redacted>"},
		{`{"secretKey":"abc","password":12345,"n":1}`, `{"secretKey":<redacted>,"password":<redacted>,"n":1}`},
		{"password=Tr0ub,dor3;x (for anna)", "password=<redacted> (for anna)"},
		{"user=a&password_confirmation=b&otp=123456&sig=abc%3D&page=2", "user=a&password_confirmation=<redacted>&otp=<redacted>&sig=<redacted>&page=2"},
		{"mysql --user shop --password hunter2 --token 'a b' db", "mysql --user shop --password <redacted> --token <redacted> db"},
		{"pass --password --verbose", "pass --password --verbose"},
		{"config: 5, inside: 3, assigned=4", "config: 5, inside: 3, assigned=4"},
		{"(password=hunter2)", "(password=<redacted>)"},
		{"PGPASSWORD=x psql", "PGPASSWORD=<redacted> psql"},
		{"token: expired", "token: expired"},
		{"password=null secret=false", "password=null secret=false"},
		{"the token is missing", "the token is missing"},
		{"monkey=banana hockey: 3", "monkey=banana hockey: 3"},
		{"Authorization: Bearer abc.def", "Authorization: Bearer <redacted>"},
		{`"authorization":"Basic dXNlcjpwYXNz"`, `"authorization":"Basic <redacted>"`},
		{"authorization=secretvalue", "authorization=<redacted>"},
		{"sent bearer 0123456789abcdef", "sent bearer <redacted>"},
		{"the bearer of this letter, basic arithmetic", "the bearer of this letter, basic arithmetic"},
		{"Set-Cookie: sid=42; Path=/", "Set-Cookie: <redacted>"},
		{"jwt " + jwt + " refused", "jwt <redacted jwt> refused"},
		{"key AKIAIOSFODNN7EXAMPLE used", "key <redacted aws key> used"},
		{"dial postgres://shop:hunter2@db:5432/shop: refused", "dial postgres://<redacted>@db:5432/shop: refused"},
		{"redis://:hunter2@cache:6379", "redis://<redacted>@cache:6379"},
		{"amqp://u:p@ss@mq/", "amqp://<redacted>@mq/"},
		{"GET https://example.org/a:b@c", "GET https://example.org/a:b@c"},
		{"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nnext", "<redacted private key>\nnext"},
		{"cut: -----BEGIN PRIVATE KEY-----\nMIIE", "cut: <redacted private key>"},
		{"-----BEGIN PUBLIC KEY-----\nMIIE", "-----BEGIN PUBLIC KEY-----\nMIIE"},
		{"paid with 4111 1111 1111 1111 today", "paid with <redacted card number> today"},
		{"card=5500-0000-0000-0004", "card=<redacted card number>"},
		{"order 4111111111111112", "order 4111111111111112"},
		{"trace 4bf92f3577b34da6a3ce929d0e0e4736", "trace 4bf92f3577b34da6a3ce929d0e0e4736"},
		{"at 1767225600000000000 ns", "at 1767225600000000000 ns"},
		{"xoxb-1234567890-abcdef and xapp-1-A0-1-abc", "<redacted slack token> and <redacted slack token>"},
		{"POST https://hooks.slack.com/services/T0/B0/xyz", "POST https://hooks.slack.com/<redacted>"},
		{"clone with ghp_0123456789abcdefghij0123", "clone with <redacted token>"},
		{"sk_live_0123456789abc", "<redacted token>"},
		{"p99 latency: 12ms, tokens: 5", "p99 latency: 12ms, tokens: 5"},
	} {
		got := Text(tc.in)
		if got != tc.want {
			t.Errorf("%q gives\n%q, expected\n%q", tc.in, got, tc.want)
		}
		if again := Text(got); again != got {
			t.Errorf("%q redacted again gives %q", got, again)
		}
	}
}

// Whatever stands around them, secrets that need no name are gone, and text without any word of theirs is as it was.
func FuzzText(f *testing.F) {
	f.Add("user ", " refused")
	f.Add(`{"a":"`, `"}`)
	f.Add("https://x:", "@y")
	f.Fuzz(func(t *testing.T, before, after string) {
		for _, secret := range []string{jwt, "AKIAIOSFODNN7EXAMPLE", "postgres://u:hunter2xyz@h"} {
			got := Text(before + " " + secret + " " + after)
			if strings.Contains(got, secret) || strings.Contains(got, "hunter2xyz") && !strings.Contains(before+after, "hunter2xyz") {
				t.Errorf("%q is left in %q", secret, got)
			}
		}
		got := Text("password=hunter2xyz")
		if strings.Contains(got, "hunter2xyz") {
			t.Error(got)
		}
	})
}

// What a sample's bound cut off in the middle of a secret is hidden up to the end.
func TestCutOff(t *testing.T) {
	for in, want := range map[string]string{
		`{"password":"hunter two`:   `{"password":<redacted>`,
		`{\"password\":\"hunter tw`: `{\"password\":<redacted>`,
		`secret='hunter two`:        `secret=<redacted>`,
		`{"password":"hunter\`:      `{"password":<redacted>`,
	} {
		if got := Text(in); got != want {
			t.Errorf("%q gives %q, expected %q", in, got, want)
		}
	}
}
