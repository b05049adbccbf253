package jobs

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"example.com/identity-webhooks/models"
)

const (
	// translationTimeout is what an event's translation and reaction may take.
	translationTimeout = 5 * time.Second
	// slow is how long a worker waits for it where slowPerType workers wait for others of its type already: a type that hangs is
	// not to occupy them all. Translations take microseconds.
	slow        = 200 * time.Millisecond
	slowPerType = 4
)

// translate runs the event's translation in a goroutine of its own. One that hangs is left behind after its deadline, and one
// that panics fails: both cost their own event an attempt, and nothing else.
func (w *Worker) translate(e models.Event) (models.Change, bool, error) {
	type result struct {
		change models.Change
		known  bool
		err    error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if p := recover(); p != nil {
				r.err = fmt.Errorf("panic: %v%s", p, whereItPanicked())
			}
			done <- r
		}()
		r.change, r.known, r.err = w.registry.Translate(e)
	}()
	key := w.registry.key(e.Provider, e.Generation, e.Type)
	deadline := time.NewTimer(slow)
	defer deadline.Stop()
	select {
	case r := <-done:
		return r.change, r.known, r.err
	case <-deadline.C:
	}
	if !w.patience.begin(key) {
		return models.Change{}, true, fmt.Errorf("translation took longer than %s, while %d others of its type took as long", slow, slowPerType)
	}
	defer w.patience.end(key)
	deadline.Reset(translationTimeout - slow)
	select {
	case r := <-done:
		return r.change, r.known, r.err
	case <-deadline.C:
		return models.Change{}, true, fmt.Errorf("translation took longer than %s", translationTimeout)
	}
}

// patience counts the workers that wait for a slow translation, by event type.
type patience struct {
	mu      sync.Mutex
	waiting map[string]int
}

// begin reports whether one more may wait.
func (p *patience) begin(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting[key] >= slowPerType {
		return false
	}
	if p.waiting == nil {
		p.waiting = map[string]int{}
	}
	p.waiting[key]++
	return true
}

func (p *patience) end(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting[key]--
}

// whereItPanicked names the function, file and line that a deferred function recovers from: the first that is not Go's own.
func whereItPanicked() string {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		if file := f.File; file != "" && !strings.HasPrefix(f.Function, "runtime.") {
			return fmt.Sprintf(" in %s, %s:%d", f.Function[strings.LastIndex(f.Function, "/")+1:], file[strings.LastIndex(file, "/")+1:], f.Line)
		}
		if !more {
			return ""
		}
	}
}
