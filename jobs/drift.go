package jobs

import (
	"cmp"
	"context"
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
	// driftEvery is how often the counts are written to the database.
	driftEvery = 5 * time.Second
	// maxListed is how many new fields, and how many other notes, are listed for an event type. Each has its own limit, so that payloads
	// whose field names are data cannot hide a new status word.
	maxListed  = 50
	maxBudgets = 2000 // two for each event type
	// Fields are compared down to maxFieldDepth, in the first maxElements elements of arrays, and up to a path of maxFieldPath bytes.
	maxFieldDepth, maxElements, maxFieldPath = 16, 100, 200
)

// Drift counts how payloads differ from what we know: a new field or value, a field that is missing or has another type. None of these is
// an error. They are shown in /api/stats, and each is logged once.
type Drift struct {
	store  *models.Store
	log    *slog.Logger
	now    func() time.Time
	fields map[string]map[string]bool // known fields by event type; true if they may contain anything

	mu     sync.Mutex
	listed map[models.Drift]bool
	used   map[string]int         // how many fields or notes of an event type are listed
	counts map[models.Drift]int64 // since the last flush, by a Drift without count and times
}

// NewDrift learns the known fields from samples, which hold the catalogue and its payloads.
func NewDrift(store *models.Store, samples fs.FS, log *slog.Logger) (*Drift, error) {
	d := &Drift{
		store: store, log: log, now: time.Now, fields: map[string]map[string]bool{},
		listed: map[models.Drift]bool{}, used: map[string]int{}, counts: map[models.Drift]int64{},
	}
	catalogue, err := Catalogue(samples)
	if err != nil {
		return nil, err
	}
	for _, c := range catalogue {
		known := map[string]bool{}
		for _, field := range c.FreeForm {
			known[field] = true
		}
		d.fields[c.Provider+"/"+c.Generation+"/"+c.Type] = known
		files, err := fs.Glob(samples, path.Join(c.Provider, "variants", c.Type+".*.json"))
		if err != nil {
			return nil, fmt.Errorf("list samples: %w", err)
		}
		for _, file := range append(files, c.File) {
			body, err := fs.ReadFile(samples, file)
			if err != nil {
				return nil, fmt.Errorf("read sample: %w", err)
			}
			for _, field := range newFields(body, known) {
				known[field] = false
			}
		}
	}
	return d, nil
}

// newFields lists the fields of a body that are not known, such as data.hits[].hit_id.
func newFields(body []byte, known map[string]bool) (fields []string) {
	var walk func(at string, v gjson.Result, depth int)
	walk = func(at string, v gjson.Result, depth int) {
		if known[at] || depth > maxFieldDepth || !v.IsObject() && !v.IsArray() {
			return
		}
		n := 0
		v.ForEach(func(key, value gjson.Result) bool {
			field := at + "[]"
			if v.IsObject() {
				field = strings.TrimPrefix(at+"."+key.Str[:min(len(key.Str), maxFieldPath)], ".")
				if _, ok := known[field]; !ok {
					fields = append(fields, cutOff(strings.ReplaceAll(field, "\x00", ""), maxFieldPath))
				}
			} else if n++; n > maxElements {
				return false
			}
			if len(field) < maxFieldPath {
				walk(field, value, depth+1)
			}
			return len(fields) < maxElements
		})
	}
	walk("", gjson.ParseBytes(body), 1)
	slices.Sort(fields)
	return slices.Compact(fields)
}

// observe counts the notes of an event's translation and the new fields of its payload.
func (d *Drift) observe(e models.Event, notes []string) {
	var fields []string
	if known, listed := d.fields[e.Provider+"/"+e.Generation+"/"+e.Type]; listed {
		fields = newFields(e.Body, known)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, note := range notes {
		d.count(e, "notes", note)
	}
	for _, field := range fields {
		d.count(e, "fields", "new field "+field)
	}
}

func (d *Drift) count(e models.Event, of, what string) {
	key := models.Drift{Provider: e.Provider, Generation: e.Generation, Type: e.Type, What: what}
	if !d.listed[key] {
		budget := strings.Join([]string{of, e.Provider, e.Generation, e.Type}, "/")
		if d.used[budget] == maxListed || d.used[budget] == 0 && len(d.used) == maxBudgets {
			return
		}
		d.used[budget]++
		d.listed[key] = true
		d.log.Warn("payload differs from what is known", "provider", e.Provider, "type", e.Type, "generation", e.Generation, "what", what)
	}
	d.counts[key]++
}

// Run writes the counts to the database at intervals, and at the end. A crash loses the last few seconds of them.
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
	slices.SortFunc(seen, func(a, b models.Drift) int { // in a fixed order, so that two processes do not deadlock
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.Type, b.Type), cmp.Compare(a.What, b.What))
	})
	if err := d.store.AddDrift(ctx, seen); err != nil {
		d.log.Warn("counts of payload drift not stored", "err", err)
	}
}
