package jobs

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/sjson"

	"example.com/identity-webhooks/models"
)

// reviewedBody is a sample with some members changed.
func reviewedBody(t *testing.T, set map[string]any) models.Event {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("..", "testdata", "trustgate", "applicant.reviewed.json"))
	if err != nil {
		t.Fatal(err)
	}
	for path, value := range set {
		if body, err = sjson.SetBytes(body, path, value); err != nil {
			t.Fatal(err)
		}
	}
	return models.Event{Provider: "trustgate", Generation: "v2", Type: "applicant.reviewed", Body: body}
}

// TestDriftIsVisible: a new field, an unknown value and a missing field are counted by type and logged once; and an unknown
// verdict never passes anybody.
func TestDriftIsVisible(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqliteURL(t))
	var log strings.Builder
	w.worker.drift.log = slog.New(slog.NewTextHandler(&log, nil))
	for _, e := range []models.Event{
		reviewedBody(t, nil),
		reviewedBody(t, map[string]any{"data.status": "surprise", "data.new": map[string]any{"inner": 1}}),
		reviewedBody(t, map[string]any{"data.status": "surprise", "data.review_decision": ""}),
	} {
		change, _, err := w.worker.registry.Translate(e)
		if err != nil {
			t.Fatal(err)
		}
		if status := change.Decisions[0].Status; len(change.Drift) > 0 && status != models.InReview {
			t.Errorf("an unknown verdict led to %s, want in_review", status)
		}
		w.worker.drift.observe(e, change.Drift)
	}
	w.worker.drift.flush(context.Background())
	w.worker.drift.observe(reviewedBody(t, map[string]any{"data.new": 2}), nil)
	w.worker.drift.flush(context.Background())

	stats, err := w.store.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, d := range stats.Drift {
		got[d.Provider+" "+d.Type+" "+d.What] = d.Count
	}
	want := map[string]int64{
		`trustgate applicant.reviewed data.status has the unknown value "surprise"`: 2,
		"trustgate applicant.reviewed data.review_decision is missing":              1,
		"trustgate applicant.reviewed new field data.new":                           2,
		"trustgate applicant.reviewed new field data.new.inner":                     1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if n := strings.Count(log.String(), "new field data.new\""); n != 1 {
		t.Errorf("logged %d times, want once:\n%s", n, &log)
	}
}

// No sample drifts from itself, and a payload with endless new field names fills nothing.
func TestDriftIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqliteURL(t))
	for provider, bodies := range meaningful(t, w.worker.registry) {
		for _, body := range bodies {
			e, _ := received(players(t)[provider], provider, w.worker.registry, body)
			w.worker.drift.observe(e, nil)
		}
	}
	if n := len(w.worker.drift.counts); n != 0 {
		t.Errorf("the samples themselves drift: %v", w.worker.drift.counts)
	}
	fields := map[string]int{}
	for i := range 2 * maxDrift {
		fields["field_"+strings.Repeat("x", i)] = i
	}
	w.worker.drift.observe(reviewedBody(t, map[string]any{"data": fields}), nil)
	if n := len(w.worker.drift.counts); n > maxDrift {
		t.Errorf("%d different things remembered, want %d at most", n, maxDrift)
	}
}
