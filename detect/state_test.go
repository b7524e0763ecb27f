package detect

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules/expr"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestStateKeepsItsEncoding: the state that an earlier build wrote for a rule that asks for z-scores is read, and written
// again as it was. testdata/zscore.state may be written anew only together with a new stateVersion.
func TestStateKeepsItsEncoding(t *testing.T) {
	r := errorRule()
	p, faults := expr.CompileCondition(`count().zscore("20m") > 100 || count(severity >= ERROR).zscore() > 100`, expr.Options{Signal: ingest.Logs})
	if faults != nil {
		t.Fatal(faults)
	}
	r.When, r.Lateness = p, 0
	const path = "testdata/zscore.state"
	b, store := newBed(t, r), map[string]string{}
	for i := range 1200 {
		now := float64(5 * (i + 1))
		if i%3 == 0 {
			b.feed(errorAt("a", now-3), errorAt("a", now-2))
		}
		b.idle(now)
		if i%50 != 0 {
			continue
		}
		for _, c := range b.eval.Changes() {
			if store[hex.EncodeToString(c.Key)] = hex.EncodeToString(c.Value); c.Value == nil {
				delete(store, hex.EncodeToString(c.Key))
			}
		}
	}
	var written strings.Builder
	for _, key := range slices.Sorted(maps.Keys(store)) {
		fmt.Fprintln(&written, key, store[key])
	}
	if *update {
		if err := os.WriteFile(path, []byte(written.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(golden, []byte(written.String())) {
		t.Errorf("the state is written as\n%.300s\nexpected\n%.300s", written.String(), golden)
	}
	e := evaluatorOf(t, b.set)
	for line := range strings.Lines(string(golden)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		k, _ := hex.DecodeString(key)
		v, _ := hex.DecodeString(value)
		if err := e.Restore(k, v); err != nil {
			t.Error(err)
		}
	}
	if _, err := e.Apply(b.panes, nil); err != nil {
		t.Fatal(err)
	}
	if g := e.rules[0].list[0]; g.life == nil || e.rules[0].step < at0/int64(5*time.Second)+1100 {
		t.Error("the group is restored without its past")
	}
}
