package models_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/models"
)

func erase(t *testing.T, s *models.Store, id int64) models.Erasure {
	t.Helper()
	e, err := s.Erase(ctx, id, models.At(now))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestEraseWhileClaimed erases a person while a worker has one of their events and one of their follow-ups. Neither attempt can record
// anything any more, also if a row of somebody else has got the ID of the follow-up meanwhile.
func TestEraseWhileClaimed(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		mail := func(models.Change) []models.FollowUp {
			return []models.FollowUp{{Name: "mail", Queue: models.DefaultQueue}}
		}
		claimMail := func() models.FollowUp {
			o, _, err := s.Offer(ctx, models.FollowUpWork, models.DefaultQueue, 10, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			ups, err := s.ClaimFollowUps(ctx, o, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			return only(t, ups)
		}
		react(t, s, event("first", "p"), verdict("p", models.StatusVerified), models.Applied, mail)
		add(t, s, event("second", `["p"]`), models.Accepted)
		second, sent := only(t, claim(t, s, now)), claimMail()

		erased := erase(t, s, customer(t, s, "p").ID)
		if _, _, err := s.ApplyEvent(ctx, second, verdict("p", models.StatusFailed), mail, models.At(now)); !errors.Is(err, models.ErrClaimLost) {
			t.Errorf("apply: %v, want ErrClaimLost", err)
		}
		if err := s.Retry(ctx, models.EventWork, second.ID, second.Attempts, errors.New("no"), now); !errors.Is(err, models.ErrClaimLost) {
			t.Errorf("retry: %v, want ErrClaimLost", err)
		}
		react(t, s, event("third", "q"), verdict("q", models.StatusVerified), models.Applied, mail)
		others := claimMail()
		if err := s.FinishFollowUp(ctx, sent, models.FollowUpDone, "", models.At(now)); !errors.Is(err, models.ErrClaimLost) {
			t.Errorf("finish follow-up %d of the erased person: %v, want ErrClaimLost", sent.ID, err)
		}
		if err := s.FinishFollowUp(ctx, others, models.FollowUpDone, "", models.At(now)); err != nil {
			t.Errorf("finish follow-up %d of somebody else: %v", others.ID, err)
		}
		if got := customer(t, s, "q").ID; got <= erased.CustomerID {
			t.Errorf("the next customer is %d after %d, want another ID", got, erased.CustomerID)
		}
	})
}

// TestEraseTwiceAtOnce: whoever is second gets the record of the first.
func TestEraseTwiceAtOnce(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		for _, who := range []string{"p", "q", "r", "s"} {
			process(t, s, event(who, who), verdict(who, models.StatusVerified), models.Applied)
			id := customer(t, s, who).ID
			var records [4]models.Erasure
			var errs [4]error
			var all sync.WaitGroup
			for i := range records {
				all.Go(func() { records[i], errs[i] = s.Erase(ctx, id, models.At(now)) })
			}
			all.Wait()
			want := [4]models.Erasure{records[0], records[0], records[0], records[0]}
			if diff := cmp.Diff(want, records); diff != "" || errors.Join(errs[:]...) != nil {
				t.Errorf("%v %s", errors.Join(errs[:]...), diff)
			}
		}
		if _, err := s.Erase(ctx, 99, models.At(now)); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("erase nobody: %v, want ErrNotFound", err)
		}
	})
}

// TestEraseNeedsAllKeys: a body that cannot be decrypted may be about the person, so nothing is erased before its key is there again, or
// the body was removed as the README says.
func TestEraseNeedsAllKeys(t *testing.T) {
	t.Parallel()
	url := testservers.DatabaseURL(t)
	s := openToClose(t, url, newKey(t))
	add(t, s, event("lost", `["p"]`), models.Accepted)
	fail(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, url)
	process(t, s, event("other", "p"), verdict("p", models.StatusVerified), models.Applied)
	id := customer(t, s, "p").ID
	_, err := s.Erase(ctx, id, models.At(now))
	var problem models.BodyProblem
	if !errors.As(err, &problem) || !strings.Contains(string(problem), "event 1") || !strings.Contains(string(problem), "not in ENCRYPTION_KEYS") {
		t.Errorf("%v, want the event and the key", err)
	}
	if e, err := s.Event(ctx, list(t, s)[1].ID); err != nil || e.BodyProblem == "" {
		t.Fatalf("%+v %v", e, err)
	}
	execute(t, s, "UPDATE events SET body = '', body_key = '' WHERE body_key <> ''")
	if e := erase(t, s, id); e.Events != 1 {
		t.Errorf("%+v, want one body removed", e)
	}
}
