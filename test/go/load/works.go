package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"

	"google.golang.org/grpc"

	"gitaly-operator.example/test/internal/backchannel"
	"gitaly-operator.example/test/internal/message"
	"gitaly-operator.example/test/internal/rawgrpc"
)

// pieceBytes is the size of the messages in which a stream is sent.
const pieceBytes = 128 * 1024

// call is one call of some work.
type call struct {
	*client
	caller  *caller
	storage string
	// repository is the number of the one that it is about.
	repository int
	// bytes is how much is to pass.
	bytes int64
}

// work makes one call, and tells how many bytes have passed.
type work func(ctx context.Context, call call) (int64, error)

// works are what can be measured.
var works = map[string]work{
	"read":     read,
	"write":    write,
	"create":   create,
	"download": download,
	"upload":   upload,
	"clone":    clone,
}

func (call call) request(payload int) []byte {
	path := fmt.Sprintf("@hashed/6b/86/%08d.git", call.repository)
	return message.Request(call.storage, path, make([]byte, payload))
}

func (call call) unary(ctx context.Context, method string) (int64, error) {
	ctx, cancel := call.caller.context(ctx)
	defer cancel()
	request := &rawgrpc.Counted{Payload: call.request(24)}
	return 0, call.conn.Invoke(ctx, method, request, &rawgrpc.Counted{})
}

func read(ctx context.Context, call call) (int64, error) {
	return call.unary(ctx, "/gitaly.RefService/RefExists")
}

func write(ctx context.Context, call call) (int64, error) {
	return call.unary(ctx, "/gitaly.RepositoryService/WriteRef")
}

func create(ctx context.Context, call call) (int64, error) {
	return call.unary(ctx, "/gitaly.RepositoryService/CreateRepository")
}

// open begins a stream with the first message.
func (call call) open(ctx context.Context, method string) (grpc.ClientStream, error) {
	stream, err := call.conn.NewStream(ctx, &rawgrpc.Bidi, method)
	if err != nil {
		return nil, err
	}
	return stream, stream.SendMsg(&rawgrpc.Counted{Payload: call.request(24)})
}

func download(ctx context.Context, call call) (int64, error) {
	ctx, cancel := call.caller.context(ctx, "benchmark-bytes", strconv.FormatInt(call.bytes, 10))
	defer cancel()
	stream, err := call.open(ctx, "/gitaly.RepositoryService/GetArchive")
	if err != nil {
		return 0, err
	}
	if err := stream.CloseSend(); err != nil {
		return 0, err
	}
	var received int64
	piece := &rawgrpc.Counted{}
	for {
		if err := stream.RecvMsg(piece); err == io.EOF {
			break
		} else if err != nil {
			return received, err
		}
		received += int64(piece.Length)
	}
	if received < call.bytes {
		return received, fmt.Errorf("%d of %d bytes came", received, call.bytes)
	}
	return received, nil
}

func upload(ctx context.Context, call call) (int64, error) {
	ctx, cancel := call.caller.context(ctx)
	defer cancel()
	stream, err := call.open(ctx, "/gitaly.CommitService/CheckObjectsExist")
	if err != nil {
		return 0, err
	}
	piece := &rawgrpc.Counted{Payload: call.request(pieceBytes)}
	var sent int64
	for ; sent < call.bytes; sent += pieceBytes {
		if err := stream.SendMsg(piece); err != nil {
			return sent, stream.RecvMsg(&rawgrpc.Counted{})
		}
	}
	if err := stream.CloseSend(); err != nil {
		return sent, err
	}
	if err := stream.RecvMsg(&rawgrpc.Counted{}); err != nil {
		return sent, err
	}
	if err := stream.RecvMsg(&rawgrpc.Counted{}); err != io.EOF {
		return sent, fmt.Errorf("after the answer came %w", err)
	}
	return sent, nil
}

func clone(ctx context.Context, call call) (int64, error) {
	var received int64
	received_ := make(chan error, 1)
	id, withdraw := call.sidechannels.Await(func(stream net.Conn) {
		received_ <- receivePack(stream, &received)
	})
	ctx, cancel := call.caller.context(ctx,
		"benchmark-bytes", strconv.FormatInt(call.bytes, 10),
		"gitaly-sidechannel-id", strconv.FormatInt(id, 10),
	)
	defer cancel()
	request := &rawgrpc.Counted{Payload: call.request(24)}
	method := "/gitaly.SmartHTTPService/PostUploadPackWithSidechannel"
	err := call.conn.Invoke(ctx, method, request, &rawgrpc.Counted{})
	if withdraw() {
		if err == nil {
			err = fmt.Errorf("the sidechannel was not opened")
		}
		return 0, err
	}
	if failure := <-received_; err == nil {
		err = failure
	}
	if err == nil && received != call.bytes {
		err = fmt.Errorf("%d of %d bytes came", received, call.bytes)
	}
	return received, err
}

// receivePack asks for objects, as git does, and counts what comes.
func receivePack(stream net.Conn, received *int64) error {
	want := []byte("0032want 0000000000000000000000000000000000000001\n00000009done\n")
	if err := backchannel.WriteChunk(stream, want); err != nil {
		return err
	}
	if err := backchannel.EndChunks(stream); err != nil {
		return err
	}
	count, err := io.Copy(io.Discard, stream)
	*received = count
	return err
}
