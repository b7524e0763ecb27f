package otlp

import (
	"testing"

	"github.com/freshet-dev/freshet/ingest"
)

func TestEncodeGauges(t *testing.T) {
	value, err := EncodeGauges([]Gauge{
		{Name: "a", Unit: "s", Attributes: map[string]string{"service_name": "pay"}, Time: 5, Value: 1.5},
		{Name: "a", Unit: "s", Attributes: map[string]string{"service_name": "cart"}, Time: 5, Value: 2},
		{Name: "b", Time: 10, Value: -1},
	})
	if err != nil {
		t.Fatal(err)
	}
	var b ingest.Batch
	if err := new(Metrics).Decode(value, &b); err != nil {
		t.Fatal(err)
	}
	if len(b.Records) != 3 {
		t.Fatalf("%d points", len(b.Records))
	}
	if r := b.Records[1]; r.Name != "a" || r.Time != 5 || r.Point.Value != ingest.DoubleValue(2) || r.Point.Unit != "s" || r.Lookup("service_name").Str != "cart" {
		t.Errorf("%+v %+v", r, r.Point)
	}
	if r := b.Records[2]; r.Name != "b" || r.Point.Value != ingest.DoubleValue(-1) {
		t.Errorf("%+v", r)
	}
}
