package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/models"
)

const (
	// driftEvery is how often what was seen goes into the database.
	driftEvery = 5 * time.Second
	// maxDrift bounds how many different things are remembered, for a payload whose field names are data.
	maxDrift = 1000
)

// freeForm are the parts of payloads whose fields are anybody's.
var freeForm = map[string]bool{"data.verification_results": true, "data.changes": true, "data.completion_data": true}

// Drift watches for payloads that differ from what this program knows of their form: a field or a value it has never seen, a
// field it misses. None of that is an error; all of it is counted, shown in /api/stats and logged once.
type Drift struct {
	store  *models.Store
	log    *slog.Logger
	now    func() time.Time
	fields map[string]map[string]bool // by event type: the fields of its samples

	mu     sync.Mutex
	logged map[models.Drift]bool
	counts map[models.Drift]int64 // since the last flush, by a Drift without count and times
}

// NewDrift learns the known fields from samples, which hold the catalogue and its payloads. A field that no sample of a type
// has is one that was never seen.
func NewDrift(store *models.Store, samples fs.FS, log *slog.Logger) (*Drift, error) {
	d := &Drift{
		store: store, log: log, now: time.Now, fields: map[string]map[string]bool{},
		logged: map[models.Drift]bool{}, counts: map[models.Drift]int64{},
	}
	text, err := fs.ReadFile(samples, "catalogue.json")
	if err != nil {
		return nil, fmt.Errorf("read samples: %w", err)
	}
	var catalogue []struct{ Provider, Generation, Type, Sample string }
	if err := json.Unmarshal(text, &catalogue); err != nil {
		return nil, fmt.Errorf("read catalogue of samples: %w", err)
	}
	for _, c := range catalogue {
		files, err := fs.Glob(samples, path.Join(c.Provider, "variants", c.Type+".*.json"))
		if err != nil {
			return nil, fmt.Errorf("list samples: %w", err)
		}
		known := map[string]bool{}
		for _, file := range append(files, c.Sample) {
			body, err := fs.ReadFile(samples, file)
			if err != nil {
				return nil, fmt.Errorf("read sample: %w", err)
			}
			eachField("", gjson.ParseBytes(body), func(field string) { known[field] = true })
		}
		d.fields[c.Provider+"/"+c.Generation+"/"+c.Type] = known
	}
	return d, nil
}

// eachField calls f with the path of every field below v, as in data.hits[].hit_id.
func eachField(at string, v gjson.Result, f func(field string)) {
	if !v.IsObject() && !v.IsArray() {
		return
	}
	isArray := v.IsArray()
	v.ForEach(func(key, value gjson.Result) bool {
		field := at + "[]"
		if !isArray {
			field = strings.TrimPrefix(at+"."+key.Str, ".")
			f(field)
		}
		if !freeForm[field] {
			eachField(field, value, f)
		}
		return true
	})
}

// observe counts what is odd about an event's payload: the translation's notes, and the fields that were never seen.
func (d *Drift) observe(e models.Event, notes []string) {
	known, listed := d.fields[e.Provider+"/"+e.Generation+"/"+e.Type]
	if listed {
		eachField("", gjson.ParseBytes(e.Body), func(field string) {
			if !known[field] {
				notes = append(notes, "new field "+clip(field))
			}
		})
	}
	if len(notes) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, what := range notes {
		key := models.Drift{Provider: e.Provider, Generation: e.Generation, Type: e.Type, What: what}
		if !d.logged[key] {
			if len(d.logged) == maxDrift {
				continue
			}
			d.logged[key] = true
			d.log.Warn("payload drifts from what is known", "provider", e.Provider, "type", e.Type, "generation", e.Generation, "what", what)
		}
		d.counts[key]++
	}
}

// clip shortens a name that comes from a payload, and drops what no database column takes.
func clip(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s[:min(len(s), 100)], ""), "\x00", "")
}

// Run writes the counts to the database now and then, and at the end. What a crash loses of them is no event.
func (d *Drift) Run(ctx context.Context) error {
	tick := time.NewTicker(driftEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			d.flush(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			d.flush(last)
			return nil
		}
	}
}

func (d *Drift) flush(ctx context.Context) {
	d.mu.Lock()
	counts := d.counts
	d.counts = map[models.Drift]int64{}
	d.mu.Unlock()
	if len(counts) == 0 {
		return
	}
	now := models.At(d.now())
	var seen []models.Drift
	for key, n := range counts {
		key.Count, key.FirstAt, key.LastAt = n, now, now
		seen = append(seen, key)
	}
	slices.SortFunc(seen, func(a, b models.Drift) int { // two processes must not lock rows crosswise
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.Type, b.Type), cmp.Compare(a.What, b.What))
	})
	if err := d.store.AddDrift(ctx, seen); err != nil {
		d.log.Warn("payload drift not stored", "err", err)
	}
}
