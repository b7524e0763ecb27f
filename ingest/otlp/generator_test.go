package otlp

import (
	"math/rand/v2"

	"google.golang.org/protobuf/encoding/protowire"
)

// schema says what the fields of OTLP's messages hold: v varint, 8 fixed64, 4 fixed32, s text, t and p the ids of traces
// and spans, F packed or unpacked fixed64, V packed or unpacked varints, else the name of a message.
var schema = map[string]map[int]string{
	"logs": {1: "rl"}, "rl": {1: "resource", 2: "sl", 3: "s", 1000: "sl"}, "sl": {1: "scope", 2: "log", 3: "s"},
	"log": {1: "8", 2: "v", 3: "s", 5: "value", 6: "kv", 7: "v", 8: "4", 9: "t", 10: "p", 11: "8", 12: "s"},

	"spans": {1: "rs"}, "rs": {1: "resource", 2: "ss", 3: "s", 1000: "ss"}, "ss": {1: "scope", 2: "span", 3: "s"},
	"span": {
		1: "t", 2: "p", 3: "s", 4: "p", 5: "s", 6: "v", 7: "8", 8: "8", 9: "kv", 10: "v", 11: "event", 12: "v", 13: "link",
		14: "v", 15: "status", 16: "4",
	},
	"event": {1: "8", 2: "s", 3: "kv", 4: "v"}, "link": {1: "t", 2: "p", 3: "s", 4: "kv", 5: "v", 6: "4"},
	"status": {2: "s", 3: "v"},

	"metrics": {1: "rm"}, "rm": {1: "resource", 2: "sm", 3: "s", 1000: "sm"}, "sm": {1: "scope", 2: "metric", 3: "s"},
	"metric": {
		1: "s", 2: "s", 3: "s", 5: "gauge", 7: "sum", 9: "histogram", 10: "exponential", 11: "summary", 12: "kv",
	},
	"gauge": {1: "number"}, "sum": {1: "number", 2: "v", 3: "v"}, "histogram": {1: "hpoint", 2: "v"},
	"exponential": {1: "epoint", 2: "v"}, "summary": {1: "spoint"},
	"number": {2: "8", 3: "8", 4: "8", 5: "exemplar", 6: "8", 7: "kv", 8: "v"},
	"hpoint": {
		2: "8", 3: "8", 4: "8", 5: "8", 6: "F", 7: "F", 8: "exemplar", 9: "kv", 10: "v", 11: "8", 12: "8",
	},
	"epoint": {
		1: "kv", 2: "8", 3: "8", 4: "8", 5: "8", 6: "v", 7: "8", 8: "buckets", 9: "buckets", 10: "v", 11: "exemplar",
		12: "8", 13: "8", 14: "8",
	},
	"buckets": {1: "v", 2: "V"}, "spoint": {2: "8", 3: "8", 4: "8", 5: "8", 6: "quantile", 7: "kv", 8: "v"},
	"quantile": {1: "8", 2: "8"}, "exemplar": {2: "8", 3: "8", 4: "p", 5: "t", 6: "8", 7: "kv"},

	"resource": {1: "kv", 2: "v", 3: "entity"}, "entity": {1: "s", 2: "s", 3: "s", 4: "s"},
	"scope": {1: "s", 2: "s", 3: "kv", 4: "v"}, "kv": {1: "s", 2: "value", 3: "v"},
	"value": {1: "s", 2: "v", 3: "v", 4: "8", 5: "list", 6: "map", 7: "s", 8: "v"}, "list": {1: "value"}, "map": {1: "kv"},
}

// generator writes random messages after the schema, in any order and number of fields, with now and then something
// that a producer should not send.
type generator struct {
	*rand.Rand
	odd  float64 // how often
	left int     // fields that may still be written
}

func (g *generator) message(name string, depth int) []byte {
	fields := schema[name]
	numbers := make([]int, 0, len(fields))
	for n := range 1001 {
		if fields[n] != "" {
			numbers = append(numbers, n)
		}
	}
	var b []byte
	count := g.IntN(2 * len(numbers))
	if len(numbers) <= 3 {
		count = 1 + g.IntN(4)
	}
	if name == "value" && g.IntN(8) > 0 {
		count = 1
	}
	for range count {
		if g.left--; g.left < 0 {
			return b
		}
		if g.Float64() < g.odd {
			b = g.oddity(b)
			continue
		}
		n := numbers[g.IntN(len(numbers))]
		switch fields[2] {
		case "sl", "log", "ss", "span", "sm", "metric":
			if g.IntN(2) == 0 {
				n = 2
			}
		}
		b = g.field(b, protowire.Number(n), fields[n], depth)
	}
	return b
}

func (g *generator) field(b []byte, n protowire.Number, kind string, depth int) []byte {
	bytes := func(v []byte) []byte { return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v) }
	switch kind {
	case "v":
		return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), g.number())
	case "8":
		return protowire.AppendFixed64(protowire.AppendTag(b, n, protowire.Fixed64Type), g.number())
	case "4":
		return protowire.AppendFixed32(protowire.AppendTag(b, n, protowire.Fixed32Type), g.Uint32())
	case "s":
		return bytes(g.text())
	case "t", "p":
		size := 16
		if kind == "p" {
			size = 8
		}
		switch {
		case g.Float64() < g.odd:
			size = g.IntN(20)
		case g.IntN(4) == 0:
			size = 0
		}
		id := make([]byte, size)
		for i := range id {
			id[i] = byte(g.IntN(3))
		}
		return bytes(id)
	case "F":
		if g.IntN(3) == 0 {
			return protowire.AppendFixed64(protowire.AppendTag(b, n, protowire.Fixed64Type), g.number())
		}
		var packed []byte
		for range g.IntN(4) {
			packed = protowire.AppendFixed64(packed, g.number())
		}
		if g.Float64() < g.odd {
			packed = append(packed, 1)
		}
		return bytes(packed)
	case "V":
		if g.IntN(3) == 0 {
			return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), g.number())
		}
		var packed []byte
		for range g.IntN(4) {
			packed = protowire.AppendVarint(packed, g.number())
		}
		if g.Float64() < g.odd {
			packed = append(packed, 0x80)
		}
		return bytes(packed)
	default:
		if depth > 14 {
			return bytes(nil)
		}
		return bytes(g.message(kind, depth+1))
	}
}

func (g *generator) number() uint64 {
	switch g.IntN(4) {
	case 0:
		return uint64(g.IntN(4))
	case 1:
		return g.Uint64()
	default:
		return g.Uint64() >> g.IntN(64)
	}
}

func (g *generator) text() []byte {
	texts := []string{"", "a", "error", "WARN", "service.name", "é", "\xff\xfe", "a\"b\\c\n\x01", "\u2028<", "sixteen bytes ok!"}
	return []byte(texts[g.IntN(len(texts))])
}

// oddity adds a field that no message should have here: unknown, of a wrong type, a group, an overlong or broken tag.
func (g *generator) oddity(b []byte) []byte {
	n := protowire.Number(1 + g.IntN(20))
	switch g.IntN(10) {
	case 0:
		return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), g.number())
	case 1:
		return protowire.AppendFixed64(protowire.AppendTag(b, n, protowire.Fixed64Type), 1)
	case 2:
		return protowire.AppendFixed32(protowire.AppendTag(b, n, protowire.Fixed32Type), 1)
	case 3:
		return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), g.text())
	case 4:
		b = protowire.AppendTag(b, n, protowire.StartGroupType)
		for range g.IntN(3) {
			b = protowire.AppendTag(b, n, protowire.StartGroupType)
			b = protowire.AppendTag(b, n, protowire.EndGroupType)
		}
		if g.IntN(2) == 0 {
			b = g.oddity(b)
		}
		return protowire.AppendTag(b, n, protowire.EndGroupType)
	case 5: // a tag that is cut to 32 bits, so that its field may be a known one
		return protowire.AppendVarint(protowire.AppendVarint(b, uint64(n)<<3|1<<uint(35+g.IntN(20))), 1)
	case 6: // a varint of eleven bytes, or ten that overflow
		b = protowire.AppendTag(b, n, protowire.VarintType)
		for range 9 + g.IntN(2) {
			b = append(b, 0xff)
		}
		return append(b, 0x7f)
	case 7:
		return append(b, byte(g.IntN(256)))
	case 8: // an overlong length
		return append(protowire.AppendTag(b, n, protowire.BytesType), 0x81, 0x80, 0x00, 'x')
	default:
		if len(b) == 0 {
			return b
		}
		return b[:g.IntN(len(b))]
	}
}
