// Package rawgrpc lets gRPC carry messages as bytes that nobody decodes.
package rawgrpc

import (
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
)

// Frame is a message that is kept as it stands on the wire, as Praefect's codec keeps it.
type Frame struct{ Payload []byte }

// Codec takes frames.
type Codec struct{}

// Marshal gives the bytes of a frame.
func (Codec) Marshal(message any) ([]byte, error) {
	frame, ok := message.(*Frame)
	if !ok {
		return nil, fmt.Errorf("%T is no frame", message)
	}
	return frame.Payload, nil
}

// Unmarshal fills a frame.
func (Codec) Unmarshal(payload []byte, message any) error {
	frame, ok := message.(*Frame)
	if !ok {
		return fmt.Errorf("%T is no frame", message)
	}
	frame.Payload = payload
	return nil
}

// Name is the one of protobuf: that is what the messages are.
func (Codec) Name() string { return "proto" }

// Counted is a message of which only the first bytes and the length matter. For ends of a measured
// path, which should cost as little as they can.
type Counted struct {
	// Payload is what is sent.
	Payload []byte
	// Length is what was received.
	Length int
	// Head holds the first bytes of what was received, at most 512.
	Head []byte
}

// CountingCodec takes counted messages, and copies no more than their heads.
type CountingCodec struct{}

const headBytes = 512

// Marshal gives the bytes of a message.
func (CountingCodec) Marshal(message any) (mem.BufferSlice, error) {
	counted, ok := message.(*Counted)
	if !ok {
		return nil, fmt.Errorf("%T is no counted message", message)
	}
	return mem.BufferSlice{mem.SliceBuffer(counted.Payload)}, nil
}

// Unmarshal counts what came.
func (CountingCodec) Unmarshal(data mem.BufferSlice, message any) error {
	counted, ok := message.(*Counted)
	if !ok {
		return fmt.Errorf("%T is no counted message", message)
	}
	counted.Length = data.Len()
	counted.Head = counted.Head[:0]
	for _, buffer := range data {
		missing := headBytes - len(counted.Head)
		if missing == 0 {
			break
		}
		piece := buffer.ReadOnlyData()
		counted.Head = append(counted.Head, piece[:min(missing, len(piece))]...)
	}
	return nil
}

// Name is the one of protobuf.
func (CountingCodec) Name() string { return "proto" }

// Bidi describes a stream that may carry any method: gRPC has the same wire for all four kinds.
var Bidi = grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
