package label

import "testing"

func TestParseMatchers(t *testing.T) {
	set := New("alertname", "ErrorSpike", "service_name", "payment", "severity", "critical")
	tests := []struct {
		matchers string
		want     bool
	}{
		{``, true},
		{`severity="critical"`, true},
		{`severity=critical`, true},
		{`{severity="critical", service_name=~"pay.*"}`, true},
		{`severity="critical", service_name=~"pay"`, false}, // anchored
		{`severity!="critical"`, false},
		{`service_name!~"check.*"`, true},
		{`service_name!~"check.*|pay.*"`, false},
		{`team=""`, true}, // the set has no such label
		{`team!=""`, false},
		{`team=~".*"`, true},
		{`team=~".+"`, false},
		{`alertname="ErrorSpike",severity=~"warning|critical"`, true},
		{`"service_name"="payment"`, true},
	}
	for _, test := range tests {
		ms, err := ParseMatchers(test.matchers)
		if err != nil {
			t.Errorf("ParseMatchers(%s): %v", test.matchers, err)
			continue
		}
		if got := ms.Match(set); got != test.want {
			t.Errorf("%s matches %s: %t, want %t", test.matchers, set, got, test.want)
		}
		again, err := ParseMatchers(ms.String())
		if err != nil || again.String() != ms.String() {
			t.Errorf("%s is written as %s, which is read as %s, %v", test.matchers, ms, again, err)
		}
	}
}

func TestParseMatchersFaults(t *testing.T) {
	for _, s := range []string{`severity`, `severity="critical`, `severity=~"("`, `=x`, `{a="b"`, `a="b" c="d"`, "a=b\xa9"} {
		if ms, err := ParseMatchers(s); err == nil {
			t.Errorf("ParseMatchers(%s) = %s, want an error", s, ms)
		}
	}
	if _, err := ParseMatcher(`a="b",c="d"`); err == nil {
		t.Error("ParseMatcher reads two matchers as one")
	}
}

func FuzzParseMatchers(f *testing.F) {
	for _, seed := range []string{`{a="b"}`, `a=~"b.*",c!="d"`, `a!~b`, `"é"="x"`, `{`, "\"=d\x00\"=\x00\u0601", "a=\xa9"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ms, err := ParseMatchers(s)
		if err != nil {
			return
		}
		ms.Match(New("a", "b"))
		if _, err := ParseMatchers(ms.String()); err != nil {
			t.Errorf("%q is written as %q, which does not parse: %v", s, ms.String(), err)
		}
	})
}
