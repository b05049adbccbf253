package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/sjson"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

var (
	testdata = os.DirFS(filepath.Join("..", "testdata"))
	noon     = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
)

func catalogue(t testing.TB) []Sample {
	t.Helper()
	types, err := Catalogue(testdata)
	if err != nil {
		t.Fatal(err)
	}
	return types
}

// sample is the event of a file below testdata, with members set anew, given as path and value in turn.
func sample(t testing.TB, name string, set ...any) models.Event {
	t.Helper()
	body, err := fs.ReadFile(testdata, name+".json")
	if err != nil {
		t.Fatal(err)
	}
	provider, _, _ := strings.Cut(name, "/")
	e, ok := received(provider, changed(t, body, set...))
	if !ok {
		t.Fatalf("%s: the envelope cannot be read", name)
	}
	return e
}

// changed is a body with members set anew, given as path and value in turn.
func changed(t testing.TB, body []byte, set ...any) []byte {
	t.Helper()
	var err error
	for i := 0; i < len(set) && err == nil; i += 2 {
		if raw, isRaw := set[i+1].(json.RawMessage); isRaw {
			body, err = sjson.SetRawBytes(body, set[i].(string), raw)
		} else {
			body, err = sjson.SetBytes(body, set[i].(string), set[i+1])
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// received makes the inbox row of a body, and reports whether its envelope can be read.
func received(provider string, body []byte) (models.Event, bool) {
	p, err := handlers.NewProvider(provider, handlers.Settings{Secrets: []handlers.Secret{{Value: "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"}}})
	if err != nil {
		panic(err)
	}
	env, err := p.Envelope(body)
	return models.Event{
		Provider: provider, Generation: env.Generation, ExternalID: env.ExternalID, Derived: env.Derived, Type: env.Type,
		Queue: NewRegistry().Queue(provider, env.Generation, env.Type), Body: body, Sandbox: env.Sandbox,
		OccurredAt: models.At(env.OccurredAt), ReceivedAt: models.At(noon),
	}, err == nil
}

// facts translates an event that must be readable.
func facts(t testing.TB, e models.Event) models.Facts {
	t.Helper()
	f, err := NewRegistry().Translate(e)
	if err != nil {
		t.Fatalf("%s: %v", e.Type, err)
	}
	return f
}

// eachSample calls f with each body of testdata whose envelope can be read, and with what is read about it.
func eachSample(t testing.TB, f func(name string, e models.Event)) {
	t.Helper()
	api := httptest.NewServer(testservers.API(testdata))
	defer api.Close()
	r := NewRegistry()
	w := Worker{WorkerConfig: WorkerConfig{Registry: r, APIs: map[string]APISettings{}}, client: http.DefaultClient, readTimeout: time.Minute}
	for provider, a := range r.apis {
		w.APIs[provider] = APISettings{URL: api.URL + "/" + provider, Credentials: map[string]string{}}
		for _, name := range a.Credentials {
			w.APIs[provider].Credentials[name] = "token"
		}
	}
	eachDelivery(t, func(name string, e models.Event) {
		f(name, e)
		req, err := r.request(e)
		if err != nil || req.path == "" {
			return
		}
		answer, err := w.fetch(context.Background(), e.Provider, req)
		if errors.Is(err, errGone) {
			return
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		e.Generation, e.Type, e.Body, e.ExternalID = models.GenerationRead, req.eventType(), answer, models.GenerationRead+e.ExternalID
		f(name+", read", e)
	})
}

// eachDelivery calls f with each body of testdata whose envelope can be read.
func eachDelivery(t testing.TB, f func(name string, e models.Event)) {
	t.Helper()
	for _, provider := range handlers.ProviderNames() {
		err := fs.WalkDir(testdata, provider, func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || path.Ext(file) != ".json" || strings.HasSuffix(file, ".want.json") {
				return err
			}
			body, err := fs.ReadFile(testdata, file)
			if e, ok := received(provider, body); ok && err == nil {
				f(strings.TrimSuffix(file, ".json"), e)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// summary says in a line what facts establish, for tables of tests.
func summary(f models.Facts) string {
	if f.Ignored != "" {
		return "ignored"
	}
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if f.Sandbox {
		add("sandbox")
	}
	for _, d := range f.Decisions {
		add("%s by %s", cmp.Or(string(d.Status), "taken back"), d.Authority)
	}
	for _, c := range f.Checks {
		hits := ""
		if c.HitCount > 0 {
			hits = fmt.Sprintf(" %d", c.HitCount)
		}
		add("%s %s%s", c.Kind, c.Status, hits)
	}
	for _, h := range f.Hits {
		add("%s", h.Kind)
	}
	for _, r := range f.Resolutions {
		add("resolved %s", r.Resolution)
	}
	if c := f.Case; c != nil {
		switch {
		case c.Opened != nil:
			add("case opened")
		case c.Resolved != nil:
			add("case resolved %s", c.Resolved.Action)
		case c.Status != "":
			add("case %s", c.Status)
		case c.Assignee != "":
			add("case assigned")
		case c.Escalated != nil:
			add("case escalated")
		default:
			add("case linked")
		}
	}
	if f.Company != nil {
		add("company")
	}
	return strings.Join(parts, ", ")
}

// reading is a sample with members set anew, and the summary of what it is to establish.
type reading struct {
	sample string
	set    []any
	want   string
}

func read(t *testing.T, readings map[string]reading) {
	t.Helper()
	t.Parallel()
	for name, c := range readings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := summary(facts(t, sample(t, c.sample, c.set...))); got != c.want {
				t.Errorf("%s\ngot  %s\nwant %s", c.sample, got, c.want)
			}
		})
	}
}

// raw is a value for sample that is written as it is.
func raw(s string) json.RawMessage { return json.RawMessage(s) }
