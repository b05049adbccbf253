package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/tidwall/sjson"

	"example.com/identity-webhooks/handlers"
)

// flood is a server that runs as a process of its own, and those who send to it.
type flood struct {
	t        *testing.T
	process  *process
	addr     string
	idle     int      // its memory before the flood, in MiB
	refusals chan int // lines of its log about refused deliveries; one value, when it has ended
	provider handlers.Provider
	until    context.Context
	client   *http.Client
	senders  sync.WaitGroup
	mu       sync.Mutex
	answers  map[string]int // by sender and status
}

// newFlood starts a server. The flood ends floodTime after.
func newFlood(t *testing.T) *flood {
	t.Helper()
	const secret = "flood_5d0c2b8e"
	f := &flood{t: t, refusals: make(chan int, 1), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}, answers: map[string]int{}}
	f.process = run(t, t.TempDir(), append([]string{"TRUSTGATE_WEBHOOK_SECRET=" + secret, "TRUSTIST_WEBHOOK_SECRET=" + secret}, anyPort...))
	f.addr = f.process.waitFor(t, `POST http://(127\.0\.0\.1:\d+)/webhooks/`)
	f.process.waitFor(t, "Try, in a second terminal")
	f.idle = memory(t, f.process, "VmRSS")
	go func() {
		n := 0
		for line := range f.process.lines {
			if strings.Contains(line, "rejected") || strings.Contains(line, "refused") {
				n++
			}
		}
		f.refusals <- n
	}()
	var err error
	if f.provider, err = handlers.NewProvider("trustgate", []string{secret}, handlers.Settings{}); err != nil {
		t.Fatal(err)
	}
	until, end := context.WithTimeout(t.Context(), floodTime)
	t.Cleanup(end)
	f.until = until
	return f
}

// repeat has n senders send again and again until the time is over.
func (f *flood) repeat(n int, send func()) {
	for range n {
		f.senders.Go(func() {
			for f.until.Err() == nil {
				send()
			}
		})
	}
}

func (f *flood) note(outcome string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[outcome]++
}

// genuine sends new events, over one connection and over a new one for each.
func (f *flood) genuine() {
	f.t.Helper()
	sample, err := os.ReadFile(filepath.Join(root, "testdata", "trustgate", "applicant.reviewed.json"))
	if err != nil {
		f.t.Fatal(err)
	}
	deliver := func(what string, anew bool) {
		body, err := sjson.SetBytes(sample, "event_id", uuid.NewString())
		if err != nil {
			f.t.Error(err)
			return
		}
		signed := f.provider.Sign(body, time.Now())
		f.request(what, signed.Path, signed.Header, bytes.NewReader(body), anew)
	}
	f.repeat(1, func() { deliver("genuine", false) })
	f.repeat(1, func() { deliver("genuine anew", true) })
}

// zeros is a reader without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// post sends a forged delivery of that many bytes. A length below zero is not told to the server.
func (f *flood) post(what, path string, length int) {
	var body io.Reader = bytes.NewReader(make([]byte, max(length, 0)))
	if length < 0 {
		body = io.LimitReader(zeros{}, int64(-length))
	}
	f.request(what, path, http.Header{
		"X-Webhook-Timestamp": {strconv.FormatInt(time.Now().Unix(), 10)}, "X-Webhook-Signature": {strings.Repeat("ab", 32)},
	}, body, false)
}

func (f *flood) request(what, path string, header http.Header, body io.Reader, anew bool) {
	req, err := http.NewRequestWithContext(f.until, http.MethodPost, "http://"+f.addr+"/webhooks/"+path, body)
	if err != nil {
		f.t.Error(err)
		return
	}
	req.Header, req.Close = header, anew
	resp, err := f.client.Do(req)
	switch {
	case f.until.Err() != nil:
		return
	case err != nil:
		f.note(what + " broken off")
		return
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body) // for the connection's sake
	f.note(fmt.Sprintf("%s %d", what, resp.StatusCode))
}

// slow declares a body of 1 MiB, sends headers of that size and the start of the body, and waits for the server to have enough.
func (f *flood) slow(start, headers int) {
	conn, err := (&net.Dialer{}).DialContext(f.until, "tcp", f.addr)
	if err != nil {
		return // the time is over, or too many wait for a connection
	}
	defer conn.Close()                                                                   //nolint:errcheck // the server may have closed it
	defer context.AfterFunc(f.until, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })() // ends what is under way
	more := strings.Repeat("X-More: "+strings.Repeat("a", 90)+"\r\n", headers/100)
	if _, err := fmt.Fprintf(conn, "POST /webhooks/trustgate HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s",
		more, 1<<20, strings.Repeat("x", start)); err == nil {
		f.note("slow begun")
	}
	_, _ = conn.Read(make([]byte, 1)) // an answer, or the end
}
