package agent

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/cespare/xxhash/v2"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/ingest/kafka"
)

// parcel is what one request gives: messages for one topic.
type parcel struct {
	signal, topic string
	limit         int
	messages      []kafka.Message
	// records were put into messages, rejected were larger than limit by themselves; bytes is the length of all values.
	records, rejected, bytes int
}

func newParcel(signal ingest.Signal, topic string, limit int) *parcel {
	return &parcel{signal: signal.String(), topic: topic, limit: limit}
}

// add appends a message of a number of records.
func (p *parcel) add(key uint64, value []byte, err error, records int) error {
	if err != nil {
		return fmt.Errorf("encoding %s for topic %s: %w", p.signal, p.topic, err)
	}
	// The key is text, so that it can be read wherever keys are shown.
	text := hex.AppendEncode(nil, binary.BigEndian.AppendUint64(nil, key))
	p.messages = append(p.messages, kafka.Message{Topic: p.topic, Partition: kafka.ByKey, Key: text, Value: value})
	p.records += records
	p.bytes += len(value)
	return nil
}

// rejection says to the sender what was left out, "" when nothing was.
func (p *parcel) rejection() string {
	if p.rejected == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d records are larger than %s by themselves and were dropped; raise agent.limits.max_record_bytes or send smaller records",
		p.rejected, p.records+p.rejected, Size(p.limit))
}

// resourceKey is a hash of a resource's attributes in which their order does not show: all of a resource's records get
// one key, so its series stay in one partition.
func resourceKey(r pcommon.Resource) uint64 {
	values := maps.Collect(r.Attributes().All())
	var d xxhash.Digest
	d.Reset()
	for _, k := range slices.Sorted(maps.Keys(values)) {
		_, _ = d.WriteString(k)
		_, _ = d.Write([]byte{0xff, byte(values[k].Type())})
		_, _ = d.WriteString(values[k].AsString())
		_, _ = d.Write([]byte{0xff})
	}
	return d.Sum64()
}

// fieldOverhead bounds what protobuf adds to an embedded message: a tag of one byte and a length of up to five.
const fieldOverhead = 6

// packer decides where a batch is cut. It keeps an upper bound of the encoded size of the message being filled, which
// repeats the resource and the scope of the records in it.
type packer struct {
	limit, used         int
	inResource, inScope bool
	resource, scope     int
}

// nextResource and nextScope tell the encoded size of the resource and scope, without records, that follow.
func (p *packer) nextResource(size int) {
	p.resource, p.inResource, p.inScope = size+fieldOverhead, false, false
}

func (p *packer) nextScope(size int) { p.scope, p.inScope = size+fieldOverhead, false }

// fits says whether a record of that size can be in a message at all.
func (p *packer) fits(size int) bool { return p.resource+p.scope+size+fieldOverhead <= p.limit }

// place accounts for a record that fits. cut says that it begins a new message; openResource and openScope that its
// resource or scope must be written first.
func (p *packer) place(size int) (cut, openResource, openScope bool) {
	need := size + fieldOverhead
	if !p.inResource {
		need += p.resource
	}
	if !p.inScope {
		need += p.scope
	}
	if p.used > 0 && p.used+need > p.limit {
		cut, p.used, p.inResource, p.inScope = true, 0, false, false
		need = size + fieldOverhead + p.resource + p.scope
	}
	openResource, openScope = !p.inResource, !p.inScope
	p.used += need
	p.inResource, p.inScope = true, true
	return cut, openResource, openScope
}
