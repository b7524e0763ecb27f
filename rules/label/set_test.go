package label

import (
	"encoding/json"
	"testing"
)

func TestFromMapLeavesOutEmptyValues(t *testing.T) {
	s := FromMap(map[string]string{"b": "2", "a": "1", "c": ""})
	if want := `{a="1", b="2"}`; s.String() != want {
		t.Errorf("got %s, want %s", s, want)
	}
	if s.Get("b") != "2" || s.Get("c") != "" || s.Get("z") != "" {
		t.Errorf("Get finds %q, %q and %q in %s", s.Get("b"), s.Get("c"), s.Get("z"), s)
	}
}

func TestWithOnlyWithout(t *testing.T) {
	s := New("a", "1", "b", "2", "c", "3")
	for _, test := range []struct {
		what      string
		got, want Set
	}{
		{"With", s.With(New("b", "9", "d", "4")), New("a", "1", "b", "9", "c", "3", "d", "4")},
		{"With an empty value", s.With(Set{{"b", ""}}), New("a", "1", "c", "3")},
		{"Only", s.Only("c", "a", "x"), New("a", "1", "c", "3")},
		{"Without", s.Without("c", "a", "x"), New("b", "2")},
	} {
		if !test.got.Equal(test.want) {
			t.Errorf("%s gives %s, want %s", test.what, test.got, test.want)
		}
	}
	if want := New("a", "1", "b", "2", "c", "3"); !s.Equal(want) {
		t.Errorf("the set was changed to %s", s)
	}
}

// The fingerprint is stored in topics: it must stay what it is.
func TestFingerprintIsStable(t *testing.T) {
	got := New("alertname", "ErrorSpike", "service_name", "payment").Fingerprint().String()
	if want := "8aad401a290419d7"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if New("a", "bc").Fingerprint() == New("ab", "c").Fingerprint() {
		t.Error("name and value run together")
	}
}

func TestJSON(t *testing.T) {
	s := New("a", "1", "b", `"quoted"`)
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var again Set
	if err := json.Unmarshal(data, &again); err != nil || !again.Equal(s) {
		t.Errorf("%s is read as %s, %v", data, again, err)
	}
	f := s.Fingerprint()
	text, _ := f.MarshalText()
	var g Fingerprint
	if err := g.UnmarshalText(text); err != nil || f != g {
		t.Errorf("fingerprint %s is read as %s, %v", text, g, err)
	}
}
