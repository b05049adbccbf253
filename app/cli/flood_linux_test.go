package cli

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// floodTime is how long a flood lasts.
const floodTime = 8 * time.Second

// Bounds of memory, in MiB. The floods reach about two thirds of theirs.
const (
	idleMemory  = 60  // a process without work
	fullMemory  = 200 // a flood of all kinds
	worstMemory = 300 // every connection taken, each with as much as it may hold
)

// TestMemoryUnderFlood: unverified, oversized and slow deliveries do not make the process grow beyond a bound, and genuine
// ones among them, from the same address, are all accepted.
func TestMemoryUnderFlood(t *testing.T) {
	f := newFlood(t)
	f.genuine()
	f.repeat(8, func() { f.post("unverified", "trustgate", 400) })
	f.repeat(4, func() { f.post("wrong token", "trustist/wrong", 400) })
	f.repeat(8, func() { f.post("large", "trustgate", 1<<20) })
	f.repeat(4, func() { f.post("oversized", "trustgate", 2<<20) })
	f.repeat(4, func() { f.post("oversized", "trustgate", -2<<20) })
	for i := range 500 {
		f.repeat(1, func() { f.slow([]int{1, 8_000, 100_000, 1_000_000}[i%4], 0) })
	}
	f.wantMemory(fullMemory)
	f.wantAnswers("genuine 200", "genuine anew 200", "unverified 401", "unverified 429", "wrong token 429", "oversized 413", "large 503", "slow begun")
}

// TestMemoryWithAllConnectionsTaken: likewise, where more senders than there is room for send the largest headers, begin a
// large body, and wait.
func TestMemoryWithAllConnectionsTaken(t *testing.T) {
	f := newFlood(t)
	f.genuine()
	for range 2500 {
		f.repeat(1, func() { f.slow(20_000, 11<<10) })
	}
	f.wantMemory(worstMemory)
	f.wantAnswers("genuine 200", "slow begun")
}

// wantMemory waits for the end of the flood and checks what it has led to.
func (f *flood) wantMemory(full int) {
	f.t.Helper()
	f.senders.Wait()
	f.client.CloseIdleConnections()
	most, after := memory(f.t, f.process, "VmHWM"), memory(f.t, f.process, "VmRSS")
	interrupt(f.t, f.process)
	refusals := <-f.refusals
	f.t.Logf("memory: %d MiB idle, %d MiB at most, %d MiB after; %d lines about refusals; answers %v", f.idle, most, after, refusals, f.answers)
	if f.idle > idleMemory || most > full {
		f.t.Errorf("%d MiB idle, %d MiB at most; want %d and %d", f.idle, most, idleMemory, full)
	}
	if limit := 100 + 10*int(3*floodTime/time.Second); refusals > limit { // the first, and what is let through in three times the time
		f.t.Errorf("%d lines about refusals, want %d at most", refusals, limit)
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

// memory reads one of the figures that Linux keeps of a process, in MiB.
func memory(t *testing.T, p *process, figure string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	groups := regexp.MustCompile(figure + `:\s+(\d+) kB`).FindSubmatch(text)
	if groups == nil {
		t.Fatalf("no %s in %s", figure, text)
	}
	kilobytes, err := strconv.Atoi(string(groups[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes >> 10
}
