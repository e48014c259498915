// Command interop is both ends of calls through a proxy, made of grpc-go and hashicorp/yamux as
// Gitaly and its clients are.
//
// "interop server" stands in for a storage, which may limit the calls on a connection; its first line on
// standard output is its address, and it ends with its standard input. "interop client" makes calls through the proxy, and writes one line of
// JSON for each case.
package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"os"

	"google.golang.org/grpc"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) > 0 && args[0] == "server" {
		return serve(args[1:])
	}
	if len(args) > 0 && args[0] == "client" {
		return runCases(args[1:])
	}
	return fmt.Errorf("want \"server FLAGS\" or \"client FLAGS\"")
}

func serve(args []string) error {
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	address := flags.String("address", "127.0.0.1:0", "to listen on")
	maxStreams := flags.Uint("max-streams", 0, "calls on a connection; 0 for any number")
	if err := flags.Parse(args); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		return err
	}
	cutter := &cutter{}
	var options []grpc.ServerOption
	if *maxStreams > 0 {
		options = append(options, grpc.MaxConcurrentStreams(uint32(*maxStreams)))
	}
	go newServer(cutter, options...).Serve(&cuttingListener{listener, cutter})
	fmt.Println(listener.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
