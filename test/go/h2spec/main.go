// Runs the conformance tests of h2spec against an HTTP/2 server, and writes one line of JSON for each
// case to the standard output.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"time"

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
	Outcome  string   `json:"outcome"`
	Expected []string `json:"expected,omitempty"`
	Actual   string   `json:"actual,omitempty"`
}

func main() {
	port := flag.Int("port", 0, "where the server listens on 127.0.0.1")
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
	for _, group := range []*spec.TestGroup{generic.Spec(), http2.Spec(), hpack.Spec()} {
		group.Test(c)
		write(report, group)
	}
}

func write(report *json.Encoder, group *spec.TestGroup) {
	for _, test := range append(group.Tests, group.StrictTests...) {
		if test.Result != nil {
			if err := report.Encode(outcomeOf(group, test)); err != nil {
				panic(err)
			}
		}
	}
	for _, below := range group.Groups {
		write(report, below)
	}
}

func outcomeOf(group *spec.TestGroup, test *spec.TestCase) outcome {
	result := outcome{Case: group.ID(), Title: test.Desc, Outcome: "passed"}
	if test.Result.Skipped {
		result.Outcome = "skipped"
	}
	if test.Result.Failed {
		result.Outcome = "failed"
		var failure *spec.TestError
		if errors.As(test.Result.Error, &failure) {
			result.Expected = failure.Expected
			result.Actual = failure.Actual
		} else {
			result.Actual = test.Result.Error.Error()
		}
	}
	return result
}
