package app_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/identity-webhooks/app/testservers"
)

// processedLine is what a worker logs about an event that it has applied.
var processedLine = regexp.MustCompile(`msg="event processed" event_id=\d+ `)

// Two receivers and two workers share the work. Each event goes to both receivers at once, and is processed by one worker. In the middle, a
// receiver and a worker are stopped and started again, as in a rolling restart: nothing is lost, done twice, or cut off.
func TestScaleOut(t *testing.T) {
	t.Parallel()
	v, s := anyVerdicts(t), newSink(t, answering(http.StatusOK))
	b := backend{testservers.DatabaseURL(t), testservers.RedisURL(t)}
	settings := append(s.settings(), "LOG_LEVEL=info")
	var receivers, workers []*program
	for range 2 {
		receivers = append(receivers, launch(t, build(t), "receiver", b, settings...))
		workers = append(workers, launch(t, build(t), "worker", b, settings...))
	}
	var acceptances, acknowledged atomic.Int64
	deliver := func() (id string) {
		id, body := v.verified()
		var both sync.WaitGroup
		for _, r := range receivers {
			both.Go(func() {
				for { // again while the receiver is restarted, as a provider does
					status, answer, err := r.trySend(v.provider, body, func(http.Header) {})
					switch {
					case err == nil && status == http.StatusOK:
						if answer == accepted {
							acceptances.Add(1)
						}
						return
					case err == nil && status != http.StatusServiceUnavailable:
						t.Errorf("answered %d %s", status, answer)
						return
					}
					<-time.After(20 * time.Millisecond)
				}
			})
		}
		both.Wait()
		acknowledged.Add(1)
		return id
	}

	var ids []string
	within(t, time.Minute, "both workers process events", func() bool {
		ids = append(ids, deliver())
		return processedLine.MatchString(workers[0].log.String()) && processedLine.MatchString(workers[1].log.String())
	})
	var senders sync.WaitGroup
	sent, before := make([][]string, 8), acknowledged.Load()
	for i := range sent {
		senders.Go(func() {
			for range 25 {
				sent[i] = append(sent[i], deliver())
			}
		})
	}
	within(t, time.Minute, "the senders get on", func() bool { return acknowledged.Load() >= before+50 })
	receivers[1].signal(syscall.SIGTERM)
	workers[1].signal(syscall.SIGTERM)
	senders.Wait()
	ids = slices.Concat(append(sent, ids)...)
	for _, p := range []*program{receivers[1], workers[1]} {
		within(t, time.Minute, "the stopped process has ended without an error", func() bool {
			return strings.Contains(p.log.String(), "(ended: <nil>)")
		})
	}

	r := receivers[0]
	r.settle()
	r.eventually("all callbacks are done", func() bool { return len(r.followUps("status=waiting&name="+callback)) == 0 })
	r.applied(ids)
	if n := int(acceptances.Load()); n > len(ids) {
		t.Errorf("%d events were accepted %d times", len(ids), n)
	}
	if n := b.count(t, "SELECT COUNT(*) FROM customers WHERE revision = 1"); n != len(ids) {
		t.Errorf("%d customers were changed once, want %d", n, len(ids))
	}
	var lines []string
	r.eventually("each event is logged", func() bool {
		lines = append(processedLine.FindAllString(workers[0].log.String(), -1), processedLine.FindAllString(workers[1].log.String(), -1)...)
		return len(lines) >= len(ids)
	})
	for what, list := range map[string][]string{"processed": lines, "called back": s.calls()} {
		n := len(list)
		slices.Sort(list)
		if once := len(slices.Compact(list)); n != len(ids) || once != len(ids) {
			t.Errorf("%d events: %d %s, %d of them different", len(ids), n, what, once)
		}
	}
}
