package handlers

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"sync"
)

const (
	// MaxBody is the largest body that is accepted, in bytes. The largest documented one is below 2 KiB.
	MaxBody = 1 << 20
	// smallBody is how many bytes of a body are read without reserving memory. Most bodies are smaller.
	smallBody = 8 << 10
	// bodyStep is how much memory a larger body reserves at a time.
	bodyStep = 64 << 10
	// largeBodies is how much memory all larger bodies may reserve together, and addressShare how much those of one address may.
	largeBodies  = 32 << 20
	addressShare = 8 << 20
)

var (
	errTooLarge = errors.New("body is larger than 1 MiB")
	errBusy     = errors.New("too many large bodies at once")
)

// bodyMemory bounds the memory of request bodies. The number of connections already bounds the first smallBody bytes of each, so nobody can
// keep small deliveries out by sending large or slow ones. The rest of a body reserves memory as it arrives, and each address may reserve
// only its share.
type bodyMemory struct {
	mu     sync.Mutex
	taken  int
	shares map[netip.Prefix]int
}

func newBodyMemory() *bodyMemory { return &bodyMemory{shares: map[netip.Prefix]int{}} }

// take reserves memory, and reports whether there was enough. A negative number releases memory.
func (m *bodyMemory) take(address string, bytes int) bool {
	sender := network(address)
	m.mu.Lock()
	defer m.mu.Unlock()
	if bytes > 0 && (m.taken+bytes > largeBodies || m.shares[sender]+bytes > addressShare) {
		return false
	}
	m.taken += bytes
	if m.shares[sender] += bytes; m.shares[sender] == 0 {
		delete(m.shares, sender)
	}
	return true
}

// read returns a request's body. The caller must always call release when it no longer needs the body. The error is errTooLarge, errBusy or
// an error of the connection.
func (m *bodyMemory) read(r *http.Request, address string) (body []byte, release func(), err error) {
	taken := 0
	release = func() {
		if taken > 0 {
			m.take(address, -taken)
		}
	}
	if r.ContentLength > MaxBody {
		return nil, release, errTooLarge
	}
	var whole bytes.Buffer
	whole.Grow(int(min(max(r.ContentLength, 0), smallBody)) + bytes.MinRead)
	_, err = io.CopyN(&whole, r.Body, smallBody)
	for err == nil && whole.Len() <= MaxBody {
		if !m.take(address, bodyStep) {
			return nil, release, errBusy
		}
		taken += bodyStep
		_, err = io.CopyN(&whole, r.Body, bodyStep)
	}
	if whole.Len() > MaxBody {
		return nil, release, errTooLarge
	}
	if err == io.EOF { //nolint:errorlint // CopyN returns it unwrapped; a body that is cut short is io.ErrUnexpectedEOF
		err = nil
	}
	return whole.Bytes(), release, err
}
