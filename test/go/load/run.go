package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// clients are the connections, which stay open from one command to the next.
type clients struct {
	open map[kind][]*client
	// held ends the streams that are held.
	held context.CancelFunc
}

type kind struct {
	target      string
	multiplexed bool
}

func newClients() *clients { return &clients{open: map[kind][]*client{}, held: func() {}} }

// get gives that many connections of a kind.
func (clients *clients) get(kind kind, count int) ([]*client, error) {
	for len(clients.open[kind]) < count {
		client, err := dial(kind.target, kind.multiplexed)
		if err != nil {
			return nil, err
		}
		client.conn.Connect()
		clients.open[kind] = append(clients.open[kind], client)
	}
	return clients.open[kind][:count], nil
}

// closeAll closes the connections to a target.
func (clients *clients) closeAll(target string) error {
	clients.held()
	var err error
	for kind, open := range clients.open {
		if kind.target != target {
			continue
		}
		for _, client := range open {
			err = errors.Join(err, client.conn.Close())
		}
		delete(clients.open, kind)
	}
	return err
}

func (clients *clients) run(command command) result {
	caller := &caller{secret: command.Token}
	multiplexed := command.Work == "clone"
	open, err := clients.get(kind{command.Target, multiplexed}, max(1, command.Connections))
	if err == nil {
		switch command.Work {
		case "close":
			err = clients.closeAll(command.Target)
		case "hold":
			err = clients.hold(command, caller, open)
		default:
			return measure(command, caller, open)
		}
	}
	if err != nil {
		return result{Failed: 1, Error: err.Error()}
	}
	return result{}
}

// worker makes calls one after the other.
type worker struct {
	latencies []time.Duration
	bytes     int64
	failed    int
	err       error
}

func measure(command command, caller *caller, clients []*client) result {
	bulkCtx, stopBulk := context.WithCancel(context.Background())
	defer stopBulk()
	var bulk sync.WaitGroup
	bulkWorkers := make([]worker, command.Bulk)
	for index := range bulkWorkers {
		bulk.Go(func() { bulkWorkers[index].downloadUntil(bulkCtx, command, caller, clients, index) })
	}
	began := time.Now()
	deadline := began.Add(time.Duration(command.Ms) * time.Millisecond)
	workers := make([]worker, command.Concurrency)
	var running sync.WaitGroup
	for index := range workers {
		running.Go(func() { workers[index].run(command, caller, clients, index, deadline) })
	}
	running.Wait()
	elapsed := time.Since(began)
	stopBulk()
	bulk.Wait()
	total := summarize(workers)
	total.Ms = float64(elapsed.Microseconds()) / 1000
	for _, worker := range bulkWorkers {
		total.BulkBytes += worker.bytes
	}
	return total
}

// run makes calls until the deadline, and its share of those that have to be made.
func (worker *worker) run(
	command command, caller *caller, clients []*client, index int, deadline time.Time,
) {
	work, known := works[command.Work]
	if !known {
		worker.failed, worker.err = 1, errors.New("there is no work "+command.Work)
		return
	}
	for number := index; ; number += command.Concurrency {
		began := time.Now()
		if number >= command.MinCalls && !began.Before(deadline) {
			return
		}
		bytes, err := work(context.Background(), call{
			client:     clients[number%len(clients)],
			caller:     caller,
			storage:    command.Storage,
			repository: number % max(1, command.Repositories),
			bytes:      command.StreamBytes,
		})
		worker.bytes += bytes
		if err != nil {
			worker.failed++
			worker.err = errors.Join(worker.err, err)
			return
		}
		worker.latencies = append(worker.latencies, time.Since(began))
	}
}

func (worker *worker) downloadUntil(
	ctx context.Context, command command, caller *caller, clients []*client, index int,
) {
	for ctx.Err() == nil {
		bytes, err := download(ctx, call{
			client:  clients[index%len(clients)],
			caller:  caller,
			storage: command.Storage,
			bytes:   command.StreamBytes,
		})
		worker.bytes += bytes
		if err != nil {
			return
		}
	}
}

// hold opens streams that last until the connections are closed: downloads that nobody reads, and
// uploads that do not go on.
func (clients *clients) hold(command command, caller *caller, open []*client) error {
	ctx, release := context.WithCancel(context.Background())
	clients.held = release
	for index := range command.Concurrency {
		held := call{
			client:  open[index%len(open)],
			caller:  caller,
			storage: command.Storage,
			bytes:   command.StreamBytes,
		}
		method := "/gitaly.CommitService/CheckObjectsExist"
		if index < command.Stalled {
			method = "/gitaly.RepositoryService/GetArchive"
		}
		ctx, _ := held.caller.context(ctx, "benchmark-bytes", "1073741824")
		stream, err := held.open(ctx, method)
		if err != nil {
			return err
		}
		if index < command.Stalled {
			if err := stream.CloseSend(); err != nil {
				return err
			}
		}
	}
	return nil
}

func summarize(workers []worker) result {
	var total result
	var latencies []time.Duration
	for _, worker := range workers {
		latencies = append(latencies, worker.latencies...)
		total.Bytes += worker.bytes
		total.Failed += worker.failed
		if worker.err != nil && total.Error == "" {
			total.Error = worker.err.Error()
		}
	}
	total.Calls = len(latencies)
	if total.Calls > 0 {
		slices.Sort(latencies)
		total.P50Us = microseconds(latencies[total.Calls/2])
		total.P99Us = microseconds(latencies[total.Calls*99/100])
	}
	return total
}

func microseconds(duration time.Duration) float64 { return float64(duration.Nanoseconds()) / 1000 }
