package jobs

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/models"
)

// The registry and the catalogue of testdata name the same event types, and each type has a sample that is one. What is read about them has
// a type, too.
func TestRegistryIsComplete(t *testing.T) {
	t.Parallel()
	registry, want := NewRegistry(), map[string]bool{}
	eachSample(t, func(_ string, e models.Event) {
		if e.Generation == models.GenerationRead { // it is no sample, and has no line in the catalogue
			want[registry.key(e.Provider, e.Generation, e.Type)] = true
		}
	})
	for _, c := range catalogue(t) {
		want[registry.key(c.Provider, c.Generation, c.Type)] = true
		body, err := fs.ReadFile(testdata, c.File)
		if err != nil {
			t.Error(err)
			continue
		}
		if e, ok := received(c.Provider, body); !ok || e.Generation != c.Generation || e.Type != c.Type {
			t.Errorf("%s is %s/%s/%s", c.File, e.Provider, e.Generation, e.Type)
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(registry.translations))); diff != "" {
		t.Errorf("event types (-catalogue +registry):\n%s", diff)
	}
}

// Every sample can be translated, and its payload is what we expect.
func TestSamplesTranslate(t *testing.T) {
	t.Parallel()
	eachSample(t, func(name string, e models.Event) {
		f, err := NewRegistry().Translate(e)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if f.Ignored == "unknown event type" {
			t.Errorf("%s: %s", name, f.Ignored)
		}
	})
}

type plain struct {
	ID string `json:"id"`
}

func named(reason string) func(models.Event, plain) (models.Facts, error) {
	return func(_ models.Event, p plain) (models.Facts, error) {
		return checkCompleted(Person{ID: p.ID}, models.Check{Reason: reason}), nil
	}
}

// A type has its own line, or that of its family, or that of all types of its generation.
func TestRegistryLines(t *testing.T) {
	t.Parallel()
	r := &Registry{translations: map[string]translation{}, critical: map[string]bool{}}
	on(r, "acme/v1/person.checked", named("its own"))
	on(r, "acme/v1/person.*", named("family"), critical)
	on(r, "acme/v1/list/*", named("kind"))
	on(r, "acme/v1/person.check*", named("longer beginning"))
	ignore(r, "nothing for us", "acme/v2/*")
	for _, c := range []struct{ generation, eventType, want, queue string }{
		{"v1", "person.checked", "its own", models.DefaultQueue},
		{"v1", "person.moved.away", "family", models.CriticalQueue},
		{"v1", "person.checking", "longer beginning", models.DefaultQueue},
		{"v1", "list/people.searched", "kind", models.DefaultQueue},
		{"v1", "person", "unknown event type", models.DefaultQueue},
		{"v1", "company.checked", "unknown event type", models.DefaultQueue},
		{"v2", "person.checked", "nothing for us", models.DefaultQueue},
	} {
		f, err := r.Translate(models.Event{Provider: "acme", Generation: c.generation, Type: c.eventType, Body: []byte(`{"id":"p"}`)})
		if err != nil {
			t.Fatal(err)
		}
		got := f.Ignored
		if len(f.Checks) > 0 {
			got = f.Checks[0].Reason
		}
		if queue := r.Queue("acme", c.generation, c.eventType); got != c.want || queue != c.queue {
			t.Errorf("%s %s: %q in queue %s, want %q in %s", c.generation, c.eventType, got, queue, c.want, c.queue)
		}
	}
	for _, body := range []string{`{}`, `[]`, `{"id":"p"`, ``, `"p"`} {
		_, err := r.Translate(models.Event{Provider: "acme", Generation: "v1", Type: "person.checked", Body: []byte(body)})
		if !errors.Is(err, ErrPermanent) {
			t.Errorf("%s: %v, want %v", body, err, ErrPermanent)
		}
	}
}

func TestRegistryRefusesMistakes(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{"twice": "acme/v1/a", "without a generation": "acme/a"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() == nil {
					t.Error("it was registered")
				}
			}()
			r := &Registry{translations: map[string]translation{"acme/v1/a": nil}}
			ignore(r, "", key)
		})
	}
}
