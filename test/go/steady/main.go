// Command steady is a client that behaves well: it reads and writes one repository, with a stock
// gRPC for Go and the settings of Gitaly's own clients, until its standard input ends.
//
// It says "running" when both have worked, and at its end how often, and every failure, as JSON.
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
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protowire"

	"gitaly-operator.example/test/internal/message"
	"gitaly-operator.example/test/internal/rawgrpc"
)

const (
	readMethod  = "/gitaly.CommitService/FindCommit"
	writeMethod = "/gitaly.RepositoryService/WriteRef"
	// A machine that does much else at the same time may be slow: nothing here is about speed.
	callLimit = time.Minute
)

// serviceConfig is what Gitaly's clients use: reads are tried again, writes are not.
const serviceConfig = `{
	"loadBalancingConfig": [{"round_robin": {}}],
	"methodConfig": [{
		"name": [{"service": "gitaly.CommitService", "method": "FindCommit"}],
		"retryPolicy": {
			"maxAttempts": 4,
			"initialBackoff": "0.4s",
			"maxBackoff": "1.4s",
			"backoffMultiplier": 2,
			"retryableStatusCodes": ["UNAVAILABLE"]
		}
	}]
}`

type client struct {
	conn       *grpc.ClientConn
	token      string
	storage    string
	repository string
	revision   string
	prefix     string
	stopping   atomic.Bool
	mutex      sync.Mutex
	failures   []string
}

type report struct {
	Reads    int      `json:"reads"`
	Writes   int      `json:"writes"`
	Failures []string `json:"failures"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "steady:", err)
		os.Exit(1)
	}
}

func run() error {
	target := flag.String("target", "", "in the notation of gRPC")
	c := &client{failures: []string{}}
	flag.StringVar(&c.token, "token", "", "the secret that calls are signed with")
	flag.StringVar(&c.storage, "storage", "default", "the virtual storage")
	flag.StringVar(&c.repository, "repository", "", "its relative path")
	flag.StringVar(&c.revision, "revision", "", "a commit that it has")
	flag.StringVar(&c.prefix, "prefix", "", "of the references that are written")
	flag.Parse()
	conn, err := grpc.NewClient(*target,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithDisableServiceConfig(),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time:                20 * time.Second,
			PermitWithoutStream: true,
		}),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(rawgrpc.Codec{})),
	)
	if err != nil {
		return err
	}
	defer conn.Close()
	c.conn = conn

	var result report
	var started, ended sync.WaitGroup
	started.Add(2)
	ended.Add(2)
	go c.repeat(readMethod, c.readRequest, &result.Reads, &started, &ended)
	go c.repeat(writeMethod, c.writeRequest, &result.Writes, &started, &ended)
	started.Wait()
	fmt.Println("running")
	_, _ = io.Copy(io.Discard, os.Stdin)
	c.stopping.Store(true)
	ended.Wait()
	result.Failures = c.failures
	return json.NewEncoder(os.Stdout).Encode(result)
}

// repeat makes a call again and again, and counts those that worked. The first one ends `started`.
func (c *client) repeat(
	method string, request func(round int) []byte, done *int, started, ended *sync.WaitGroup,
) {
	defer ended.Done()
	for round := 1; !c.stopping.Load(); round++ {
		if err := c.call(method, request(round)); err != nil {
			c.mutex.Lock()
			c.failures = append(c.failures, fmt.Sprintf("%s, call %d: %v", method, round, err))
			c.mutex.Unlock()
		} else {
			*done++
		}
		if round == 1 {
			started.Done()
		}
	}
}

func (c *client) call(method string, request []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), callLimit)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.sign())
	return c.conn.Invoke(ctx, method, &rawgrpc.Frame{Payload: request}, &rawgrpc.Frame{})
}

func (c *client) readRequest(int) []byte {
	return message.Request(c.storage, c.repository, []byte(c.revision))
}

func (c *client) writeRequest(round int) []byte {
	reference := fmt.Sprintf("refs/heads/%s-%d", c.prefix, round)
	request := message.Request(c.storage, c.repository, []byte(reference))
	request = protowire.AppendTag(request, 3, protowire.BytesType)
	return protowire.AppendString(request, c.revision)
}

func (c *client) sign() string {
	issued := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(c.token))
	mac.Write([]byte(issued))
	return "v2." + hex.EncodeToString(mac.Sum(nil)) + "." + issued
}
