package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"gitaly-operator.example/test/internal/backchannel"
	"gitaly-operator.example/test/internal/message"
	"gitaly-operator.example/test/internal/rawgrpc"
)

// pieceBytes is the size of the messages in which Gitaly sends a stream.
const pieceBytes = 128 * 1024

var (
	// yes is a message with true, or SERVING, at field 1.
	yes   = &rawgrpc.Counted{Payload: []byte{8, 1}}
	piece = newPiece(pieceBytes)
)

func newPiece(length int) []byte {
	content := make([]byte, length)
	for i := range content {
		content[i] = byte(i)
	}
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), content)
}

// serve answers every method, whatever it is called.
func serve(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	request := &rawgrpc.Counted{}
	var received int64
	for {
		if err := stream.RecvMsg(request); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		received += int64(request.Length)
	}
	metadata, _ := metadata.FromIncomingContext(stream.Context())
	if transaction := metadata.Get("gitaly-reference-transaction"); len(transaction) > 0 {
		if err := vote(stream.Context(), transaction[0]); err != nil {
			return status.Errorf(codes.Internal, "voting: %v", err)
		}
	}
	switch method {
	case "/gitaly.ServerService/ServerInfo",
		"/gitaly.ObjectPoolService/GetObjectPool",
		"/gitaly.RepositoryService/CalculateChecksum":
		return stream.SendMsg(&rawgrpc.Counted{})
	case "/gitaly.RepositoryService/GetArchive":
		return send(stream, wanted(metadata))
	case "/gitaly.CommitService/CheckObjectsExist":
		counted := protowire.AppendVarint([]byte{8}, uint64(received))
		return stream.SendMsg(&rawgrpc.Counted{Payload: counted})
	case "/gitaly.SmartHTTPService/PostUploadPackWithSidechannel":
		if err := serveClone(stream.Context(), metadata); err != nil {
			return status.Errorf(codes.Internal, "sidechannel: %v", err)
		}
	}
	return stream.SendMsg(yes)
}

// wanted is how many bytes the client asks for.
func wanted(metadata metadata.MD) int64 {
	values := metadata.Get("benchmark-bytes")
	if len(values) == 0 {
		return 0
	}
	bytes, _ := strconv.ParseInt(values[0], 10, 64)
	return bytes
}

func send(stream grpc.ServerStream, bytes int64) error {
	for bytes > 0 {
		content := piece
		if bytes < pieceBytes {
			content = newPiece(int(bytes))
		}
		if err := stream.SendMsg(&rawgrpc.Counted{Payload: content}); err != nil {
			return err
		}
		bytes -= pieceBytes
	}
	return nil
}

func serveClone(ctx context.Context, metadata metadata.MD) error {
	ids := metadata.Get("gitaly-sidechannel-id")
	if len(ids) == 0 {
		return errors.New("the call has no sidechannel")
	}
	id, err := strconv.ParseInt(ids[len(ids)-1], 10, 64)
	if err != nil {
		return err
	}
	client, err := backchannel.PeerOf(ctx)
	if err != nil {
		return err
	}
	sidechannel, err := client.OpenSidechannel(id)
	if err != nil {
		return err
	}
	defer sidechannel.Close()
	if _, err := backchannel.DrainChunks(sidechannel); err != nil {
		return err
	}
	for left := wanted(metadata); left > 0; left -= pieceBytes {
		if _, err := sidechannel.Write(piece[:min(left, pieceBytes)]); err != nil {
			return err
		}
	}
	return nil
}

// vote casts the two votes of a change to references.
func vote(ctx context.Context, encoded string) error {
	var transaction struct {
		ID   uint64
		Node string
	}
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &transaction); err != nil {
		return err
	}
	client, err := backchannel.PeerOf(ctx)
	if err != nil {
		return err
	}
	for _, phase := range []message.Phase{message.Prepared, message.Committed} {
		vote := message.Vote{
			Transaction: transaction.ID,
			Node:        transaction.Node,
			Hash:        make([]byte, 20),
			Phase:       phase,
		}
		vote.Hash[0] = 1
		answer := &rawgrpc.Counted{}
		request := &rawgrpc.Counted{Payload: vote.Marshal()}
		err := client.Calls.Invoke(ctx, "/gitaly.RefTransaction/VoteTransaction", request, answer)
		if err != nil {
			return err
		}
		// COMMIT is the default value, which is not written.
		if answer.Length != 0 && string(answer.Head) != "\x08\x00" {
			return fmt.Errorf("the proxy answered %x", answer.Head)
		}
	}
	return nil
}
