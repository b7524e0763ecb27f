package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/IBM/sarama"
)

// class says what an error of Kafka calls for. Its text is the label of a metric.
type class string

const (
	// connection: the broker cannot be reached or is not (or no longer) the right one; wait and try again.
	connection class = "connection"
	// abortable: the transaction cannot be committed; a new epoch, then the same again.
	abortable class = "abortable"
	// fenced: the producer's epoch is over.
	fenced class = "fenced"
	// membership: the generation or the membership in the group is over; join again.
	membership class = "generation"
	// authorization: a person has to give a permission.
	authorization class = "authorization"
	// data: the broker refuses what is asked of it as such; a person has to change a setting.
	data class = "data"
	// task: a task failed; its partition is opened anew.
	task class = "task"
)

// errClosed is returned when a client is used after Close.
var errClosed = errors.New("the Kafka client is closed")

// errTaken says that another process has taken over the transactional id of an exclusive stage, as far as can be told.
var errTaken = errors.New("the transactional id was taken over")

// errUnconfirmed says that the group has not confirmed for a session that a partition is this process's.
var errUnconfirmed = errors.New("the group has not confirmed the partition")

// errSmaller says that a topic refuses a batch of several messages for its size; smaller ones are made at the next try.
var errSmaller = errors.New("the batch is larger than its topic allows")

// refusal is the error about one message that its topic refuses for its size.
type refusal struct {
	at  int // its place among those that were to be written
	err error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// tooLarge says whether a broker refused a batch for its size.
func tooLarge(err error) bool {
	return errors.Is(err, sarama.ErrMessageSizeTooLarge) || errors.Is(err, sarama.ErrMessageSetSizeTooLarge)
}

// classify tells the class of an error; everything unknown is a connection error, to be tried again.
func classify(err error) class {
	switch {
	case errors.Is(err, sarama.ErrProducerFenced), errors.Is(err, sarama.ErrInvalidProducerEpoch):
		return fenced
	case errors.Is(err, sarama.ErrUnknownMemberId), errors.Is(err, sarama.ErrIllegalGeneration),
		errors.Is(err, sarama.ErrRebalanceInProgress), errors.Is(err, sarama.ErrFencedInstancedId),
		errors.Is(err, sarama.ErrMemberIdRequired):
		return membership
	case errors.Is(err, errSmaller), errors.Is(err, sarama.ErrOutOfOrderSequenceNumber), errors.Is(err, sarama.ErrUnknownProducerID),
		errors.Is(err, sarama.ErrInvalidProducerIDMapping), errors.Is(err, sarama.ErrInvalidTxnState),
		errors.Is(err, sarama.ErrOperationNotAttempted):
		return abortable
	case errors.Is(err, sarama.ErrTopicAuthorizationFailed), errors.Is(err, sarama.ErrGroupAuthorizationFailed),
		errors.Is(err, sarama.ErrClusterAuthorizationFailed), errors.Is(err, sarama.ErrTransactionalIDAuthorizationFailed),
		errors.Is(err, sarama.ErrSASLAuthenticationFailed), errors.Is(err, sarama.ErrUnsupportedSASLMechanism):
		return authorization
	case errors.Is(err, sarama.ErrMessageSizeTooLarge), errors.Is(err, sarama.ErrMessageSetSizeTooLarge),
		errors.Is(err, sarama.ErrInvalidRecord), errors.Is(err, sarama.ErrInvalidTopic),
		errors.Is(err, sarama.ErrInvalidRequest), errors.Is(err, sarama.ErrUnsupportedVersion),
		errors.Is(err, sarama.ErrInvalidRequiredAcks), errors.Is(err, sarama.ErrInvalidTimestamp),
		errors.Is(err, sarama.ErrInvalidSessionTimeout), errors.Is(err, sarama.ErrInvalidTransactionTimeout),
		errors.Is(err, sarama.ErrInconsistentGroupProtocol), errors.Is(err, sarama.ErrInvalidGroupId),
		errors.Is(err, sarama.ErrGroupMaxSizeReached), errors.Is(err, sarama.ErrOffsetMetadataTooLarge),
		errors.Is(err, sarama.ErrInvalidCommitOffsetSize):
		return data
	default:
		return connection
	}
}

// answered tells an error that a broker sent from one of the way to it.
func answered(err error) bool {
	_, ok := errors.AsType[sarama.KError](err)
	return ok
}

// stranger says whether a broker did not let us in.
func stranger(err error) bool {
	return errors.Is(err, sarama.ErrSASLAuthenticationFailed) || errors.Is(err, sarama.ErrUnsupportedSASLMechanism)
}

// check makes an error of a code in an answer.
func check(code sarama.KError) error {
	switch code {
	case sarama.ErrNoError:
		return nil
	case sarama.ErrProducerFenced: // sarama has no text for it
		return fmt.Errorf("another producer has taken over the transactional id: %w", code)
	default:
		return code
	}
}

// over says whether an error only means that the context has ended.
func over(ctx context.Context, err error) bool { return err != nil && ctx.Err() != nil }
