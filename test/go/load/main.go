// Command load makes calls as GitLab does, and measures them: as many at once as it is told, each
// after the one before, for a while.
//
// It reads commands from standard input, one JSON object a line, and answers each with one: see
// command and result. It ends when its input does.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

// command is what to do.
type command struct {
	// Target is an address: host:port.
	Target string
	// Token is the secret that calls are signed with.
	Token string
	// Storage is the virtual storage.
	Storage string
	// Work is a name in works, or hold, or close.
	Work string
	// Concurrency is how many calls run at a time.
	Concurrency int
	// Connections is how many connections they share.
	Connections int
	// Repositories is how many repositories they are about.
	Repositories int
	// Ms is for how long calls are begun.
	Ms int
	// MinCalls are made however long it takes.
	MinCalls int
	// StreamBytes is how much passes on one stream.
	StreamBytes int64
	// Bulk is how many downloads run all the while and are not measured.
	Bulk int
	// Stalled is how many of the held streams are downloads that nobody reads.
	Stalled int
}

// result is what was measured.
type result struct {
	// Calls that ended with OK.
	Calls int `json:"calls"`
	// Bytes that passed on streams.
	Bytes int64 `json:"bytes"`
	// BulkBytes passed on the downloads that are not measured.
	BulkBytes int64 `json:"bulkBytes"`
	// Ms from the first call's begin to the last one's end.
	Ms float64 `json:"ms"`
	// P50Us and P99Us are how long calls took.
	P50Us float64 `json:"p50Us"`
	P99Us float64 `json:"p99Us"`
	// Failed is how many calls ended otherwise, and Error what the first of them said.
	Failed int    `json:"failed"`
	Error  string `json:"error"`
}

func main() {
	clients := newClients()
	input := bufio.NewScanner(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	for input.Scan() {
		var command command
		if err := json.Unmarshal(input.Bytes(), &command); err != nil {
			fmt.Fprintln(os.Stderr, "load: reading a command:", err)
			os.Exit(1)
		}
		if err := output.Encode(clients.run(command)); err != nil {
			fmt.Fprintln(os.Stderr, "load:", err)
			os.Exit(1)
		}
	}
}
