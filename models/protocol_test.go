package models_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/models"
)

// chore is one thing to do, of either kind of work.
type chore struct {
	t    *testing.T
	s    *models.Store
	work models.Work
}

// attempt is a claim on it.
type attempt struct {
	id     int64
	number int
	finish func() error // has done it
}

func onBothWorks(t *testing.T, test func(t *testing.T, c chore)) {
	for _, work := range []models.Work{models.EventWork, models.FollowUpWork} {
		t.Run(string(work), func(t *testing.T) {
			onBothDialects(t, func(t *testing.T, s *models.Store) {
				c := chore{t, s, work}
				c.add("a")
				test(t, c)
			})
		})
	}
}

// add makes one that is due now.
func (c chore) add(id string) {
	c.t.Helper()
	if c.work == models.EventWork {
		add(c.t, c.s, event(id, "{}"), models.Accepted)
		return
	}
	react(c.t, c.s, event(id, "{}"), verdict(id, models.StatusVerified), models.Applied, always("mail"))
}

// always follows up each change.
func always(name string) func(models.Change) []models.FollowUp {
	return func(models.Change) []models.FollowUp {
		return []models.FollowUp{{Name: name, Queue: models.DefaultQueue}}
	}
}

func (c chore) offer(at time.Time) models.Offer {
	c.t.Helper()
	o, _, err := c.s.Offer(ctx, c.work, models.DefaultQueue, 100, at)
	if err != nil {
		c.t.Fatal(err)
	}
	return o
}

func (c chore) claim(o models.Offer, at time.Time) (attempts []attempt) {
	c.t.Helper()
	if c.work == models.EventWork {
		events, err := c.s.ClaimEvents(ctx, o, at)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, e := range events {
			attempts = append(attempts, attempt{e.ID, e.Attempts, func() error {
				_, _, err := c.s.ApplyEvent(ctx, e, verdict("p", models.StatusVerified), nothing, models.At(now))
				return err
			}})
		}
		return attempts
	}
	ups, err := c.s.ClaimFollowUps(ctx, o, at)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, f := range ups {
		attempts = append(attempts, attempt{f.ID, f.Attempts, func() error {
			return c.s.FinishFollowUp(ctx, f, models.FollowUpDone, "", models.At(now))
		}})
	}
	return attempts
}

// take offers and claims the only one.
func (c chore) take(at time.Time) attempt {
	c.t.Helper()
	return only(c.t, c.claim(c.offer(at), at))
}

func (c chore) retry(a attempt, cause string, next time.Time) error {
	return c.s.Retry(ctx, c.work, a.id, a.number, errors.New(cause), next)
}

// state is the status and the error of the only one.
func (c chore) state() string {
	c.t.Helper()
	if c.work == models.EventWork {
		e := only(c.t, list(c.t, c.s))
		return strings.TrimSpace(string(e.Status) + " " + e.Error)
	}
	f := only(c.t, followUps(c.t, c.s))
	return strings.TrimSpace(string(f.Status) + " " + f.Error)
}

func TestOnlyTheNewestOfferIsClaimed(t *testing.T) {
	onBothWorks(t, func(t *testing.T, c chore) {
		first := c.offer(now)
		if again := c.offer(now); len(first.IDs) != 1 || len(again.IDs) != 0 {
			t.Fatalf("offered %v, then %v; want it once", first, again)
		}
		late := now.Add(models.ClaimTimeout) // the task is taken for lost
		second := c.offer(late)
		late = late.Add(time.Millisecond)
		if got := c.claim(first, late); len(got) != 0 {
			t.Errorf("the superseded offer was claimed: %v", got)
		}
		if a := only(t, c.claim(second, late)); a.number != 1 {
			t.Errorf("attempt %d, want the first", a.number)
		}
		if got := c.claim(second, late); len(got) != 0 {
			t.Errorf("the same offer was claimed twice: %v", got)
		}
	})
}

// What a killed worker had is due again. If the worker was only slow, it changes nothing any more.
func TestClaimRunsOut(t *testing.T) {
	onBothWorks(t, func(t *testing.T, c chore) {
		slow := c.take(now)
		if early := c.offer(now.Add(models.ClaimTimeout - time.Second)); len(early.IDs) != 0 {
			t.Fatal("offered while it is claimed")
		}
		second := c.take(now.Add(models.ClaimTimeout))
		if second.number != 2 {
			t.Fatalf("attempt %d, want 2", second.number)
		}
		before := c.state()
		for what, err := range map[string]error{
			"finish": slow.finish(), "retry": c.retry(slow, "late", now), "fail": c.retry(slow, "late", time.Time{}),
		} {
			if !errors.Is(err, models.ErrClaimLost) {
				t.Errorf("%s by the slow worker: %v, want ErrClaimLost", what, err)
			}
		}
		if after := c.state(); after != before {
			t.Errorf("the slow worker made %q of %q", after, before)
		}
		if err := second.finish(); err != nil {
			t.Errorf("finish by the second worker: %v", err)
		}
		for what, err := range map[string]error{"finish": second.finish(), "retry": c.retry(second, "late", now)} {
			if !errors.Is(err, models.ErrClaimLost) {
				t.Errorf("%s after it was done: %v, want ErrClaimLost", what, err)
			}
		}
	})
}

// What could not be handed to the queue is due at once. A task that got there all the same is void.
func TestReleasedOfferIsDueAtOnce(t *testing.T) {
	onBothWorks(t, func(t *testing.T, c chore) {
		o := c.offer(now)
		if err := c.s.Release(ctx, o, now); err != nil {
			t.Fatal(err)
		}
		if got := c.claim(o, now); len(got) != 0 {
			t.Errorf("the released offer was claimed: %v", got)
		}
		a := c.take(now.Add(time.Millisecond))
		if err := c.s.Release(ctx, o, now); err != nil {
			t.Fatal(err)
		}
		if err := a.finish(); err != nil {
			t.Errorf("releasing an old offer took the claim away: %v", err)
		}
	})
}

// What kills its worker each time ends among the failed ones, with the last error that an attempt has left.
func TestAttemptsUsedUpByCrashes(t *testing.T) {
	onBothWorks(t, func(t *testing.T, c chore) {
		for cause, want := range map[string]string{"": "failed the worker died in each attempt", "no answer": "failed no answer"} {
			at := now
			for range models.MaxAttempts {
				a := c.take(at)
				if cause != "" && a.number == 1 {
					if err := c.retry(a, cause, at); err != nil {
						t.Fatal(err)
					}
				}
				at = at.Add(models.ClaimTimeout)
			}
			o, gaveUp, err := c.s.Offer(ctx, c.work, models.DefaultQueue, 100, at)
			if err != nil || len(o.IDs) != 0 || len(gaveUp) != 1 {
				t.Fatalf("offered %v, gave up %v, %v; want it given up", o, gaveUp, err)
			}
			if got := c.state(); got != want {
				t.Errorf("it is %q, want %q", got, want)
			}
			replay := c.s.ReplayEvent
			if c.work == models.FollowUpWork {
				replay = c.s.ReplayFollowUp
			}
			if started, err := replay(ctx, gaveUp[0], now); err != nil || !started {
				t.Fatalf("replay: %v %v", started, err)
			}
		}
	})
}

// An error's text comes from anywhere. Whatever it holds, it is stored as far as it can be.
func TestErrorTexts(t *testing.T) {
	onBothWorks(t, func(t *testing.T, c chore) {
		for text, want := range map[string]string{
			"no \xff\xfe UTF-8": "no \uFFFD UTF-8", "a NUL \x00 byte": "a NUL  byte", strings.Repeat("é", 5000): "éé",
		} {
			if err := c.retry(c.take(now), text, now); err != nil {
				t.Fatal(err)
			}
			if got := c.state(); !strings.Contains(got, want) || !utf8.ValidString(got) || len(got) > 1100 {
				t.Errorf("stored %q, want %q", got, want)
			}
		}
	})
}

// What a clock that was an hour ahead has put off is due once the clock is right. What is meant to be late stays so.
func TestClockThatWasAhead(t *testing.T) {
	onBothWorks(t, func(t *testing.T, c chore) {
		ahead := now.Add(time.Hour)
		c.offer(ahead)
		a := c.take(now)
		if err := c.retry(a, "no", ahead.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if err := c.retry(c.take(now), "no", now.Add(12*time.Minute)); err != nil {
			t.Fatal(err)
		}
		for _, due := range []struct {
			at   time.Time
			want bool
		}{{now, false}, {now.Add(12 * time.Minute), true}} {
			if got, err := c.s.Due(ctx, c.work, models.DefaultQueue, due.at); err != nil || got != due.want {
				t.Errorf("due at %s: %v %v, want %v", due.at, got, err, due.want)
			}
		}
		if o := c.offer(now); len(o.IDs) != 0 {
			t.Error("offered before its retry is due")
		}
	})
}

// Several relays at once offer each row once.
func TestConcurrentRelays(t *testing.T) {
	onBothWorks(t, func(t *testing.T, c chore) {
		const rows = 60
		for i := range rows - 1 {
			c.add(strings.Repeat("b", i+1))
		}
		var mu sync.Mutex
		offered := map[int64]int{}
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				for range rows {
					o, _, err := c.s.Offer(ctx, c.work, models.DefaultQueue, 7, now)
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					for _, id := range o.IDs {
						offered[id]++
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
		for id, times := range offered {
			if times != 1 {
				t.Errorf("row %d was offered %d times", id, times)
			}
		}
		if len(offered) != rows {
			t.Errorf("%d rows were offered, want %d", len(offered), rows)
		}
	})
}

// The oldest come first, and no more than asked for, of this queue.
func TestOfferIsInOrder(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		for _, id := range []string{"c", "a", "d", "b"} {
			e := event(id, "{}")
			e.ReceivedAt = models.At(now.Add(time.Duration(strings.Index("abcd", id)-10) * time.Second))
			if id == "d" {
				e.Queue = models.CriticalQueue
			}
			add(t, s, e, models.Accepted)
		}
		o, _, err := s.Offer(ctx, models.EventWork, models.DefaultQueue, 2, now)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int64{2, 4}, o.IDs); diff != "" {
			t.Errorf("offered (-want +got)\n%s", diff)
		}
	})
}
