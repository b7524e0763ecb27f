package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
)

const orderRules = `
groups:
  - name: orders
    rules:
      - alert: OrderFailed
        from: events
        topic: %s
        interval: 1s
        window: 20s
        when: count(failed == true) >= 2
`

// Records that were refused for their size are counted, each once, when the limit is raised and they are sent back; one
// that is bad for good comes back and is known as such.
func TestDeadLettersAreSentBack(t *testing.T) {
	t.Parallel()
	onEachKafka(t, func(t *testing.T, k *cluster) {
		hook := newReceiver(t)
		orders := k.topic("orders")
		base := k.config(t, fmt.Sprintf(orderRules, orders), hook.URL, harness.FreeAddress(t)) +
			"detect: {flush_interval: 50ms}\ningest: {topics: [{name: " + orders + ", signal: events, format: json}], max_record_bytes: "
		small, large := base+"1KiB}\n", base+"1MiB}\n"

		p := harness.Start(t, small, "run").Running()
		order := func(n int) []byte {
			return mustJSON(t, map[string]any{"failed": true, "id": n, "items": strings.Repeat("x", 2000)})
		}
		k.produce(t, orders, order(1), order(2), []byte("no json"))
		list := func() (records, replayed, cameBack map[string]int) {
			records, replayed, cameBack = map[string]int{}, map[string]int{}, map[string]int{}
			var groups []struct {
				Topic, Kind       string
				Records, Replayed int
				CameBack          int `json:"came_back"`
			}
			if err := json.Unmarshal([]byte(harness.Output(t, small, "dead-letter", "list", "--json")), &groups); err != nil {
				t.Fatal(err)
			}
			for _, g := range groups {
				if g.Topic != orders {
					t.Errorf("letters from %s", g.Topic)
				}
				records[g.Kind], replayed[g.Kind], cameBack[g.Kind] = g.Records, g.Replayed, g.CameBack
			}
			return records, replayed, cameBack
		}
		harness.Eventually(t, 60*time.Second, "two records that are too large and one that is no JSON", func() bool {
			records, _, _ := list()
			return records["too_large"] == 2 && len(records) == 2
		})
		p.Stop()

		p = harness.Start(t, large, "run").Running()
		for range 2 {
			harness.Output(t, large, "dead-letter", "replay", "--yes", "--topic", orders)
		}
		m := hook.once(t, 60*time.Second, "OrderFailed", "firing")
		if v := m.Alerts[0].Freshet.Value; v == nil || *v != 2 {
			t.Errorf("value %v, want 2", v)
		}
		harness.Eventually(t, 30*time.Second, "the record that is no JSON to come back", func() bool {
			_, _, cameBack := list()
			total := 0
			for _, n := range cameBack {
				total += n
			}
			return total == 1
		})
		if out := harness.Output(t, large, "dead-letter", "replay", "--yes"); !strings.Contains(out, "1 record replayed before and came back") ||
			!strings.Contains(out, "0 records sent back") {
			t.Errorf("replayed again: %s", out)
		}
		if n := len(k.read(t, orders)); n != 6 {
			t.Errorf("topic %s has %d records, want the three and each once more", orders, n)
		}
		p.Stop()
	})
}
