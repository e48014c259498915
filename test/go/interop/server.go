package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	"gitaly-operator.example/test/internal/backchannel"
	"gitaly-operator.example/test/internal/rawgrpc"
)

// behaviourKey says what a call shall do.
const behaviourKey = "interop-behaviour"

// argumentKey goes with it.
const argumentKey = "interop-argument"

const healthMethod = "/grpc.health.v1.Health/Check"

func newServer(cutter *cutter, more ...grpc.ServerOption) *grpc.Server {
	callBack := grpc.WithDefaultCallOptions(grpc.ForceCodec(rawgrpc.Codec{}))
	storage := &storage{cutter: cutter, hung: map[string]hungCall{}}
	return grpc.NewServer(append(more,
		grpc.Creds(backchannel.Credentials(callBack)),
		grpc.ForceServerCodec(rawgrpc.Codec{}),
		grpc.UnknownServiceHandler(storage.handle),
		grpc.MaxSendMsgSize(64<<20),
	)...)
}

// hungCall is what is known of a call that waited until it was given up.
type hungCall struct {
	HasEnded bool `json:"hasEnded"`
	// RemainingMs is what the call had left when it came; 0 if it had no limit.
	RemainingMs int64 `json:"remainingMs"`
}

type storage struct {
	cutter *cutter
	mutex  sync.Mutex
	hung   map[string]hungCall
}

// handle serves every method, as the call's own metadata asks.
func (storage *storage) handle(_ any, stream grpc.ServerStream) error {
	if method, _ := grpc.MethodFromServerStream(stream); method == healthMethod {
		return stream.SendMsg(&rawgrpc.Frame{Payload: []byte{8, 1}})
	}
	received, _ := metadata.FromIncomingContext(stream.Context())
	argument := first(received, argumentKey)
	switch first(received, behaviourKey) {
	case "echo":
		return echo(stream, received)
	case "count":
		return count(stream)
	case "produce":
		return produce(stream, argument)
	case "status":
		return fail(argument)
	case "answer and status":
		if err := stream.SendMsg(&rawgrpc.Frame{Payload: []byte("an answer")}); err != nil {
			return err
		}
		return fail(argument)
	case "first only":
		return stream.RecvMsg(&rawgrpc.Frame{})
	case "hang":
		return storage.hang(stream.Context(), argument)
	case "tell":
		return storage.tell(stream, argument)
	case "tell sent":
		return stream.SendMsg(&rawgrpc.Frame{Payload: []byte(strconv.Itoa(storage.cutter.total()))})
	case "cut inside":
		storage.cutter.arm(100_000)
		return stream.SendMsg(&rawgrpc.Frame{Payload: make([]byte, 1<<20)})
	case "cut between":
		return storage.cutBetween(stream)
	}
	// What the proxy asks on its own account.
	return stream.SendMsg(&rawgrpc.Frame{})
}

func first(from metadata.MD, key string) string {
	if values := from.Get(key); len(values) > 0 {
		return values[0]
	}
	return ""
}

// echo sends back every message, and as headers and trailers the metadata that begins with x-.
func echo(stream grpc.ServerStream, received metadata.MD) error {
	back := metadata.MD{}
	for key, values := range received {
		if strings.HasPrefix(key, "x-") {
			back[key] = values
		}
	}
	if err := stream.SetHeader(back); err != nil {
		return err
	}
	stream.SetTrailer(back)
	message := &rawgrpc.Frame{}
	for {
		if err := stream.RecvMsg(message); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := stream.SendMsg(message); err != nil {
			return err
		}
	}
}

// count tells the number of messages after the first one, and of their bytes.
func count(stream grpc.ServerStream) error {
	message := &rawgrpc.Frame{}
	messages, bytes := -1, 0
	for {
		if err := stream.RecvMsg(message); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if messages++; messages > 0 {
			bytes += len(message.Payload)
		}
	}
	return stream.SendMsg(&rawgrpc.Frame{Payload: []byte(strconv.Itoa(messages) + " " + strconv.Itoa(bytes))})
}

// produce sends messages of these sizes.
func produce(stream grpc.ServerStream, sizes string) error {
	for _, text := range strings.Fields(sizes) {
		size, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		if err := stream.SendMsg(&rawgrpc.Frame{Payload: patterned(size)}); err != nil {
			return err
		}
	}
	return nil
}

func patterned(size int) []byte {
	bytes := make([]byte, size)
	for i := range bytes {
		bytes[i] = byte(i*7 + i>>8)
	}
	return bytes
}

// fail answers with a google.rpc.Status, given in base64.
func fail(argument string) error {
	bytes, err := base64.StdEncoding.DecodeString(argument)
	if err != nil {
		return err
	}
	told := &spb.Status{}
	if err := proto.Unmarshal(bytes, told); err != nil {
		return err
	}
	return status.ErrorProto(told)
}

// hang waits until the call is given up.
func (storage *storage) hang(ctx context.Context, name string) error {
	call := hungCall{}
	if deadline, ok := ctx.Deadline(); ok {
		call.RemainingMs = time.Until(deadline).Milliseconds()
	}
	storage.note(name, call)
	<-ctx.Done()
	call.HasEnded = true
	storage.note(name, call)
	return status.FromContextError(ctx.Err()).Err()
}

func (storage *storage) note(name string, call hungCall) {
	storage.mutex.Lock()
	defer storage.mutex.Unlock()
	storage.hung[name] = call
}

// tell answers with what is known of a call that hangs, or hung; with nothing if none did.
func (storage *storage) tell(stream grpc.ServerStream, name string) error {
	storage.mutex.Lock()
	call, ok := storage.hung[name]
	storage.mutex.Unlock()
	if !ok {
		return status.Error(codes.NotFound, "no such call")
	}
	text, err := json.Marshal(call)
	if err != nil {
		return err
	}
	return stream.SendMsg(&rawgrpc.Frame{Payload: text})
}

// cutBetween loses the connection when the client has got a whole message.
func (storage *storage) cutBetween(stream grpc.ServerStream) error {
	message := &rawgrpc.Frame{}
	if err := stream.RecvMsg(message); err != nil {
		return err
	}
	if err := stream.SendMsg(&rawgrpc.Frame{Payload: []byte("whole")}); err != nil {
		return err
	}
	// The client says that it has it.
	if err := stream.RecvMsg(message); err != nil {
		return err
	}
	storage.cutter.arm(0)
	return stream.SendMsg(&rawgrpc.Frame{Payload: []byte("lost")})
}
