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

func open(t testing.TB, url string, keys ...models.Key) *models.Store {
	t.Helper()
	s := openToClose(t, url, keys...)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// openToClose is open for a test that closes the store itself.
func openToClose(t testing.TB, url string, keys ...models.Key) *models.Store {
	t.Helper()
	s, err := models.Open(ctx, url, keys...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrations.Up(ctx, s.DB(), s.Dialect()); err != nil {
		t.Fatal(err)
	}
	return s
}

// event is a delivery with this external ID and body.
func event(id, body string) models.Event {
	return models.Event{
		Provider: "acme", Generation: "v1", ExternalID: id, Type: "person.reviewed", Queue: models.DefaultQueue,
		Body: []byte(body), OccurredAt: models.At(now), ReceivedAt: models.At(now),
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
func offer(t *testing.T, s *models.Store, at time.Time) (o models.Offer, gaveUp []int64) {
	t.Helper()
	o, gaveUp, err := s.Offer(ctx, models.EventWork, models.DefaultQueue, 100, at)
	if err != nil {
		t.Fatal(err)
	}
	return o, gaveUp
}

// claim offers and claims all due events.
func claim(t *testing.T, s *models.Store, at time.Time) []models.Event {
	t.Helper()
	o, _ := offer(t, s, at)
	events, err := s.ClaimEvents(ctx, o, at)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// apply applies a claimed event and fails the test unless it has that outcome.
func apply(t *testing.T, s *models.Store, e models.Event, f models.Facts, want models.Outcome) {
	t.Helper()
	if got, _, err := s.ApplyEvent(ctx, e, f, nothing, models.At(now)); err != nil || got != want {
		t.Fatalf("apply %s: %q %v, want %q", e.ExternalID, got, err, want)
	}
}

// nothing follows up nothing.
func nothing(models.Change) []models.FollowUp { return nil }

// at is an event that happened so many minutes after now.
func at(minute int, id string) models.Event {
	e := event(id, id)
	e.OccurredAt = models.At(now.Add(time.Duration(minute) * time.Minute))
	return e
}

// verdict says that the provider has decided on a person by itself.
func verdict(subject string, status models.Status) models.Facts {
	return decided(subject, models.ByAutomatic, status)
}

func decided(subject string, by models.Authority, status models.Status) models.Facts {
	return models.Facts{SubjectID: subject, Decisions: []models.Decision{{Source: models.FromApplicant, Authority: by, Status: status}}}
}

// process stores an event and applies what it says. It fails the test unless the event has that outcome.
func process(t *testing.T, s *models.Store, e models.Event, f models.Facts, want models.Outcome) models.Event {
	t.Helper()
	return react(t, s, e, f, want, nothing)
}

// react does the same, with follow-ups.
func react(t *testing.T, s *models.Store, e models.Event, f models.Facts, want models.Outcome, followUps func(models.Change) []models.FollowUp) models.Event {
	t.Helper()
	add(t, s, e, models.Accepted)
	e = only(t, claim(t, s, now))
	if got, _, err := s.ApplyEvent(ctx, e, f, followUps, models.At(now)); err != nil || got != want {
		t.Fatalf("apply %s: %q %v, want %q", e.ExternalID, got, err, want)
	}
	return e
}

// only returns the only one.
func only[T any](t *testing.T, some []T) T {
	t.Helper()
	if len(some) != 1 {
		t.Fatalf("%d of them, want one: %+v", len(some), some)
	}
	return some[0]
}

// customer returns the customer with that subject ID.
func customer(t *testing.T, s *models.Store, subject string) models.Customer {
	t.Helper()
	found, err := s.Customers(ctx, models.CustomerFilter{SubjectID: subject}, models.Page{Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	return only(t, found)
}

// followUps returns all follow-ups, newest first.
func followUps(t *testing.T, s *models.Store) []models.FollowUp {
	t.Helper()
	ups, err := s.FollowUps(ctx, models.FollowUpFilter{}, models.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	return ups
}

// execute runs a statement that the program itself never would.
func execute(t *testing.T, s *models.Store, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := s.DB().ExecContext(ctx, statement); err != nil {
			t.Fatalf("%v in %s", err, statement)
		}
	}
}

// refuse makes the database refuse some rows of a table, with an error that contains "refused".
func refuse(t *testing.T, s *models.Store, table, when string) {
	t.Helper()
	if s.Dialect() == "sqlite" {
		execute(t, s, "CREATE TRIGGER refuse BEFORE INSERT ON "+table+" WHEN "+when+" BEGIN SELECT RAISE(ABORT, 'refused'); END")
		return
	}
	execute(t, s, "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$",
		"CREATE TRIGGER refuse BEFORE INSERT ON "+table+" FOR EACH ROW WHEN ("+when+") EXECUTE FUNCTION refuse()")
}
