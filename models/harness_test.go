package models_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/migrations"
	"example.com/identity-webhooks/models"
)

func TestMain(m *testing.M) { os.Exit(testservers.Main(m)) }

var (
	ctx = context.Background()
	now = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
)

// onBothDialects runs a test on an empty SQLite file and on an empty Postgres database.
func onBothDialects(t *testing.T, test func(t *testing.T, s *models.Store)) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, open(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db")))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, open(t, testservers.DatabaseURL(t)))
	})
}

func open(t testing.TB, url string) *models.Store {
	t.Helper()
	s, err := models.Open(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := migrations.Up(ctx, s.DB(), s.Dialect()); err != nil {
		t.Fatal(err)
	}
	return s
}

// event is a delivery with this external ID and body.
func event(id, body string) models.Event {
	return models.Event{
		Provider: "trustgate", Generation: "v2", ExternalID: id, Type: "applicant.reviewed", Queue: models.DefaultQueue,
		Body: []byte(body), Status: models.Received, OccurredAt: models.At(now), ReceivedAt: models.At(now),
	}
}

// add stores e and fails the test unless it gets that receipt.
func add(t *testing.T, s *models.Store, e models.Event, want models.Receipt) {
	t.Helper()
	if got, err := s.AddEvent(ctx, e); err != nil || got != want {
		t.Fatalf("add %s: %v %v, want %v", e.ExternalID, got, err, want)
	}
}

// list returns all events, newest first.
func list(t *testing.T, s *models.Store) []models.Event {
	t.Helper()
	events, err := s.Events(ctx, models.EventFilter{}, models.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// offer offers what is due at a time.
func offer(t *testing.T, s *models.Store, at time.Time) (offered, dead []models.Offer) {
	t.Helper()
	offered, dead, err := s.OfferEvents(ctx, models.DefaultQueue, 100, at)
	if err != nil {
		t.Fatal(err)
	}
	return offered, dead
}

// claim offers and claims the only due event.
func claim(t *testing.T, s *models.Store, at time.Time) models.Event {
	t.Helper()
	offered, _ := offer(t, s, at)
	if len(offered) != 1 {
		t.Fatalf("%d events are due, want 1", len(offered))
	}
	e, err := s.ClaimEvent(ctx, offered[0], at)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
