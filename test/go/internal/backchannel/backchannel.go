// Package backchannel carries gRPC in both directions, and sidechannels, over one connection, as
// Gitaly and its clients do: the word "backchannel", then yamux; gRPC on the client's first stream.
package backchannel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"
)

const (
	magic            = "backchannel"
	sidechannelMagic = "sidechannel"
	handshakeLimit   = 5 * time.Second
)

func configuration(acceptBacklog int, maxWindow uint32) *yamux.Config {
	config := yamux.DefaultConfig()
	config.AcceptBacklog = acceptBacklog
	config.MaxStreamWindowSize = maxWindow
	config.EnableKeepAlive = false
	config.LogOutput = io.Discard
	return config
}

// Sidechannels are the ones that a client waits for, by the id that it sent as metadata.
type Sidechannels struct {
	mutex   sync.Mutex
	nextID  int64
	waiting map[int64]func(net.Conn)
}

// Await registers a callback for the next sidechannel. It gets the stream after the handshake; the
// stream is closed when it returns. `withdraw` is to be called when the RPC has ended, and tells whether
// the sidechannel was never opened.
func (sidechannels *Sidechannels) Await(callback func(net.Conn)) (id int64, withdraw func() bool) {
	sidechannels.mutex.Lock()
	defer sidechannels.mutex.Unlock()
	if sidechannels.waiting == nil {
		sidechannels.waiting = map[int64]func(net.Conn){}
	}
	sidechannels.nextID++
	id = sidechannels.nextID
	sidechannels.waiting[id] = callback
	return id, func() bool { return sidechannels.take(id) != nil }
}

func (sidechannels *Sidechannels) take(id int64) func(net.Conn) {
	sidechannels.mutex.Lock()
	defer sidechannels.mutex.Unlock()
	callback := sidechannels.waiting[id]
	delete(sidechannels.waiting, id)
	return callback
}

func (sidechannels *Sidechannels) serve(stream net.Conn) {
	defer stream.Close()
	var id [8]byte
	if _, err := io.ReadFull(stream, id[:]); err != nil {
		return
	}
	callback := sidechannels.take(int64(binary.BigEndian.Uint64(id[:])))
	if callback == nil {
		return
	}
	if _, err := stream.Write([]byte("ok")); err != nil {
		return
	}
	callback(stream)
}

// Dialer connects to an address with a backchannel. `serve` is a gRPC server for the calls that
// come back, or nil.
func Dialer(sidechannels *Sidechannels, serve func(net.Listener)) grpc.DialOption {
	return grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		if _, err := conn.Write([]byte(magic)); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		session, err := yamux.Client(conn, configuration(256, 256*1024))
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		stream, err := session.Open()
		if err != nil {
			return nil, errors.Join(err, session.Close())
		}
		accepted := newListener(session.Addr())
		go accept(session, sidechannels, accepted)
		if serve != nil {
			go serve(accepted)
		}
		return &sessionConn{stream, session}, nil
	})
}

// sessionConn closes its session too.
type sessionConn struct {
	net.Conn
	session *yamux.Session
}

func (conn *sessionConn) Close() error {
	return errors.Join(conn.Conn.Close(), conn.session.Close())
}

// accept tells the two kinds of streams apart that a server opens.
func accept(session *yamux.Session, sidechannels *Sidechannels, calls *listener) {
	defer calls.Close()
	for {
		stream, err := session.Accept()
		if err != nil {
			return
		}
		go func() {
			head := make([]byte, len(sidechannelMagic))
			if _, err := io.ReadFull(stream, head); err != nil {
				stream.Close()
				return
			}
			if string(head) == sidechannelMagic {
				sidechannels.serve(stream)
				return
			}
			calls.offer(&replayedConn{stream, head})
		}()
	}
}

// replayedConn gives bytes that were read already, then the rest.
type replayedConn struct {
	net.Conn
	head []byte
}

func (conn *replayedConn) Read(into []byte) (int, error) {
	if len(conn.head) == 0 {
		return conn.Conn.Read(into)
	}
	length := copy(into, conn.head)
	conn.head = conn.head[length:]
	return length, nil
}

// listener gives connections that were made elsewhere.
type listener struct {
	conns   chan net.Conn
	closed  chan struct{}
	closing sync.Once
	address net.Addr
}

func newListener(address net.Addr) *listener {
	return &listener{conns: make(chan net.Conn), closed: make(chan struct{}), address: address}
}

func (listener *listener) offer(conn net.Conn) {
	select {
	case listener.conns <- conn:
	case <-listener.closed:
		conn.Close()
	}
}

func (listener *listener) Accept() (net.Conn, error) {
	select {
	case conn := <-listener.conns:
		return conn, nil
	case <-listener.closed:
		return nil, net.ErrClosed
	}
}

func (listener *listener) Close() error {
	listener.closing.Do(func() { close(listener.closed) })
	return nil
}

func (listener *listener) Addr() net.Addr { return listener.address }

// Credentials let a server take clients with a backchannel, and plain ones.
func Credentials(options ...grpc.DialOption) credentials.TransportCredentials {
	return serverCredentials{insecure.NewCredentials(), options}
}

type serverCredentials struct {
	credentials.TransportCredentials
	options []grpc.DialOption
}

// Peer is the client of a call that came over a connection with a backchannel.
type Peer struct {
	credentials.AuthInfo
	// Calls goes back to the client.
	Calls   *grpc.ClientConn
	session *yamux.Session
}

func (server serverCredentials) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(conn, head); err != nil {
		return nil, nil, err
	}
	if string(head) != magic {
		return server.TransportCredentials.ServerHandshake(&replayedConn{conn, head})
	}
	session, err := yamux.Server(conn, configuration(1, 16*1024*1024))
	if err != nil {
		return nil, nil, err
	}
	stream, err := session.Accept()
	if err != nil {
		return nil, nil, err
	}
	stream, info, err := server.TransportCredentials.ServerHandshake(stream)
	if err != nil {
		return nil, nil, err
	}
	open := func(context.Context, string) (net.Conn, error) { return session.Open() }
	options := append([]grpc.DialOption{
		grpc.WithContextDialer(open),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
	}, server.options...)
	calls, err := grpc.NewClient("passthrough:///client", options...)
	if err != nil {
		return nil, nil, err
	}
	closing := func() error { return errors.Join(calls.Close(), session.Close()) }
	return &serverConn{stream, closing}, &Peer{info, calls, session}, nil
}

// serverConn closes what belongs to it.
type serverConn struct {
	net.Conn
	closing func() error
}

func (conn *serverConn) Close() error { return errors.Join(conn.Conn.Close(), conn.closing()) }

// PeerOf tells the client of the call that a server handles.
func PeerOf(ctx context.Context) (*Peer, error) {
	if info, ok := peer.FromContext(ctx); ok {
		if client, ok := info.AuthInfo.(*Peer); ok {
			return client, nil
		}
	}
	return nil, errors.New("non-multiplexed connection")
}

// OpenSidechannel opens the sidechannel with that id to the client.
func (client *Peer) OpenSidechannel(id int64) (net.Conn, error) {
	stream, err := client.session.Open()
	if err != nil {
		return nil, err
	}
	if err := greet(stream, id); err != nil {
		return nil, errors.Join(err, stream.Close())
	}
	return stream, nil
}

func greet(stream net.Conn, id int64) error {
	if err := stream.SetDeadline(time.Now().Add(handshakeLimit)); err != nil {
		return err
	}
	header := binary.BigEndian.AppendUint64([]byte(sidechannelMagic), uint64(id))
	if _, err := stream.Write(header); err != nil {
		return err
	}
	answer := make([]byte, 2)
	if _, err := io.ReadFull(stream, answer); err != nil {
		return err
	}
	if string(answer) != "ok" {
		return fmt.Errorf("the client answered a sidechannel with %q", answer)
	}
	return stream.SetDeadline(time.Time{})
}
