// Package program is what the programs have in common that others start: they say where they serve, and
// end with their standard input.
package program

import (
	"encoding/json"
	"io"
	"net"
	"os"

	"google.golang.org/grpc"
)

// Serve lets the server take connections on a free port of loopback, and returns its address.
func Serve(server *grpc.Server) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go server.Serve(listener)
	return listener.Addr().String(), nil
}

// Run writes what others have to know as a line of JSON, and returns when standard input has ended.
func Run(known any) error {
	if err := json.NewEncoder(os.Stdout).Encode(known); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}
