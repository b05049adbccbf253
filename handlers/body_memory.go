package handlers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// maxBody is the largest body that is read. The largest documented one is below 2 KiB.
	maxBody = 1 << 20
	// smallBody is the largest body that never waits for others.
	smallBody = 8 << 10
	// largeBodies is how many bytes the larger bodies that are held at once have in common.
	largeBodies = 16 << 20
	// bodyWait is how long a larger body waits for its part of them.
	bodyWait = time.Second
)

// errBusy says that other large bodies have taken all the memory there is for them.
var errBusy = errors.New("too many large bodies at once")

// bodyMemory bounds the memory of the bodies that are held at once. The first bytes of each, which are all of a small one, are
// bounded by the number of connections: nobody can keep small deliveries out by sending large or slow ones. What goes on
// after them takes its whole length of a common share first.
type bodyMemory struct{ large *semaphore.Weighted }

func newBodyMemory() *bodyMemory { return &bodyMemory{semaphore.NewWeighted(largeBodies)} }

// read returns a request's body, and a function that gives its memory back, to be called when it is needed no more, error or
// not. The error is a *http.MaxBytesError, errBusy, or what went wrong in transit.
func (b *bodyMemory) read(w http.ResponseWriter, r *http.Request) (body []byte, release func(), err error) {
	release = func() {}
	if r.ContentLength > maxBody {
		return nil, release, &http.MaxBytesError{Limit: maxBody}
	}
	in := http.MaxBytesReader(w, r.Body, maxBody)
	start, err := io.ReadAll(io.LimitReader(in, smallBody+1))
	if err != nil || len(start) <= smallBody {
		return start, release, err
	}
	size := r.ContentLength
	if size < 0 { // it does not say
		size = maxBody
	}
	wait, cancel := context.WithTimeout(r.Context(), bodyWait)
	defer cancel()
	if b.large.Acquire(wait, size) != nil {
		return nil, release, errBusy
	}
	whole := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead)) // with these, reading to the end does not grow it
	whole.Write(start)
	_, err = whole.ReadFrom(in)
	return whole.Bytes(), func() { b.large.Release(size) }, err
}
