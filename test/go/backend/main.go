// Command backend stands in for Gitaly storages behind a measured proxy: it speaks as Gitaly does,
// with its libraries, and does nothing, so that what is measured is the proxy. It answers at once,
// casts a write's votes at once, and sends as many bytes as the call asks for.
//
// Its first line on standard output is a JSON array of the storages' addresses. It ends when its
// standard input does.
package main

import (
	"flag"
	"fmt"
	"os"

	"google.golang.org/grpc"

	"gitaly-operator.example/test/internal/backchannel"
	"gitaly-operator.example/test/internal/program"
	"gitaly-operator.example/test/internal/rawgrpc"
)

func main() {
	storages := flag.Int("storages", 3, "how many storages there are")
	maxStreams := flag.Uint("max-streams", 0, "calls on a connection; 0 for any number")
	flag.Parse()
	var options []grpc.ServerOption
	if *maxStreams > 0 {
		options = append(options, grpc.MaxConcurrentStreams(uint32(*maxStreams)))
	}
	if err := run(*storages, options); err != nil {
		fmt.Fprintln(os.Stderr, "backend:", err)
		os.Exit(1)
	}
}

func run(storages int, options []grpc.ServerOption) error {
	var addresses []string
	for range storages {
		address, err := program.Serve(newServer(options))
		if err != nil {
			return err
		}
		addresses = append(addresses, address)
	}
	return program.Run(addresses)
}

func newServer(options []grpc.ServerOption) *grpc.Server {
	callBack := grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawgrpc.CountingCodec{}))
	return grpc.NewServer(append(options,
		grpc.Creds(backchannel.Credentials(callBack)),
		grpc.ForceServerCodecV2(rawgrpc.CountingCodec{}),
		grpc.UnknownServiceHandler(serve),
	)...)
}
