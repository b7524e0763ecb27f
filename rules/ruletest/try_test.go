package ruletest
import ("testing";"fmt";"github.com/freshet-dev/freshet/ingest/event";"github.com/freshet-dev/freshet/ingest";"time")
func TestTry(t *testing.T) {
	f, ps, err := Load("testdata/shop_test.yaml", Options{Events: &event.JSON{Signal: ingest.Events}})
	for _, p := range ps { fmt.Println(p.Render(false)) }
	if err != nil || f == nil { t.Fatal(err) }
	for _, x := range f.Tests {
		b := time.Now()
		r, err := x.Run(t.Context())
		fmt.Println(x.Name, time.Since(b), err)
		for _, f := range r.Failures { fmt.Println(f) }
		for _, tr := range r.Transitions { fmt.Println(tr) }
	}
}
