package cli

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite app/cli/testdata; read what it holds before you commit it")

// Times and durations of a test differ from run to run. What stands for them is as wide.
var changing = []struct {
	found *regexp.Regexp
	put   string
}{
	{regexp.MustCompile(`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z`), "2006-01-02T15:04:05.999999Z"},
	{regexp.MustCompile(`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ`), "2006-01-02T15:04:05Z"},
	{regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d`), "15:04:05"},
}

// golden compares what a command printed with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	for _, c := range changing {
		got = c.found.ReplaceAllString(got, c.put)
	}
	file := filepath.Join(root, "app", "cli", "testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// live is a command that runs until it is stopped.
type live struct {
	t              *testing.T
	stdout, stderr printed
	stop           context.CancelFunc
	code           chan int
}

// launch runs a command beside the test.
func launch(t *testing.T, args ...string) *live {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &live{t: t, stop: cancel, code: make(chan int, 1)}
	go func() { l.code <- Execute(ctx, args, samples(), &l.stdout, &l.stderr) }()
	t.Cleanup(cancel)
	return l
}

// printed is a text that is read while it is written.
type printed struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// waitFor waits until the command has printed a text.
func (l *live) waitFor(text string) {
	l.t.Helper()
	until(l.t, func() bool {
		return strings.Contains(l.stdout.String(), text) || strings.Contains(l.stderr.String(), text)
	},
		func() string { return text + " in:\n" + l.stdout.String() + l.stderr.String() })
}

// end stops the command as Ctrl+C does, and returns what came of it.
func (l *live) end() result {
	l.t.Helper()
	l.stop()
	select {
	case code := <-l.code:
		return result{code, l.stdout.String(), l.stderr.String()}
	case <-time.After(patience):
		l.t.Fatal("the command goes on")
		return result{}
	}
}

// until waits for a condition.
func until(t *testing.T, met func() bool, what func() string) {
	t.Helper()
	tick, late := time.NewTicker(5*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for !met() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("waited in vain for ", what())
		}
	}
}
