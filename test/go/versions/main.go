// Command versions prints the versions of the libraries that the other programs here are made
// with: they have to be those of the Gitaly that the proxy is held to.
package main

import (
	"fmt"
	"os"
	"runtime/debug"

	"github.com/hashicorp/yamux"
	"google.golang.org/grpc"
)

// Both libraries are linked in, so that what is printed is what was built.
var (
	_ = grpc.NewServer
	_ = yamux.Server
)

func main() {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		fmt.Fprintln(os.Stderr, "versions: this binary does not say what it was built from")
		os.Exit(1)
	}
	for _, module := range info.Deps {
		fmt.Println(module.Path, module.Version)
	}
}
