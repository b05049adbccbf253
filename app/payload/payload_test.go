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
