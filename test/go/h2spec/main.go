// Command h2spec runs the conformance tests of that name, and writes one line of JSON for each case to
// the standard output: against the HTTP/2 server at a port, or with -client against clients. For a
// client's case a line tells the port to connect to and make a request, before the one with its outcome.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"net"
	"os"
	"time"

	"github.com/summerwind/h2spec/client"
	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/generic"
	"github.com/summerwind/h2spec/hpack"
	"github.com/summerwind/h2spec/http2"
	"github.com/summerwind/h2spec/spec"
)

type outcome struct {
	// Section and number, like "http2/5.1/3".
	Case     string   `json:"case"`
	Title    string   `json:"title"`
	Outcome  string   `json:"outcome,omitempty"`
	Expected []string `json:"expected,omitempty"`
	Actual   string   `json:"actual,omitempty"`
	// Port is where the client is awaited, in the line before the outcome.
	Port int `json:"port,omitempty"`
}

func main() {
	port := flag.Int("port", 0, "where the server listens on 127.0.0.1")
	isClient := flag.Bool("client", false, "test clients")
	limit := flag.Duration("limit", 30*time.Second, "for one step of a case")
	flag.Parse()

	report := json.NewEncoder(os.Stdout)
	// The cases print for people.
	silent, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	os.Stdout = silent

	c := &config.Config{
		Host:         "127.0.0.1",
		Port:         *port,
		Path:         "/",
		Timeout:      *limit,
		MaxHeaderLen: 4000,
		Strict:       true,
	}
	if *isClient {
		err = testClients(report, c, client.Spec())
	} else {
		err = testServer(report, c)
	}
	if err != nil {
		panic(err)
	}
}

func testServer(report *json.Encoder, c *config.Config) error {
	for _, group := range []*spec.TestGroup{generic.Spec(), http2.Spec(), hpack.Spec()} {
		group.Test(c)
		if err := write(report, group); err != nil {
			return err
		}
	}
	return nil
}

func write(report *json.Encoder, group *spec.TestGroup) error {
	for _, test := range append(group.Tests, group.StrictTests...) {
		if test.Result == nil {
			continue
		}
		if err := report.Encode(outcomeOf(group.ID(), test.Desc, test.Result.Error)); err != nil {
			return err
		}
	}
	for _, below := range group.Groups {
		if err := write(report, below); err != nil {
			return err
		}
	}
	return nil
}

func testClients(report *json.Encoder, c *config.Config, group *spec.ClientTestGroup) error {
	for _, test := range group.Tests {
		if err := testClient(report, c, group.ID(), test); err != nil {
			return err
		}
	}
	for _, below := range group.Groups {
		if err := testClients(report, c, below); err != nil {
			return err
		}
	}
	return nil
}

func testClient(report *json.Encoder, c *config.Config, id string, test *spec.ClientTestCase) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	awaiting := outcome{Case: id, Title: test.Desc, Port: listener.Addr().(*net.TCPAddr).Port}
	if err := report.Encode(awaiting); err != nil {
		return err
	}
	accepted, err := listener.Accept()
	if err != nil {
		return err
	}
	defer accepted.Close()
	conn, err := spec.Accept(c, accepted)
	if err != nil {
		return err
	}
	return report.Encode(outcomeOf(id, test.Desc, test.Run(c, conn)))
}

func outcomeOf(id, title string, err error) outcome {
	result := outcome{Case: id, Title: title, Outcome: "passed"}
	var failure *spec.TestError
	switch {
	case err == nil:
	case errors.Is(err, spec.ErrSkipped):
		result.Outcome = "skipped"
	case errors.As(err, &failure):
		result.Outcome, result.Expected, result.Actual = "failed", failure.Expected, failure.Actual
	default:
		result.Outcome, result.Actual = "failed", err.Error()
	}
	return result
}
