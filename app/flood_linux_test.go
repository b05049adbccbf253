package app_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"example.com/identity-webhooks/handlers"
)

// floodTime is how long a flood lasts.
const floodTime = 4 * time.Second

// Bounds of memory, in MiB. The floods reach about two thirds of theirs.
const (
	idleMemory  = 70  // a process without work
	fullMemory  = 200 // a flood of all kinds
	worstMemory = 300 // every connection taken, each with as much as it may hold
)

// TestMemoryUnderFlood: unverified, oversized and slow deliveries do not make the process grow beyond a bound, and genuine ones among
// them, from the same address, are all accepted.
func TestMemoryUnderFlood(t *testing.T) {
	f := newFlood(t)
	f.genuine()
	f.repeat(8, func() { f.post("unverified", 400) })
	f.repeat(8, func() { f.post("large", 1<<20) })
	f.repeat(4, func() { f.post("oversized", 2<<20) })
	f.repeat(4, func() { f.post("oversized", -2<<20) })
	for i := range 500 {
		f.repeat(1, func() { f.slow([]int{1, 8_000, 100_000, 1_000_000}[i%4], 0) })
	}
	f.wantMemory(fullMemory)
	f.wantAnswers("genuine 200", "genuine anew 200", "unverified 429", "oversized 413", "slow begun")
}

// TestMemoryWithAllConnectionsTaken: likewise, where more senders than there is room for send the largest headers, begin a large
// body, and wait.
func TestMemoryWithAllConnectionsTaken(t *testing.T) {
	f := newFlood(t)
	f.genuine()
	for range 2500 {
		f.repeat(1, func() { f.slow(20_000, 11<<10) })
	}
	f.wantMemory(worstMemory)
	f.wantAnswers("genuine 200", "slow begun")
}

// flood is a program that runs as a process of its own, and those who send to it.
type flood struct {
	*program
	t       *testing.T
	v       verdicts
	path    string // of the provider
	idle    int    // the program's memory before the flood, in MiB
	until   context.Context
	client  *http.Client
	senders sync.WaitGroup
	mu      sync.Mutex
	answers map[string]int // by sender and status
}

// newFlood starts a program. The flood ends floodTime after.
func newFlood(t *testing.T) *flood {
	t.Helper()
	if raceDetector {
		t.Skip("the race detector takes a multiple of the memory")
	}
	v := anyVerdicts(t)
	f := &flood{
		program: launch(t, build(t), "all", sqlite(t)), t: t, v: v,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}, answers: map[string]int{},
	}
	f.path = "/webhooks/" + v.provider
	if handlers.TokenInPath(v.provider) {
		f.path += "/wrong"
	}
	f.idle = f.memory("VmRSS")
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
	deliver := func(what string, anew bool) {
		signed := f.providers[f.v.provider].Sign(f.v.yes.event(uuid.NewString(), uuid.NewString(), now), time.Now())
		f.request(what, "/webhooks/"+signed.Path, signed.Header, bytes.NewReader(signed.Body), anew)
	}
	f.repeat(1, func() { deliver("genuine", false) })
	f.repeat(1, func() { deliver("genuine anew", true) })
}

// zeros is a reader without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// post sends a delivery of that many bytes that nobody signed. A length below zero is not told to the server.
func (f *flood) post(what string, length int) {
	var body io.Reader = bytes.NewReader(make([]byte, max(length, 0)))
	if length < 0 {
		body = io.LimitReader(zeros{}, int64(-length))
	}
	f.request(what, f.path, http.Header{}, body, false)
}

func (f *flood) request(what, path string, header http.Header, body io.Reader, anew bool) {
	req, err := http.NewRequestWithContext(f.until, http.MethodPost, "http://"+f.addr+path, body)
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
	if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s",
		f.path, more, 1<<20, strings.Repeat("x", start)); err == nil {
		f.note("slow begun")
	}
	_, _ = conn.Read(make([]byte, 1)) // an answer, or the end
}

// wantMemory waits for the end of the flood and checks what it has led to.
func (f *flood) wantMemory(full int) {
	f.t.Helper()
	f.senders.Wait()
	f.client.CloseIdleConnections()
	most := f.memory("VmHWM")
	lines := 0
	for line := range strings.Lines(f.log.String()) {
		if strings.Contains(line, "rejected") || strings.Contains(line, "refused") {
			lines++
		}
	}
	f.t.Logf("memory: %d MiB idle, %d MiB at most; %d lines about refusals; answers %v", f.idle, most, lines, f.answers)
	if f.idle > idleMemory || most > full {
		f.t.Errorf("%d MiB idle, %d MiB at most; want %d and %d", f.idle, most, idleMemory, full)
	}
	if limit := 100 + 10*int(3*floodTime/time.Second); lines > limit { // the first, and what is let through in three times the time
		f.t.Errorf("%d lines about refusals, want %d at most", lines, limit)
	}
}

// wantAnswers checks that the flood was one, and that it kept out nobody genuine. A 503 asks a provider to send again.
func (f *flood) wantAnswers(outcomes ...string) {
	f.t.Helper()
	for _, o := range outcomes {
		if f.answers[o] == 0 {
			f.t.Errorf("none was %s", o)
		}
	}
	for o, n := range f.answers {
		if strings.HasPrefix(o, "genuine") && !strings.HasSuffix(o, " 200") && !strings.HasSuffix(o, " 503") {
			f.t.Errorf("%d were %s", n, o)
		}
	}
}

// memory reads one of the figures that Linux keeps of the process, in MiB.
func (f *flood) memory(figure string) int {
	f.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", f.process.Process.Pid))
	if err != nil {
		f.t.Fatal(err)
	}
	groups := regexp.MustCompile(figure + `:\s+(\d+) kB`).FindSubmatch(text)
	if groups == nil {
		f.t.Fatalf("no %s in %s", figure, text)
	}
	kilobytes, err := strconv.Atoi(string(groups[1]))
	if err != nil {
		f.t.Fatal(err)
	}
	return kilobytes >> 10
}
