package kafka

// ByKey as the partition of a Message has the producer choose one: by the key as Kafka's own clients do (murmur2), so
// that the same key goes to the same partition whoever wrote it, or any partition if there is no key.
const ByKey int32 = -1

// keyPartition returns the partition of a key among n.
func keyPartition(key []byte, n int32) int32 {
	return int32(murmur2(key)&0x7fffffff) % n // masked to 31 bits
}

// murmur2 is the 32-bit hash that Kafka's Java client partitions by.
func murmur2(data []byte) uint32 {
	const (
		seed = 0x9747b28c
		m    = 0x5bd1e995
		r    = 24
	)
	h := uint32(seed) ^ uint32(len(data)) // keys are short
	for len(data) >= 4 {
		k := uint32(data[0]) | uint32(data[1])<<8 | uint32(data[2])<<16 | uint32(data[3])<<24
		k *= m
		k ^= k >> r
		k *= m
		h *= m
		h ^= k
		data = data[4:]
	}
	switch len(data) {
	case 3:
		h ^= uint32(data[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(data[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(data[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return h
}

// spot is the partition that messages without a key go to for a while, so that they make few batches and yet spread.
type spot struct {
	partition int32
	bytes     int
}

// spotBytes is how many bytes go to one partition before the next.
const spotBytes = 64 << 10

func (s *spot) take(bytes int, count int32) int32 {
	if s.bytes >= spotBytes || s.partition >= count {
		s.partition, s.bytes = (s.partition+1)%count, 0
	}
	s.bytes += bytes
	return s.partition
}

// leave goes on from a partition whose batch is on its way.
func (s *spot) leave(partition int32) {
	if s.partition == partition {
		s.bytes = spotBytes
	}
}
