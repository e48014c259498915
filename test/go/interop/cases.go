package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

type testCase struct {
	name string
	run  func(context.Context, *client) error
}

// cases in the order in which they run: those that lose connections come last.
var cases = []testCase{
	{"one message each way", oneMessage},
	{"many answers", manyAnswers},
	{"many requests", manyRequests},
	{"messages that follow each other", pingPong},
	{"empty messages", emptyMessages},
	{"messages of nearly 4 MiB", largeMessages},
	{"an end without an answer", endWithoutAnswer},
	{"a status and nothing else", trailersOnly},
	{"a status after an answer", statusAfterAnswer},
	{"metadata that is large", largeMetadata},
	{"metadata of many keys", manyKeys},
	{"keys that repeat, and binary ones", repeatedKeys},
	{"a client that cancels", clientCancels},
	{"a deadline", deadline},
	{"more calls at once than the proxy takes", manyCalls},
	{"no message at all", noMessage},
	{"a first message that is too long", longFirstMessage},
	{"a message that is too long for the storage", longMessage},
	{"an answer that is too long for the client", longAnswer},
	{"a server that does not read everything", earlyEnd},
	{"a storage lost inside a message", cutInside},
	{"calls after that", afterLoss},
	{"a storage lost between messages", cutBetween},
	{"calls after that too", afterLoss},
}

func oneMessage(ctx context.Context, client *client) error {
	call, err := client.open(ctx, "echo", "")
	if err != nil {
		return err
	}
	payload := patterned(1000)
	if err := errors.Join(call.send(request(payload)), call.CloseSend()); err != nil {
		return err
	}
	messages, err := call.drain()
	return errors.Join(err, expect(
		len(messages) == 1 && bytes.HasSuffix(messages[0], payload) && !bytes.Contains(messages[0], []byte("interop.git")),
		"got %d messages", len(messages),
	))
}

func manyAnswers(ctx context.Context, client *client) error {
	sizes := []int{0, 1, 5, 16383, 16384, 16385, 65536, 1 << 20, 0, 0, 7}
	for range 100 {
		sizes = append(sizes, 3000)
	}
	call, err := client.start(ctx, "produce", strings.Trim(fmt.Sprint(sizes), "[]"))
	if err != nil {
		return err
	}
	messages, err := call.drain()
	isEqual := slices.EqualFunc(messages, sizes, func(message []byte, size int) bool {
		return bytes.Equal(message, patterned(size))
	})
	return errors.Join(err, expect(isEqual, "got %d messages", len(messages)))
}

func manyRequests(ctx context.Context, client *client) error {
	call, err := client.start(ctx, "count", "")
	if err != nil {
		return err
	}
	total := 0
	for i := range 200 {
		size := i * i % 70_000
		total += size
		if err := call.send(patterned(size)); err != nil {
			return err
		}
	}
	if err := call.CloseSend(); err != nil {
		return err
	}
	messages, err := call.drain()
	want := fmt.Sprintf("200 %d", total)
	return errors.Join(err, expect(string(bytes.Join(messages, nil)) == want, "got %q, want %q", messages, want))
}

func pingPong(ctx context.Context, client *client) error {
	return echoAll(ctx, client, func(i int) []byte { return patterned(i * 100) }, 100)
}

func emptyMessages(ctx context.Context, client *client) error {
	return echoAll(ctx, client, func(int) []byte { return []byte{} }, 20)
}

func largeMessages(ctx context.Context, client *client) error {
	return echoAll(ctx, client, func(int) []byte { return patterned(4<<20 - 1) }, 3)
}

// echoAll sends messages, each when the answer to the last one is there.
func echoAll(ctx context.Context, client *client, payload func(int) []byte, times int) error {
	call, err := client.start(ctx, "echo", "")
	if err != nil {
		return err
	}
	if _, err := call.receive(); err != nil {
		return err
	}
	for i := range times {
		if err := call.send(payload(i)); err != nil {
			return err
		}
		got, err := call.receive()
		if err := errors.Join(err, expect(bytes.Equal(got, payload(i)), "message %d has %d bytes", i, len(got))); err != nil {
			return err
		}
	}
	if err := call.CloseSend(); err != nil {
		return err
	}
	rest, err := call.drain()
	return errors.Join(err, expect(len(rest) == 0, "%d messages too many", len(rest)))
}

func endWithoutAnswer(ctx context.Context, client *client) error {
	call, err := client.start(ctx, "produce", "")
	if err != nil {
		return err
	}
	messages, err := call.drain()
	return errors.Join(err, expect(len(messages) == 0, "got %d messages", len(messages)))
}

// someStatus has details, and a text that must be encoded on the wire.
func someStatus() (*spb.Status, string) {
	detail, err := anypb.New(durationpb.New(time.Minute))
	if err != nil {
		panic(err)
	}
	told := &spb.Status{Code: int32(codes.FailedPrecondition), Message: "100 % größer\n", Details: []*anypb.Any{detail}}
	bytes, err := proto.Marshal(told)
	if err != nil {
		panic(err)
	}
	return told, base64.StdEncoding.EncodeToString(bytes)
}

func trailersOnly(ctx context.Context, client *client) error {
	told, argument := someStatus()
	call, err := client.start(ctx, "status", argument)
	if err != nil {
		return err
	}
	messages, err := call.drain()
	return expect(
		len(messages) == 0 && proto.Equal(status.Convert(err).Proto(), told),
		"got %d messages and %v", len(messages), err,
	)
}

func statusAfterAnswer(ctx context.Context, client *client) error {
	told, argument := someStatus()
	call, err := client.start(ctx, "answer and status", argument)
	if err != nil {
		return err
	}
	messages, err := call.drain()
	return expect(
		len(messages) == 1 && proto.Equal(status.Convert(err).Proto(), told),
		"got %d messages and %v", len(messages), err,
	)
}

func largeMetadata(ctx context.Context, client *client) error {
	return echoMetadata(ctx, client, metadata.Pairs("x-large", strings.Repeat("large ", 17_000)+"."))
}

func manyKeys(ctx context.Context, client *client) error {
	sent := metadata.MD{}
	for i := range 200 {
		sent.Set(fmt.Sprintf("x-key-%03d", i), fmt.Sprint(i))
	}
	return echoMetadata(ctx, client, sent)
}

func repeatedKeys(ctx context.Context, client *client) error {
	return echoMetadata(ctx, client, metadata.MD{
		"x-repeated":     {"b", "a", "", "b", "with, comma", "~"},
		"x-repeated-bin": {string(patterned(256)), "", "\xff\x00", "a,b", "\x00"},
	})
}

// echoMetadata finds the metadata that is sent in the answer's headers and in its trailers.
func echoMetadata(ctx context.Context, client *client, sent metadata.MD) error {
	call, err := client.start(ctx, "echo", "", sent)
	if err != nil {
		return err
	}
	if err := call.CloseSend(); err != nil {
		return err
	}
	if _, err := call.drain(); err != nil {
		return err
	}
	headers, err := call.Header()
	if err != nil {
		return err
	}
	for key, values := range sent {
		for _, got := range []metadata.MD{headers, call.Trailer()} {
			if !slices.Equal(got[key], values) {
				return fmt.Errorf("%s is %.200q, want %.200q", key, got[key], values)
			}
		}
	}
	return nil
}

func clientCancels(ctx context.Context, client *client) error {
	cancelled, cancel := context.WithCancel(ctx)
	defer cancel()
	call, err := client.start(cancelled, "hang", "cancelled")
	if err != nil {
		return err
	}
	if _, err := client.awaitHung(ctx, "cancelled", false); err != nil {
		return err
	}
	cancel()
	_, err = call.receive()
	_, unheard := client.awaitHung(ctx, "cancelled", true)
	return errors.Join(unheard, expectCode(err, codes.Canceled))
}

func deadline(ctx context.Context, client *client) error {
	// More and more, until it is enough for the call to reach the storage, however busy the machine is.
	for limit := time.Second; ; limit *= 2 {
		name := fmt.Sprintf("limited to %v", limit)
		if err := callWithin(ctx, client, limit, name); err != nil {
			return err
		}
		if _, err := client.tell(ctx, name); status.Code(err) == codes.NotFound {
			continue
		}
		hung, err := client.awaitHung(ctx, name, true)
		return errors.Join(err, expect(
			hung.RemainingMs > 0 && hung.RemainingMs <= limit.Milliseconds(),
			"the storage was told %d ms", hung.RemainingMs,
		))
	}
}

func callWithin(ctx context.Context, client *client, limit time.Duration, name string) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	call, err := client.start(limited, "hang", name)
	if err == nil {
		_, err = call.receive()
	}
	return expectCode(err, codes.DeadlineExceeded)
}

// awaitHung waits until the storage knows of the call, or of its end.
func (client *client) awaitHung(ctx context.Context, name string, hasEnded bool) (hungCall, error) {
	for {
		hung, err := client.tell(ctx, name)
		if err == nil && hung.HasEnded == hasEnded {
			return hung, nil
		}
		if err != nil && status.Code(err) != codes.NotFound {
			return hung, err
		}
	}
}

// tell asks what the storage knows of a call: NotFound if it has not heard of it.
func (client *client) tell(ctx context.Context, name string) (hungCall, error) {
	hung := hungCall{}
	call, err := client.start(ctx, "tell", name)
	if err != nil {
		return hung, err
	}
	messages, err := call.drain()
	if err != nil {
		return hung, err
	}
	return hung, json.Unmarshal(bytes.Join(messages, nil), &hung)
}

func noMessage(ctx context.Context, client *client) error {
	call, err := client.open(ctx, "echo", "")
	if err != nil {
		return err
	}
	if err := call.CloseSend(); err != nil {
		return err
	}
	_, err = call.drain()
	return expectCode(err, codes.Internal)
}

func longFirstMessage(ctx context.Context, client *client) error {
	call, err := client.open(ctx, "echo", "")
	if err != nil {
		return err
	}
	if err := call.send(request(make([]byte, 4<<20))); err != nil {
		return err
	}
	_, err = call.drain()
	return expectCode(err, codes.ResourceExhausted)
}

func longMessage(ctx context.Context, client *client) error {
	call, err := client.start(ctx, "count", "")
	if err != nil {
		return err
	}
	if err := call.send(make([]byte, 16<<20)); err != nil {
		return err
	}
	_, err = call.drain()
	return expectCode(err, codes.ResourceExhausted)
}

func longAnswer(ctx context.Context, client *client) error {
	call, err := client.start(ctx, "produce", "16777216")
	if err != nil {
		return err
	}
	_, err = call.drain()
	return expectCode(err, codes.ResourceExhausted)
}

func earlyEnd(ctx context.Context, client *client) error {
	call, err := client.start(ctx, "first only", "")
	if err != nil {
		return err
	}
	// More than all windows on the way hold.
	for range 100 {
		if err := call.send(make([]byte, 1<<20)); err != nil {
			return err
		}
	}
	_, err = call.drain()
	return err
}

func cutInside(ctx context.Context, client *client) error {
	call, err := client.start(ctx, "cut inside", "")
	if err != nil {
		return err
	}
	_, err = call.drain()
	return expectCode(err, client.lost)
}

func cutBetween(ctx context.Context, client *client) error {
	call, err := client.start(ctx, "cut between", "")
	if err != nil {
		return err
	}
	got, err := call.receive()
	if err := errors.Join(err, expect(string(got) == "whole", "got %q", got)); err != nil {
		return err
	}
	if err := call.send([]byte("go on")); err != nil {
		return err
	}
	_, err = call.drain()
	return expectCode(err, codes.Unavailable)
}

// afterLoss waits until the proxy has found the storage again.
func afterLoss(ctx context.Context, client *client) error {
	for {
		err := oneMessage(ctx, client)
		if status.Code(err) != codes.Unavailable {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func expectCode(err error, code codes.Code) error {
	return expect(status.Code(err) == code, "got %v, want %v", err, code)
}
