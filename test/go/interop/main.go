// Command interop is both ends of calls through a proxy, made of grpc-go and hashicorp/yamux as
// Gitaly and its clients are.
//
// "interop server" stands in for a storage; its first line on standard output is its address, and it
// ends with its standard input. "interop client" makes calls through the proxy, and writes one line of
// JSON for each case.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 2 && args[0] == "server" {
		return serve(args[1])
	}
	if len(args) > 0 && args[0] == "client" {
		return runCases(args[1:])
	}
	return fmt.Errorf("want \"server ADDRESS\" or \"client FLAGS\"")
}

func serve(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	cutter := &cutter{}
	go newServer(cutter).Serve(&cuttingListener{listener, cutter})
	fmt.Println(listener.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
