package bench

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/handlers"
)

// newTestSource makes events of the providers, with secrets of their own.
func newTestSource(t testing.TB, customers int, shuffle bool, names ...string) *source {
	t.Helper()
	providers := map[string]handlers.Provider{}
	for _, name := range names {
		p, err := handlers.NewProvider(name, []string{"secret of " + name}, handlers.Settings{})
		if err != nil {
			t.Fatal(err)
		}
		providers[name] = p
	}
	s, err := newSource(os.DirFS(filepath.Join("..", "..", "testdata")), names, providers, customers, shuffle)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestEvents: the receiver accepts each as a new event, of the present, later than the one before, and the check knows it again.
func TestEvents(t *testing.T) {
	t.Parallel()
	for _, name := range handlers.ProviderNames() {
		s := newTestSource(t, 1000, false, name)
		known, err := s.numbers()
		if err != nil {
			t.Fatal(err)
		}
		subjects := map[string]int{}
		var last time.Time
		var body []byte
		for n := range s.window() {
			var made *template
			made, body = s.event(n, body)
			e, err := made.envelope(body)
			if err != nil {
				t.Fatalf("%s: %v in %s", name, err, body)
			}
			if got, ours := known(e.ExternalID); !ours || got != n {
				t.Fatalf("%s: event %d has the ID %s, which is known as %d, %t", name, n, e.ExternalID, got, ours)
			}
			if age := time.Since(e.OccurredAt); age > 5*time.Minute || age < -5*time.Minute || e.OccurredAt.Before(last) {
				t.Fatalf("%s: event %d occurred at %s, the one before at %s", name, n, e.OccurredAt, last)
			}
			last = e.OccurredAt
			subjects[gjson.GetBytes(body, subjectPaths[name][0]).String()]++
		}
		if len(subjects) != crowd {
			t.Errorf("%s: the first events name %d customers, want %d", name, len(subjects), crowd)
		}
		for subject, n := range subjects {
			if n < minRounds {
				t.Errorf("%s: %s has %d events, want %d or more", name, subject, n, minRounds)
			}
		}
		if _, ours := known("evt_1"); ours {
			t.Errorf("%s: somebody else's event is taken for one of the run", name)
		}
	}
}

// TestTimesKeepTheirDistance: the identity step of the sample ended 8 min 11 s before the session.
func TestTimesKeepTheirDistance(t *testing.T) {
	t.Parallel()
	_, body := newTestSource(t, 1000, false, "trustist").event(1_234_567, nil)
	step, session := gjson.GetBytes(body, "data.progress.identity.completedAt").Time(), gjson.GetBytes(body, "timestamp").Time()
	if got := session.Sub(step); got != 8*time.Minute+11*time.Second {
		t.Errorf("the step ended %s before the session in %s", got, body)
	}
}

func TestCustomersAreReused(t *testing.T) {
	t.Parallel()
	s := newTestSource(t, 3, false, "trst")
	subjects := map[string]bool{}
	for n := range 10 * s.window() {
		_, body := s.event(n, nil)
		subjects[gjson.GetBytes(body, "data.member_id").String()] = true
	}
	if len(subjects) != 3 {
		t.Errorf("the events name %d customers, want 3", len(subjects))
	}
}

// TestShuffle: every event once, in another order, and none far from its turn.
func TestShuffle(t *testing.T) {
	t.Parallel()
	s := newTestSource(t, 1000, true, "trustgate")
	var taken []int64
	for i := range 4 * s.window() {
		n := s.take()
		if n/s.window() != i/s.window() {
			t.Fatalf("event %d comes at turn %d, beyond its crowd of %d events", n, i, s.window())
		}
		taken = append(taken, n)
	}
	if slices.IsSorted(taken) {
		t.Error("the events come in order")
	}
	slices.Sort(taken)
	if unique := slices.Compact(taken); int64(len(unique)) != 4*s.window() || unique[0] != 0 || s.end() <= unique[len(unique)-1] {
		t.Errorf("%d events of %d are sent, the last is %d, the end %d", len(unique), 4*s.window(), unique[len(unique)-1], s.end())
	}
}

// BenchmarkEvent measures what the generator does for an event before it sends it.
func BenchmarkEvent(b *testing.B) {
	for _, name := range handlers.ProviderNames() {
		b.Run(name, func(b *testing.B) {
			s := newTestSource(b, 10_000, false, name)
			var body []byte
			for b.Loop() {
				var t *template
				t, body = s.event(s.take(), body)
				t.provider.Sign(body, time.Now())
			}
		})
	}
}
