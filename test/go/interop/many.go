package main

import (
	"context"
	"errors"
	"fmt"
)

// manyCalls makes calls at the same time that all want to go on until as many as can have an answer.
func manyCalls(ctx context.Context, client *client) error {
	atOnce := client.served + 10
	answered := make(chan struct{}, atOnce)
	goOn := make(chan struct{})
	ends := make(chan error, atOnce)
	for range atOnce {
		go func() { ends <- oneOfMany(ctx, client, answered, goOn) }()
	}
	for range client.served {
		select {
		case <-answered:
		case err := <-ends:
			return fmt.Errorf("a call has ended before the others: %w", err)
		}
	}
	close(goOn)
	var errs []error
	for range atOnce {
		errs = append(errs, <-ends)
	}
	return errors.Join(errs...)
}

func oneOfMany(ctx context.Context, client *client, answered chan<- struct{}, goOn <-chan struct{}) error {
	call, err := client.start(ctx, "echo", "")
	if err != nil {
		return err
	}
	if _, err := call.receive(); err != nil {
		return err
	}
	answered <- struct{}{}
	<-goOn
	if err := call.CloseSend(); err != nil {
		return err
	}
	_, err = call.drain()
	return err
}
