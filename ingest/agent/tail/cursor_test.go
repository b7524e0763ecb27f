package tail

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// oracle returns the lines of a whole file in the dumbest way.
func oracle(content []byte, limit int, final bool) (lines []string) {
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	parts := strings.SplitAfter(string(content), "\n")
	for _, p := range parts {
		p = strings.TrimLeft(p, "\x00")
		whole := strings.HasSuffix(p, "\n")
		p = strings.TrimSuffix(p, "\n")
		switch {
		case len(p) > limit:
			lines = append(lines, p[:limit]+"…")
		case !whole && !final:
		case strings.TrimSuffix(p, "\r") != "":
			lines = append(lines, strings.TrimSuffix(p, "\r"))
		}
	}
	return lines
}

// readInPieces reads content through a cursor as a growing file would be, in reads of at most share bytes.
func readInPieces(t *testing.T, content []byte, sizes []int, limit, share int) (lines []string) {
	t.Helper()
	var c cursor
	emit := func(text []byte, truncated bool) {
		line := string(text)
		if truncated {
			line += "…"
		}
		lines = append(lines, line)
	}
	for i, size := range sizes {
		last := i == len(sizes)-1
		for {
			data := content[c.offset:min(size, int(c.offset)+share)]
			atEnd := int(c.offset)+len(data) == size
			next := c.lines(data, limit, last && atEnd, emit)
			if want := content[max(0, next.offset-markBytes):next.offset]; !bytes.Equal(next.mark, want) {
				t.Fatalf("the mark at %d is %q, want %q", next.offset, next.mark, want)
			}
			if want := content[:min(markBytes, next.offset)]; !bytes.Equal(next.head, want) {
				t.Fatalf("the head at %d is %q, want %q", next.offset, next.head, want)
			}
			moved := next.offset > c.offset
			c = next
			if atEnd {
				break
			}
			if !moved {
				t.Fatalf("no progress at %d with %d bytes", c.offset, len(data))
			}
		}
	}
	if int(c.offset) != len(content) {
		t.Fatalf("ended at %d of %d", c.offset, len(content))
	}
	return lines
}

func TestLinesDoNotDependOnTheCut(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 20_000 {
		limit := 2 + rng.IntN(12) // longer than a part of a byte order mark
		var content []byte
		if rng.IntN(4) == 0 {
			content = append(content, "\xef\xbb\xbf"...)
		}
		for range rng.IntN(40) {
			content = append(content, "ab\r\n\n\x00é"[rng.IntN(8)])
		}
		sizes := []int{len(content)}
		for range rng.IntN(6) {
			sizes = append(sizes, rng.IntN(len(content)+1))
		}
		slices.Sort(sizes)
		want := oracle(content, limit, true)
		if got := readInPieces(t, content, sizes, limit, limit+1+rng.IntN(5)); !slices.Equal(got, want) {
			t.Fatalf("case %d: %q in pieces %v with limit %d gave %q, want %q", i, content, sizes, limit, got, want)
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("one\ntwo\r\n\n\x00\x00three"), uint8(4), uint8(3))
	f.Add([]byte("\xef\xbb\xbfbom\n"), uint8(1), uint8(1))
	f.Fuzz(func(t *testing.T, content []byte, limit, piece uint8) {
		var sizes []int
		for at := 0; at < len(content); at += 1 + int(piece) {
			sizes = append(sizes, at)
		}
		sizes = append(sizes, len(content))
		l := 2 + int(limit)
		if got, want := readInPieces(t, content, sizes, l, l+1), oracle(content, l, true); !slices.Equal(got, want) {
			t.Errorf("%q gave %q, want %q", content, got, want)
		}
	})
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"/var/log/*.log", "/var/log/a.log", true},
		{"/var/log/*.log", "/var/log/x/a.log", false},
		{"/var/**/*.log", "/var/a.log", true},
		{"/var/**/*.log", "/var/x/y/a.log", true},
		{"/var/**", "/var/x/y", true},
		{"/var/**/y/*", "/var/x/y/z", true},
		{"/var/**/y/*", "/var/x/z", false},
		{"/a[bc]/d?", "/ac/dx", true},
		{"/a", "/a/b", false},
	} {
		if got := match(c.pattern, c.path); got != c.want {
			t.Errorf("match(%q, %q) is %v", c.pattern, c.path, got)
		}
	}
	for pattern, good := range map[string]bool{"/a/**/b": true, "/a/**b": false, "/a/[": false, "/a/*.log": true} {
		if err := CheckPattern(pattern); (err == nil) != good {
			t.Errorf("CheckPattern(%q): %v", pattern, err)
		}
	}
	for pattern, want := range map[string]string{"/var/log/*.log": "/var/log/", "/var/l*/x/y": "/var/", "/a/b.log": "/a/", "/*": "/"} {
		if got := baseOf(pattern); got != want {
			t.Errorf("baseOf(%q) is %q, want %q", pattern, got, want)
		}
	}
}

func ExampleStartAt_String() {
	fmt.Println(Beginning, End)
	// Output: beginning end
}
