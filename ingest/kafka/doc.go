// Package kafka is freshet's way to Kafka: a client that waits for its brokers, an idempotent producer, topics, readers,
// and the loop that runs a stage exactly once.
//
//	c, err := kafka.New(kafka.Config{Brokers: []string{"127.0.0.1:9092"}}, log, reg)
//	err = c.WaitReady(ctx)
//	err = c.Run(ctx, kafka.Stage{Group: "evaluate", Instance: "host-1", Topics: …, Open: …})
//
// The wire protocol, the connections, metadata and security are sarama's. Fetching, group membership, producing and
// transactions are written here over its brokers, because a stage needs what sarama's own consumer group and producer
// keep to themselves: the exact position behind control records and compacted gaps (so that a partition can be called
// idle), the metadata of committed offsets, a start by time, partitions that are kept over a rebalance, and a transaction
// whose outcome is decided rather than guessed.
//
// # A stage
//
// Run joins a classic consumer group as a static member. Each partition it is given is fetched over a connection per
// broker and processed by one goroutine. Every FlushInterval the tasks hand over their output, and one transaction
// writes it together with the offsets and the generation of the group (KIP-447):
//
//	AddPartitionsToTxn ► Produce ∥ (AddOffsetsToTxn ► TxnOffsetCommit) ► EndTxn
//
// Whatever fails before EndTxn is answered by a new epoch of the producer (InitProducerId), which aborts the
// transaction; the output stays with its partition and goes out again, before anything newer. If the answer to EndTxn is
// lost, the same request is repeated, which the coordinator answers alike; if it no longer knows, a new epoch settles the
// transaction, and the committed offset tells: its metadata ends with the number of the flush that wrote it.
//
// At a rebalance the member flushes, joins again, and keeps the tasks of the partitions that it owned before and after,
// provided that no generation passed without it. Records go on being processed meanwhile. Partitions that are lost are
// closed after their last flush; whoever owns them next waits for the offsets of open transactions (RequireStable).
//
// An Exclusive stage has one process at work and others that stand by. They share a transactional id, and the one that is
// given the partition takes a new epoch of it first: what the one before left open is aborted at once, whatever the
// transaction timeout and the brokers' cleanup interval are, and if it still lives it is fenced and stands by.
// A process that has not heard from its group for a session asks it before it takes a new epoch in turn.
//
// A Handover puts another stage in the place of one that runs: after a flush that succeeded the tasks are closed, and
// those of the next stage begin where they ended. As long as what is read stays the same, the group does not notice.
//
// # Position
//
// A position is the offset after the last batch of records that was read, control batches and batches emptied by
// compaction included, so that it reaches the end of the partition that the same answer of the broker carries. That is
// what Task.Idle stands on: everything that was written when the request was sent has been processed. While a producer
// has a transaction open the position stays before the end: what is written there may hold any event time.
//
// # Failures
//
// Nothing ends Run but its context. A broker that is away is waited for, which is said in the log once. Retries of the
// same batch carry the same sequence number, so that they are written once.
package kafka
