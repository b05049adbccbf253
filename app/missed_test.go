package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/migrations"
	"example.com/identity-webhooks/models"
)

// What a provider lists and never delivered goes through the same inbox: once, however often it is listed.
func TestMissedEventsArePolled(t *testing.T) {
	t.Parallel()
	store, err := models.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := migrations.Up(t.Context(), store.DB(), store.Dialect()); err != nil {
		t.Fatal(err)
	}
	c, err := ReadConfig([]string{"TRST_WEBHOOK_SECRET=a", "TRUSTIST_WEBHOOK_SECRET=b/c"})
	if err != nil {
		t.Fatal(err)
	}
	active, err := c.Providers()
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	wakes, noon := 0, time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	queueOf := func(string, string, string) string { return models.DefaultQueue }
	logger := slog.New(slog.NewTextHandler(&log, nil))
	receiver := handlers.NewReceiver(store, queueOf, func() { wakes++ }, &handlers.Rejections{}, &handlers.SecretUses{}, logger)

	enrolled := func(id int) []byte {
		return fmt.Appendf(nil, `{"event_id":"e%d","timestamp":"2026-03-02T10:00:00Z","data":{"event_type":"enrollment.completed","session_id":"s"}}`, id)
	}
	var asked []time.Time
	answers := [][][]byte{{enrolled(1), enrolled(2)}, nil, {enrolled(2), enrolled(3), []byte("nonsense")}}
	m := newMissed(c, map[string]Poller{
		"trst": func(_ context.Context, _ Config, since time.Time) ([][]byte, error) {
			asked = append(asked, since)
			answer := answers[len(asked)-1]
			if answer == nil {
				return nil, errors.New("no answer")
			}
			return answer, nil
		},
		"trustist": func(context.Context, Config, time.Time) ([][]byte, error) {
			return [][]byte{[]byte(`{"event":"onboard.session.completed","timestamp":"2026-03-02T10:00:00Z","data":{"sessionId":"s","customerId":"c","status":"completed"}}`)}, nil
		},
		"legaltalent": func(context.Context, Config, time.Time) ([][]byte, error) {
			t.Error("a provider without a secret was asked")
			return nil, nil
		},
	}, func() map[string]handlers.Provider { return active }, receiver, logger)
	for hour := range 3 {
		m.now = func() time.Time { return noon.Add(time.Duration(hour) * time.Hour) }
		m.round(t.Context())
	}
	events, err := store.Events(t.Context(), models.EventFilter{}, models.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, e := range events {
		got[e.Provider+" "+e.Type+" "+string(e.Status)] += e.Deliveries
	}
	want := map[string]int{"trst enrollment.completed received": 4, "trst  failed": 1, "trustist onboard.session.completed received": 3}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("deliveries (-want +got):\n%s", diff)
	}
	// A day at first; after an error the same again; else an hour more than since the last time.
	if diff := cmp.Diff([]time.Time{noon.Add(-24 * time.Hour), noon.Add(-time.Hour), noon.Add(-time.Hour)}, asked); diff != "" {
		t.Errorf("asked for what happened since (-want +got):\n%s", diff)
	}
	if wakes != 4 || strings.Count(log.String(), "missed events not polled") != 1 {
		t.Errorf("%d wakes, want one for each new event; log:\n%s", wakes, log.String())
	}
}
