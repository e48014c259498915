package main

import (
	"net"
	"sync"
)

// cutter ends connections in the middle of what they send, and counts what all have sent.
type cutter struct {
	mutex   sync.Mutex
	isArmed bool
	left    int
	sent    int
}

// total is how many bytes were sent so far.
func (cutter *cutter) total() int {
	cutter.mutex.Lock()
	defer cutter.mutex.Unlock()
	return cutter.sent
}

// arm lets every connection end after so many more bytes, of all of them together.
func (cutter *cutter) arm(bytes int) {
	cutter.mutex.Lock()
	defer cutter.mutex.Unlock()
	cutter.isArmed, cutter.left = true, bytes
}

// take tells how many of the bytes may be sent, and whether the connection is to be cut then.
func (cutter *cutter) take(bytes int) (int, bool) {
	cutter.mutex.Lock()
	defer cutter.mutex.Unlock()
	cutter.sent += bytes
	if !cutter.isArmed || bytes < cutter.left {
		cutter.left -= bytes
		return bytes, false
	}
	// The next connection is whole again.
	cutter.isArmed = false
	return cutter.left, true
}

type cuttingListener struct {
	net.Listener
	cutter *cutter
}

func (listener *cuttingListener) Accept() (net.Conn, error) {
	conn, err := listener.Listener.Accept()
	return &cuttingConn{conn, listener.cutter}, err
}

type cuttingConn struct {
	net.Conn
	cutter *cutter
}

func (conn *cuttingConn) Write(bytes []byte) (int, error) {
	allowed, isCut := conn.cutter.take(len(bytes))
	written, err := conn.Conn.Write(bytes[:allowed])
	if err == nil && isCut {
		conn.Close()
		return written, net.ErrClosed
	}
	return written, err
}
