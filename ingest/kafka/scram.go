package kafka

import (
	"fmt"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"
)

// scramClient is one SCRAM conversation.
type scramClient struct {
	hash         scram.HashGeneratorFcn
	conversation *scram.ClientConversation
}

func newScram(mechanism string) func() sarama.SCRAMClient {
	hash := scram.SHA512
	if mechanism == ScramSHA256 {
		hash = scram.SHA256
	}
	return func() sarama.SCRAMClient { return &scramClient{hash: hash} }
}

// Begin implements sarama.SCRAMClient.
func (s *scramClient) Begin(username, password, authzID string) error {
	client, err := s.hash.NewClient(username, password, authzID)
	if err != nil {
		return fmt.Errorf("preparing SCRAM: %w", err)
	}
	s.conversation = client.NewConversation()
	return nil
}

// Step implements sarama.SCRAMClient.
func (s *scramClient) Step(challenge string) (string, error) { return s.conversation.Step(challenge) }

// Done implements sarama.SCRAMClient.
func (s *scramClient) Done() bool { return s.conversation.Done() }
