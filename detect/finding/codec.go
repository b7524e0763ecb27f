package finding

import (
	"encoding/json"
	"fmt"
)

// Encode returns the finding as JSON, the value of its Kafka record.
func Encode(f *Finding) ([]byte, error) {
	b, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("encoding finding %s: %w", f.ID, err)
	}
	return b, nil
}

// Decode reads what Encode wrote. Unknown fields are ignored, so that an older reader follows a newer writer.
func Decode(value []byte) (*Finding, error) {
	f := new(Finding)
	if err := json.Unmarshal(value, f); err != nil {
		return nil, fmt.Errorf("decoding finding: %w", err)
	}
	if f.ID == "" || f.Rule == "" {
		return nil, fmt.Errorf("decoding finding: no id or no rule in %d bytes of JSON", len(value))
	}
	switch f.State {
	case Pending, Firing, Resolved:
		return f, nil
	default:
		return nil, fmt.Errorf("decoding finding %s: unknown state %q, expected pending, firing or resolved", f.ID, f.State)
	}
}
