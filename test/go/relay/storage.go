package main

import (
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"gitaly-operator.example/test/internal/backchannel"
	"gitaly-operator.example/test/internal/rawgrpc"
)

// storage is one of those that calls go to.
type storage struct {
	name         string
	conn         *grpc.ClientConn
	sidechannels *backchannel.Sidechannels
}

func newStorage(name, address string, transactions *transactions) (*storage, error) {
	sidechannels := &backchannel.Sidechannels{}
	serveVotes := func(listener net.Listener) {
		server := grpc.NewServer(
			grpc.ForceServerCodec(rawgrpc.Codec{}),
			grpc.UnknownServiceHandler(transactions.serve),
		)
		defer server.Stop()
		_ = server.Serve(listener)
	}
	conn, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(rawgrpc.Codec{})),
		backchannel.Dialer(sidechannels, serveVotes),
	)
	return &storage{name, conn, sidechannels}, err
}
