package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"gitaly-operator.example/test/internal/backchannel"
	"gitaly-operator.example/test/internal/message"
	"gitaly-operator.example/test/internal/rawgrpc"
)

// replicaPath is as long as the paths at which Praefect keeps repositories.
const replicaPath = "@cluster/repositories/6b/86/6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"

// mutators are the writes that a benchmark makes.
var mutators = map[string]bool{"/gitaly.RepositoryService/WriteRef": true}

type relay struct {
	storages     []*storage
	transactions *transactions
	turn         atomic.Uint64
}

// destination is the call to one storage.
type destination struct {
	grpc.ClientStream
	first *rawgrpc.Frame
}

// serve relays a call: the first message tells what it is about, and goes on with other names.
func (relay *relay) serve(_ any, client grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(client)
	first := &rawgrpc.Frame{}
	if err := client.RecvMsg(first); err != nil {
		return err
	}
	repository, err := message.ReadRepository(first.Payload)
	if err != nil || repository.Storage == "" {
		return status.Error(codes.InvalidArgument, "repo scoped: the request has no repository")
	}
	incoming, _ := metadata.FromIncomingContext(client.Context())
	outgoing := incoming.Copy()
	outgoing.Set("virtual_storage", repository.Storage)
	ctx, cancel := context.WithCancel(client.Context())
	defer cancel()

	storages := relay.route(method)
	if len(storages) == 1 {
		finished := offerSidechannel(client.Context(), storages[0], outgoing)
		only, err := call(ctx, storages[0], method, first, outgoing)
		if err != nil {
			return err
		}
		return pump(client, nil, only, finished)
	}
	id, end := relay.transactions.begin(len(storages))
	defer end()
	var destinations []destination
	for index, storage := range storages {
		own := outgoing.Copy()
		transaction := fmt.Sprintf(`{"id":%d,"node":%q,"primary":%t}`, id, storage.name, index == 0)
		own.Set("gitaly-reference-transaction", base64.StdEncoding.EncodeToString([]byte(transaction)))
		next, err := call(ctx, storage, method, first, own)
		if err != nil {
			return err
		}
		destinations = append(destinations, next)
	}
	return pump(client, destinations[1:], destinations[0], nil)
}

// route gives the storages of a call, the primary first.
func (relay *relay) route(method string) []*storage {
	if mutators[method] {
		return relay.storages
	}
	turn := relay.turn.Add(1) % uint64(len(relay.storages))
	return relay.storages[turn : turn+1]
}

func call(
	ctx context.Context, storage *storage, method string, first *rawgrpc.Frame, outgoing metadata.MD,
) (destination, error) {
	rewritten, err := message.Rewrite(first.Payload, message.Repository{
		Storage:      storage.name,
		RelativePath: replicaPath,
	})
	if err != nil {
		return destination{}, err
	}
	ctx = metadata.NewOutgoingContext(ctx, outgoing)
	stream, err := storage.conn.NewStream(ctx, &rawgrpc.Bidi, method)
	return destination{stream, &rawgrpc.Frame{Payload: rewritten}}, err
}

// offerSidechannel lets the storage open the client's sidechannel, if the client has one. The
// function that it returns waits for the end of what passes there.
func offerSidechannel(ctx context.Context, storage *storage, outgoing metadata.MD) func() error {
	ids := outgoing.Get("gitaly-sidechannel-id")
	if len(ids) == 0 {
		return nil
	}
	joined := make(chan error, 1)
	id, withdraw := storage.sidechannels.Await(func(upstream net.Conn) {
		joined <- join(ctx, upstream, ids[len(ids)-1])
	})
	outgoing.Set("gitaly-sidechannel-id", strconv.FormatInt(id, 10))
	return func() error {
		if withdraw() {
			return nil
		}
		select {
		case err := <-joined:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// join passes the bytes of a sidechannel: framing is the same on both legs.
func join(ctx context.Context, upstream net.Conn, clientID string) error {
	id, err := strconv.ParseInt(clientID, 10, 64)
	if err != nil {
		return err
	}
	client, err := backchannel.PeerOf(ctx)
	if err != nil {
		return err
	}
	downstream, err := client.OpenSidechannel(id)
	if err != nil {
		return err
	}
	defer downstream.Close()
	go io.Copy(upstream, downstream)
	_, err = io.Copy(downstream, upstream)
	return err
}

// pump passes messages until the answer of the primary has ended, and the secondaries'.
func pump(
	client grpc.ServerStream, secondaries []destination, primary destination, finished func() error,
) error {
	requests := make(chan error, 1)
	go func() { requests <- passRequests(client, append(secondaries, primary)) }()
	drained := make(chan error, 1)
	go func() { drained <- drain(secondaries) }()
	answers := make(chan error, 1)
	go func() { answers <- passAnswers(primary, client, finished) }()
	for answered, secondariesDone := false, false; !answered || !secondariesDone; {
		select {
		case err := <-requests:
			if err != nil {
				return status.Errorf(codes.Internal, "relaying the request: %v", err)
			}
		case err := <-drained:
			if err != nil {
				return status.Errorf(codes.Internal, "a secondary: %v", err)
			}
			secondariesDone = true
		case err := <-answers:
			client.SetTrailer(primary.Trailer())
			if err != nil {
				return err
			}
			answered = true
		}
	}
	return nil
}

func passRequests(client grpc.ServerStream, destinations []destination) error {
	queues := make([]chan *rawgrpc.Frame, len(destinations))
	sent := make(chan error, len(destinations))
	for index, to := range destinations {
		queues[index] = make(chan *rawgrpc.Frame, 16)
		queues[index] <- to.first
		go func() { sent <- passQueue(queues[index], to) }()
	}
	err := passClient(client, queues)
	for _, queue := range queues {
		close(queue)
	}
	for range destinations {
		err = errors.Join(err, <-sent)
	}
	return err
}

func passClient(client grpc.ServerStream, queues []chan *rawgrpc.Frame) error {
	for {
		frame := &rawgrpc.Frame{}
		if err := client.RecvMsg(frame); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		for _, queue := range queues {
			select {
			case queue <- frame:
			case <-client.Context().Done():
				return client.Context().Err()
			}
		}
	}
}

func passQueue(queue <-chan *rawgrpc.Frame, to destination) error {
	for frame := range queue {
		// EOF: the storage has answered, and the answer tells the rest.
		if err := to.SendMsg(frame); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	return to.CloseSend()
}

func drain(destinations []destination) error {
	ended := make(chan error, len(destinations))
	for _, from := range destinations {
		go func() {
			for {
				if err := from.RecvMsg(&rawgrpc.Frame{}); errors.Is(err, io.EOF) {
					ended <- nil
					return
				} else if err != nil {
					ended <- err
					return
				}
			}
		}()
	}
	var err error
	for range destinations {
		err = errors.Join(err, <-ended)
	}
	return err
}

func passAnswers(primary destination, client grpc.ServerStream, finished func() error) error {
	frame := &rawgrpc.Frame{}
	for index := 0; ; index++ {
		if err := primary.RecvMsg(frame); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if index == 0 {
			if finished != nil {
				if err := finished(); err != nil {
					return status.Errorf(codes.Internal, "sidechannel: %v", err)
				}
			}
			header, err := primary.Header()
			if err != nil {
				return err
			}
			if err := client.SendHeader(header); err != nil {
				return err
			}
		}
		if err := client.SendMsg(frame); err != nil {
			return err
		}
	}
}
