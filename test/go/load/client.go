package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"gitaly-operator.example/test/internal/backchannel"
	"gitaly-operator.example/test/internal/rawgrpc"
)

const callLimit = 60 * time.Second

// client is a connection to the target.
type client struct {
	conn         *grpc.ClientConn
	sidechannels *backchannel.Sidechannels
}

func dial(target string, multiplexed bool) (*client, error) {
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawgrpc.CountingCodec{})),
	}
	sidechannels := &backchannel.Sidechannels{}
	if multiplexed {
		options = append(options, backchannel.Dialer(sidechannels, nil))
	}
	conn, err := grpc.NewClient("passthrough:///"+target, options...)
	return &client{conn, sidechannels}, err
}

// caller makes the metadata of calls.
type caller struct {
	secret string
	mutex  sync.Mutex
	second int64
	token  string
	calls  atomic.Uint64
}

// context is one for a call, with what Rails sends along. All of it but the correlation id is the
// same for the calls of a second.
func (caller *caller) context(parent context.Context, pairs ...string) (context.Context, func()) {
	ctx, cancel := context.WithTimeout(parent, callLimit)
	ctx = metadata.AppendToOutgoingContext(ctx,
		"authorization", caller.authorization(time.Now().Unix()),
		"client_name", "gitlab-web",
		"call_site", "ProjectsController#show",
		"gitaly-session-id", "f2d7bd2e-3a3c-4f5d-9a60-5b9f0ac8a4c1",
		"x-gitlab-correlation-id", fmt.Sprintf("01KAHN%020X", caller.calls.Add(1)),
		"username", "a.developer",
		"user_id", "4711",
		"remote_ip", "192.0.2.17",
		"gitaly-feature-mailmap-options", "true",
		"gitaly-feature-autocrlf-config", "false",
		"gitaly-feature-git-v2", "true",
	)
	return metadata.AppendToOutgoingContext(ctx, pairs...), cancel
}

func (caller *caller) authorization(second int64) string {
	caller.mutex.Lock()
	defer caller.mutex.Unlock()
	if second != caller.second {
		message := strconv.FormatInt(second, 10)
		mac := hmac.New(sha256.New, []byte(caller.secret))
		mac.Write([]byte(message))
		caller.second = second
		caller.token = "Bearer v2." + hex.EncodeToString(mac.Sum(nil)) + "." + message
	}
	return caller.token
}
