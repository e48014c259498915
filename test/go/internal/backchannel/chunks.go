package backchannel

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
)

const maxChunkBytes = 65516

// WriteChunk sends a piece of what a client says on a sidechannel.
func WriteChunk(to io.Writer, bytes []byte) error {
	for len(bytes) > 0 {
		piece := bytes[:min(len(bytes), maxChunkBytes)]
		bytes = bytes[len(piece):]
		if _, err := to.Write(append(fmt.Appendf(nil, "%04x", len(piece)+4), piece...)); err != nil {
			return err
		}
	}
	return nil
}

// EndChunks tells that the client says no more on a sidechannel.
func EndChunks(to io.Writer) error {
	_, err := to.Write([]byte("0000"))
	return err
}

// DrainChunks reads what a client says on a sidechannel, to its end, and counts it.
func DrainChunks(from io.Reader) (int64, error) {
	reader := bufio.NewReader(from)
	header := make([]byte, 4)
	var total int64
	for {
		if _, err := io.ReadFull(reader, header); err != nil {
			return total, err
		}
		length, err := strconv.ParseUint(string(header), 16, 16)
		if err != nil {
			return total, err
		}
		if length == 0 {
			return total, nil
		}
		if length < 4 {
			return total, fmt.Errorf("a chunk of length %d", length)
		}
		count, err := io.CopyN(io.Discard, reader, int64(length)-4)
		total += count
		if err != nil {
			return total, err
		}
	}
}
