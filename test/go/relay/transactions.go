package main

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"gitaly-operator.example/test/internal/message"
	"gitaly-operator.example/test/internal/rawgrpc"
)

// transactions counts the votes of writes.
type transactions struct {
	mutex  sync.Mutex
	nextID uint64
	open   map[uint64]*transaction
}

// transaction is one write. A phase is decided when all storages have voted in it.
type transaction struct {
	voters  int
	mutex   sync.Mutex
	votes   map[message.Phase]int
	decided map[message.Phase]chan struct{}
}

func newTransactions() *transactions {
	return &transactions{open: map[uint64]*transaction{}}
}

func (transactions *transactions) begin(voters int) (id uint64, end func()) {
	transactions.mutex.Lock()
	defer transactions.mutex.Unlock()
	transactions.nextID++
	id = transactions.nextID
	transactions.open[id] = &transaction{
		voters:  voters,
		votes:   map[message.Phase]int{},
		decided: map[message.Phase]chan struct{}{},
	}
	return id, func() {
		transactions.mutex.Lock()
		defer transactions.mutex.Unlock()
		delete(transactions.open, id)
	}
}

// serve answers VoteTransaction.
func (transactions *transactions) serve(_ any, stream grpc.ServerStream) error {
	request := &rawgrpc.Frame{}
	if err := stream.RecvMsg(request); err != nil {
		return err
	}
	vote, err := message.ReadVote(request.Payload)
	if err != nil {
		return status.Errorf(codes.InvalidArgument, "reading a vote: %v", err)
	}
	transactions.mutex.Lock()
	transaction := transactions.open[vote.Transaction]
	transactions.mutex.Unlock()
	if transaction == nil {
		return status.Errorf(codes.NotFound, "transaction not found: %d", vote.Transaction)
	}
	if err := transaction.cast(stream.Context(), vote.Phase); err != nil {
		return err
	}
	return stream.SendMsg(&rawgrpc.Frame{})
}

// cast waits until the phase is decided.
func (transaction *transaction) cast(ctx context.Context, phase message.Phase) error {
	transaction.mutex.Lock()
	decided := transaction.decided[phase]
	if decided == nil {
		decided = make(chan struct{})
		transaction.decided[phase] = decided
	}
	transaction.votes[phase]++
	if transaction.votes[phase] == transaction.voters {
		close(decided)
	}
	transaction.mutex.Unlock()
	select {
	case <-decided:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
