// Command relay is what the proxy is measured against: a gRPC proxy made of the modules that
// Praefect is made of, in its architecture (one goroutine a direction and call, a codec that keeps
// bytes, yamux to the storages), and without its work: no authentication, database, log or metrics.
// Reads go to one storage in turn, writes to all, which vote; sidechannels are joined.
//
// Its first line on standard output is a JSON string with its address. It ends when its standard
// input does.
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
	flag.Parse()
	if err := run(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "relay:", err)
		os.Exit(1)
	}
}

func run(addresses []string) error {
	relay := &relay{transactions: newTransactions()}
	for index, address := range addresses {
		storage, err := newStorage(fmt.Sprintf("gitaly-%d", index), address, relay.transactions)
		if err != nil {
			return err
		}
		relay.storages = append(relay.storages, storage)
	}
	address, err := program.Serve(grpc.NewServer(
		grpc.Creds(backchannel.Credentials()),
		grpc.ForceServerCodec(rawgrpc.Codec{}),
		grpc.UnknownServiceHandler(relay.serve),
	))
	if err != nil {
		return err
	}
	return program.Run(address)
}
