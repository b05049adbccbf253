package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/models"
)

// acmeSamples are the samples of a provider that is none of ours.
var acmeSamples = fstest.MapFS{
	"acme/catalogue.jsonl": {Data: []byte(`
		{"generation":"v1","type":"checked","sample":"checked.json","free_form":["extra","people[].extra"]}
		{"generation":"v1","type":"free","sample":"checked.json","free_form":[""]}`)},
	"acme/checked.json":                {Data: []byte(`{"id":"1","people":[{"id":"p"}],"extra":{"a":1}}`)},
	"acme/variants/checked.other.json": {Data: []byte(`{"id":"1","status":"x"}`)},
}

func newAcmeDrift(t *testing.T, store *models.Store, log *strings.Builder) *Drift {
	t.Helper()
	d, err := NewDrift(store, acmeSamples, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func acmeEvent(eventType, body string) models.Event {
	return models.Event{Provider: "acme", Generation: "v1", Type: eventType, Body: []byte(body)}
}

// counted is what drift a store shows, by type.
func counted(t *testing.T, store *models.Store) map[string]int64 {
	t.Helper()
	stats, err := store.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int64{}
	for _, d := range stats.Drift {
		counts[d.Type+" "+d.What] = d.Count
	}
	return counts
}

// New fields and the notes of translations are counted by type and logged once.
func TestDriftIsVisible(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	store := newWorld(t, sqliteURL(t)).store
	d := newAcmeDrift(t, store, &log)
	d.observe(acmeEvent("checked", `{"id":"2","status":"y","people":[{"id":"p","extra":{"b":1}}],"extra":{"c":[{"d":1}]}}`), nil)
	d.observe(acmeEvent("checked", `{"id":"2","new":{"inner":1},"people":[{"name":"a"},{"name":"b"}]}`), []string{"status is missing"})
	d.flush(context.Background())
	d.observe(acmeEvent("checked", `{"new":[],"Status":"y"}`), []string{"status is missing"})
	d.observe(acmeEvent("free", `{"anything":"goes"}`), nil)
	d.observe(acmeEvent("unlisted", `{"anything":"goes"}`), []string{"odd"})
	d.flush(context.Background())
	want := map[string]int64{
		"checked new field new": 2, "checked new field new.inner": 1, "checked new field people[].name": 1,
		"checked new field Status": 1, "checked status is missing": 2, "unlisted odd": 1,
	}
	if diff := cmp.Diff(want, counted(t, store)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if n := strings.Count(log.String(), "status is missing"); n != 1 {
		t.Errorf("logged %d times, want once:\n%s", n, &log)
	}
}

// A flood of new names hides neither a new word of the same type nor another type's names, and stays bounded.
func TestDriftFloodHidesNothing(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	d := newAcmeDrift(t, nil, &log)
	for i := range 3 {
		var fields []string
		for j := range 1000 {
			fields = append(fields, fmt.Sprintf(`"field_%d_%d":%d`, i, j, j))
		}
		d.observe(acmeEvent("checked", "{"+strings.Join(fields, ",")+"}"), nil)
	}
	d.observe(acmeEvent("checked", "{}"), []string{`status has the unknown value "z"`})
	d.observe(acmeEvent("checked", `{"`+strings.Repeat("long", 10_000)+`":{"a":1}}`), nil)
	for i := range 2 * maxBudgets {
		d.observe(acmeEvent(fmt.Sprint("type_", i), "{}"), []string{"odd"})
	}
	if n := len(d.counts); n != maxListed+maxBudgets-1 {
		t.Errorf("%d things counted, want %d", n, maxListed+maxBudgets-1)
	}
	if d.counts[models.Drift{Provider: "acme", Generation: "v1", Type: "checked", What: `status has the unknown value "z"`}] != 1 {
		t.Error("the new word is not counted")
	}
}

// No sample of ours drifts from the samples.
func TestSamplesDoNotDrift(t *testing.T) {
	t.Parallel()
	d, err := NewDrift(nil, testdata, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	eachDelivery(t, func(name string, e models.Event) {
		if known, listed := d.fields[e.Provider+"/"+e.Generation+"/"+e.Type]; listed {
			if fields := newFields(e.Body, known); len(fields) > 0 {
				t.Errorf("%s has new fields: %v", name, fields)
			}
		} else {
			t.Errorf("%s: its type is not in the catalogue", name)
		}
	})
}
