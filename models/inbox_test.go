package models_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/models"
)

func TestReceipts(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		add(t, s, event("a", "1"), models.Accepted)
		add(t, s, event("a", "1"), models.Repeated)
		add(t, s, event("a", "2"), models.Conflicting)
		add(t, s, event("a", "2"), models.Conflicting)
		other := event("a", "2")
		other.Provider = "umbrella"
		add(t, s, other, models.Accepted)

		derived := event("key:1", "1")
		derived.Derived = true
		add(t, s, derived, models.Accepted)
		derived.Body = []byte("2") // a retry with a new time stamp
		add(t, s, derived, models.Repeated)

		unreadable := event("sha256:1", "{")
		unreadable.Problem = "unreadable body"
		add(t, s, unreadable, models.Accepted)
		contradictory := event("b", "1")
		contradictory.Quarantined, contradictory.Problem = true, "the header says otherwise"
		add(t, s, contradictory, models.Conflicting)

		got := map[string]string{}
		for _, e := range list(t, s) {
			got[fmt.Sprint(e.Provider, " ", e.ExternalID, " ", e.Status)] = fmt.Sprint(e.Deliveries, " ", e.Error)
		}
		want := map[string]string{
			"acme a received":      "4 ", // its ID came four times
			"acme a quarantined":   "2 its ID came before with another body",
			"umbrella a received":  "1 ",
			"acme key:1 received":  "2 ",
			"acme sha256:1 failed": "1 unreadable body",
			"acme b quarantined":   "1 the header says otherwise",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// Deliveries share commits. Batches that hold the same IDs in other orders wait for each other; each event is accepted once.
func TestOverlappingBatches(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		const senders, ids = 32, 40
		var mu sync.Mutex
		accepted := map[string]int{}
		var all sync.WaitGroup
		for range senders {
			all.Go(func() {
				for _, i := range rand.Perm(ids) {
					id := fmt.Sprint(i)
					receipt, err := s.AddEvent(ctx, event(id, id))
					if err != nil {
						t.Error(err)
					}
					if receipt == models.Accepted {
						mu.Lock()
						accepted[id]++
						mu.Unlock()
					}
				}
			})
		}
		all.Wait()
		for _, e := range list(t, s) {
			if accepted[e.ExternalID] != 1 || e.Deliveries != senders {
				t.Errorf("event %s: accepted %d times, %d deliveries", e.ExternalID, accepted[e.ExternalID], e.Deliveries)
			}
		}
	})
}

// One batch may hold several bodies of one ID, and that of the stored row in any place.
func TestSeveralBodiesInOneBatch(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		for round := range 30 {
			id := fmt.Sprint(round)
			add(t, s, event(id, "stored"), models.Accepted)
			var all sync.WaitGroup
			for body, want := range map[string]models.Receipt{"stored": models.Repeated, "other": models.Conflicting, "third": models.Conflicting} {
				all.Go(func() {
					if got, err := s.AddEvent(ctx, event(id, body)); err != nil || got != want {
						t.Errorf("%s: %v %v, want %v", body, got, err, want)
					}
				})
			}
			all.Wait()
		}
	})
}

// A batch is stored as a whole or not at all: what comes back as an error is neither there nor counted.
func TestBatchIsAtomic(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		refuse(t, s, "events", "NEW.quarantined")
		const ids = 20
		for i := range ids {
			add(t, s, event(fmt.Sprint(i), "first"), models.Accepted)
		}
		var mu sync.Mutex
		counted := map[string]int{}
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				e := event(fmt.Sprint(i%ids), "first")
				if i%10 == 0 {
					e.Body = []byte("another")
				}
				_, err := s.AddEvent(ctx, e)
				if err != nil && !strings.Contains(err.Error(), "refused") || err == nil && i%10 == 0 {
					t.Errorf("add: %v", err)
				}
				if err == nil {
					mu.Lock()
					counted[e.ExternalID]++
					mu.Unlock()
				}
			})
		}
		all.Wait()
		for _, e := range list(t, s) {
			if e.Deliveries != 1+counted[e.ExternalID] {
				t.Errorf("event %s: %d deliveries are counted, of which %d were answered", e.ExternalID, e.Deliveries, 1+counted[e.ExternalID])
			}
		}
	})
}

// An ID whose event has failed accepts another body, whichever came first. The failed one is kept beside it.
func TestFailedEventGivesWay(t *testing.T) {
	const first, second = "first", "second"
	contradictory := event("a", second)
	contradictory.Quarantined, contradictory.Problem = true, "the header says otherwise"
	unreadable := event("a", first)
	unreadable.Problem = "unreadable body"
	for name, test := range map[string]struct {
		deliver func(t *testing.T, s *models.Store)
		want    map[string]models.EventStatus // by body
	}{
		"to a body that comes after it failed": {
			func(t *testing.T, s *models.Store) {
				add(t, s, event("a", first), models.Accepted)
				fail(t, s)
				add(t, s, event("a", second), models.Accepted)
				add(t, s, event("a", second), models.Repeated)
				add(t, s, event("a", first), models.Conflicting)
			},
			map[string]models.EventStatus{first: models.Quarantined, second: models.Received},
		},
		"to a body that came before it failed": {
			func(t *testing.T, s *models.Store) {
				add(t, s, event("a", first), models.Accepted)
				add(t, s, event("a", second), models.Conflicting)
				fail(t, s)
				add(t, s, event("a", second), models.Repeated)
			},
			map[string]models.EventStatus{first: models.Quarantined, second: models.Received},
		},
		"to a body that came before its workers died": {
			func(t *testing.T, s *models.Store) {
				add(t, s, event("a", first), models.Accepted)
				add(t, s, event("a", second), models.Conflicting)
				crash(t, s)
			},
			map[string]models.EventStatus{first: models.Quarantined, second: models.Received},
		},
		"if it could not be read": {
			func(t *testing.T, s *models.Store) {
				add(t, s, unreadable, models.Accepted)
				add(t, s, event("a", second), models.Accepted)
			},
			map[string]models.EventStatus{first: models.Quarantined, second: models.Received},
		},
		"to each body once": {
			func(t *testing.T, s *models.Store) {
				add(t, s, event("a", first), models.Accepted)
				fail(t, s)
				add(t, s, event("a", second), models.Accepted)
				fail(t, s)
				add(t, s, event("a", first), models.Conflicting)
				add(t, s, event("a", second), models.Repeated)
			},
			map[string]models.EventStatus{first: models.Quarantined, second: models.Failed},
		},
		"to no body that contradicts itself": {
			func(t *testing.T, s *models.Store) {
				add(t, s, event("a", first), models.Accepted)
				add(t, s, contradictory, models.Conflicting)
				fail(t, s)
				add(t, s, contradictory, models.Conflicting)
			},
			map[string]models.EventStatus{first: models.Failed, second: models.Quarantined},
		},
		"to no body that cannot be read": {
			func(t *testing.T, s *models.Store) {
				add(t, s, event("a", second), models.Accepted)
				fail(t, s)
				add(t, s, unreadable, models.Conflicting)
			},
			map[string]models.EventStatus{first: models.Quarantined, second: models.Failed},
		},
	} {
		t.Run(name, func(t *testing.T) {
			onBothDialects(t, func(t *testing.T, s *models.Store) {
				test.deliver(t, s)
				got := map[string]models.EventStatus{}
				for _, e := range list(t, s) {
					full, err := s.Event(ctx, e.ID)
					if err != nil {
						t.Fatal(err)
					}
					got[string(full.Body)] = full.Status
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			})
		})
	}
}

// It gives way to a body that comes at the moment at which it fails as well.
func TestFailedEventGivesWayMeanwhile(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		for round := range 40 {
			id := fmt.Sprint(round)
			add(t, s, event(id, "first"), models.Accepted)
			first := only(t, claim(t, s, now))
			var both sync.WaitGroup
			both.Go(func() {
				if err := s.Retry(ctx, models.EventWork, first.ID, first.Attempts, errors.New("cannot be applied"), time.Time{}); err != nil {
					t.Error(err)
				}
			})
			both.Go(func() {
				if _, err := s.AddEvent(ctx, event(id, "second")); err != nil {
					t.Error(err)
				}
			})
			both.Wait()
			second := only(t, claim(t, s, now))
			if string(second.Body) != "second" {
				t.Fatalf("round %d: %s is due, want the second body", round, second.Body)
			}
			apply(t, s, second, models.Facts{Ignored: "a test"}, models.Ignored)
		}
	})
}

// fail has the only due event fail for good.
func fail(t *testing.T, s *models.Store) {
	t.Helper()
	e := only(t, claim(t, s, now))
	if err := s.Retry(ctx, models.EventWork, e.ID, e.Attempts, errors.New("cannot be applied"), time.Time{}); err != nil {
		t.Fatal(err)
	}
}

// crash has the worker of the only due event die until its attempts are used up.
func crash(t *testing.T, s *models.Store) {
	t.Helper()
	when := now
	for range models.MaxAttempts {
		only(t, claim(t, s, when))
		when = when.Add(models.ClaimTimeout)
	}
	if _, gaveUp := offer(t, s, when); len(gaveUp) != 1 {
		t.Fatalf("gave up %v, want one event", gaveUp)
	}
}

// An answered delivery must be on disk, whatever the server's default.
func TestCommitsAreSynced(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		s := open(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
		var level string
		if err := s.DB().QueryRowContext(ctx, "PRAGMA synchronous").Scan(&level); err != nil || level != "2" {
			t.Errorf("synchronous is %s %v, want 2, which is FULL", level, err)
		}
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		s := open(t, withParameter(t, testservers.DatabaseURL(t), "synchronous_commit", "off"))
		refuse(t, s, "events", "current_setting('synchronous_commit') <> 'on'")
		add(t, s, event("a", "1"), models.Accepted)
	})
}

func withParameter(t *testing.T, rawURL, name, value string) string {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = query.Encode()
	return u.String()
}

// Deliveries that have to wait for each other are a crowd, until a moment after they stop.
func TestCrowd(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		add(t, s, event("alone", "{}"), models.Accepted)
		if s.Crowded() {
			t.Error("one delivery is a crowd")
		}
		var crowded atomic.Bool
		var all sync.WaitGroup
		for i := range 64 {
			all.Go(func() {
				for j := 0; j < 50 && !crowded.Load(); j++ {
					add(t, s, event(fmt.Sprint(i, "-", j), "{}"), models.Accepted)
					crowded.CompareAndSwap(false, s.Crowded())
				}
			})
		}
		all.Wait()
		if !crowded.Load() {
			t.Error("64 senders at once are no crowd")
		}
		deadline := time.After(10 * time.Second)
		for tick := time.Tick(10 * time.Millisecond); s.Crowded(); {
			select {
			case <-tick:
			case <-deadline:
				t.Fatal("the crowd does not end")
			}
		}
	})
}
