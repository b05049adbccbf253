package payload

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/identity-webhooks/handlers"
)

// TestRenew: a renewed sample is another event of the present time, twice in a row too.
func TestRenew(t *testing.T) {
	t.Parallel()
	for _, name := range handlers.ProviderNames() {
		// The envelope can be read without the secret.
		p, err := handlers.NewProvider(name, handlers.Settings{Secrets: []handlers.Secret{{Value: "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"}}})
		if err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join("..", "..", "testdata", name, "*.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d samples, %v", name, len(files), err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, ".want.json") {
				continue
			}
			sample, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			old, _ := p.Envelope(sample)
			known := []string{old.ExternalID}
			for range 2 {
				now := time.Now()
				body, err := Renew(p, sample, now)
				if err != nil {
					t.Fatalf("%s: %v", file, err)
				}
				e, _ := p.Envelope(body)
				if slices.Contains(known, e.ExternalID) || e.Type != old.Type || strings.Contains(string(body), "\n") {
					t.Errorf("%s: got the event %+v of %+v", file, e, old)
				}
				known = append(known, e.ExternalID)
				if newest := newestTime(body); !newest.IsZero() && now.Sub(newest).Abs() > time.Second {
					t.Errorf("%s: the newest time is %s, want %s", file, newest, now)
				}
			}
		}
	}
}

// derived is a provider whose events have an ID made of these members.
type derived struct {
	handlers.Provider
	members []string
}

func (d derived) Envelope(body []byte) (e handlers.Envelope, err error) {
	e.Derived, e.CorrelationID = true, Paths(body)["session.id"].Str
	for _, member := range d.members {
		e.ExternalID += Paths(body)[member].Raw + " "
	}
	return e, nil
}

// TestRenewDerived: where no time is part of the ID, another ID is replaced, everywhere, and the subject's only if there is no other.
func TestRenewDerived(t *testing.T) {
	t.Parallel()
	const body = `{"at":"2026-02-04T15:00:00Z","attempt":{"id":"a-1"},"session":{"id":"s-1"},"user_id":"u-1","of":"a-1"}`
	for _, test := range []struct{ members, stays []string }{
		{[]string{"session.id", "at"}, []string{"a-1", "s-1", "u-1"}},
		{[]string{"session.id", "attempt.id"}, []string{"s-1", "u-1"}},
		{[]string{"session.id", "user_id"}, []string{"s-1", "a-1"}},
		{[]string{"session.id"}, []string{"a-1", "u-1"}},
	} {
		p := derived{members: test.members}
		renewed, err := Renew(p, []byte(body), time.Now())
		if err != nil || externalID(p, renewed) == externalID(p, []byte(body)) {
			t.Errorf("%v: got %s, %v", test.members, renewed, err)
		}
		for _, id := range []string{"a-1", "s-1", "u-1"} {
			if strings.Contains(string(renewed), `"`+id+`"`) != slices.Contains(test.stays, id) {
				t.Errorf("%v: got %s, want it to keep %v", test.members, renewed, test.stays)
			}
		}
	}
}

// TestMoveTimes: times of all forms move by the same amount; what only looks like a time stays.
func TestMoveTimes(t *testing.T) {
	t.Parallel()
	const body = `{"a":"2026-02-04T15:00:00Z","b":"2026-02-04T15:00:00.25Z","c":"2026-02-04T17:00:00+02:00","created":1770217200,` +
		`"n":1770217200,"d":"2026-02-04","e":"2026-02-31T15:00:00Z","f":"2026-02-04 15:00:00.125","g":"2026-02-04 17:00:00+0200",` +
		`"paid_at":1770217200}`
	const want = `{"a":"2026-02-04T16:00:00Z","b":"2026-02-04T16:00:00.25Z","c":"2026-02-04T16:00:00Z","created":1770220800,` +
		`"n":1770217200,"d":"2026-02-04","e":"2026-02-31T15:00:00Z","f":"2026-02-04 16:00:00.125","g":"2026-02-04 16:00:00+0000",` +
		`"paid_at":1770220800}`
	if got := string(MoveTimes([]byte(body), time.Hour)); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
