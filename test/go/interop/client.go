package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"gitaly-operator.example/test/internal/backchannel"
	"gitaly-operator.example/test/internal/message"
	"gitaly-operator.example/test/internal/rawgrpc"
)

// client makes calls of one method through the proxy.
type client struct {
	conn   *grpc.ClientConn
	method string
	token  string
	// lost is how a call ends whose storage is lost in the middle of a message.
	lost codes.Code
	// served is how many calls the proxy takes on a connection.
	served int
}

// result is a line of the report. An empty problem is success.
type result struct {
	Case    string `json:"case"`
	Problem string `json:"problem"`
}

func runCases(args []string) error {
	flags := flag.NewFlagSet("client", flag.ContinueOnError)
	address := flags.String("address", "", "of the proxy")
	method := flags.String("method", "", "that is called")
	isWrite := flags.Bool("write", false, "the method is a write")
	served := flags.Int("served", 50, "calls that the proxy takes on a connection")
	isMultiplexed := flags.Bool("backchannel", false, "connect with a backchannel")
	if err := flags.Parse(args); err != nil {
		return err
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(rawgrpc.Codec{})),
		grpc.WithDisableRetry(),
	}
	if *isMultiplexed {
		options = append(options, backchannel.Dialer(&backchannel.Sidechannels{}, nil))
	}
	conn, err := grpc.NewClient("passthrough:///"+*address, options...)
	if err != nil {
		return err
	}
	defer conn.Close()
	// Secrets are no arguments.
	client := &client{conn: conn, method: *method, token: os.Getenv("INTEROP_TOKEN"), lost: codes.Unavailable, served: *served}
	if *isWrite {
		// Who is told UNAVAILABLE by a reset may repeat the call unasked.
		client.lost = codes.Internal
	}
	report := json.NewEncoder(os.Stdout)
	for _, each := range cases {
		outcome := result{Case: each.name}
		if err := client.try(each.run); err != nil {
			outcome.Problem = err.Error()
		}
		if err := report.Encode(outcome); err != nil {
			return err
		}
	}
	return nil
}

// caseLimit is far more than any case takes: what hangs shall not hang for ever.
const caseLimit = time.Minute

func (client *client) try(run func(context.Context, *client) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), caseLimit)
	defer cancel()
	return run(ctx, client)
}

// call is one that has been opened, and whose first message was not sent yet.
type call struct{ grpc.ClientStream }

func (client *client) open(ctx context.Context, behaviour, argument string, more ...metadata.MD) (*call, error) {
	sent := metadata.Join(append(more, metadata.Pairs(
		"authorization", "Bearer "+client.sign(time.Now()),
		behaviourKey, behaviour,
		argumentKey, argument,
	))...)
	stream, err := client.conn.NewStream(metadata.NewOutgoingContext(ctx, sent), &rawgrpc.Bidi, client.method)
	return &call{stream}, err
}

func (client *client) sign(now time.Time) string {
	issued := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(client.token))
	mac.Write([]byte(issued))
	return "v2." + hex.EncodeToString(mac.Sum(nil)) + "." + issued
}

// start opens a call and sends its first message, which says where it goes.
func (client *client) start(ctx context.Context, behaviour, argument string, more ...metadata.MD) (*call, error) {
	call, err := client.open(ctx, behaviour, argument, more...)
	if err != nil {
		return nil, err
	}
	return call, call.send(request(nil))
}

// request is a first message, with some payload.
func request(payload []byte) []byte {
	return message.Request("default", "interop.git", payload)
}

func (call *call) send(payload []byte) error {
	err := call.SendMsg(&rawgrpc.Frame{Payload: payload})
	if err == io.EOF {
		// The call has ended; how, is what receiving tells.
		return nil
	}
	return err
}

func (call *call) receive() ([]byte, error) {
	frame := &rawgrpc.Frame{}
	err := call.RecvMsg(frame)
	return frame.Payload, err
}

// drain receives until the call ends, and returns the messages and its error; none means OK.
func (call *call) drain() ([][]byte, error) {
	var messages [][]byte
	for {
		payload, err := call.receive()
		if err == io.EOF {
			return messages, nil
		} else if err != nil {
			return messages, err
		}
		messages = append(messages, payload)
	}
}

func expect(isTrue bool, format string, values ...any) error {
	if isTrue {
		return nil
	}
	return fmt.Errorf(format, values...)
}
