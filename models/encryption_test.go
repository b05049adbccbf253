package models_test

import (
	"crypto/rand"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/models"
)

func newKey(t testing.TB) models.Key {
	t.Helper()
	raw := make([]byte, 32)
	_, err := rand.Read(raw)
	if err != nil {
		t.Fatal(err)
	}
	k, err := models.ParseKey(base64.StdEncoding.EncodeToString(raw))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "CANARY", strings.Repeat("CANARY", 10), strings.Repeat("0f", 32), base64.StdEncoding.EncodeToString(make([]byte, 16)),
		base64.StdEncoding.EncodeToString(make([]byte, 32)), base64.StdEncoding.EncodeToString([]byte("CANARY is a passphrase, not rand")),
	} {
		if k, err := models.ParseKey(text); err == nil || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%q is the key %s, %v; want an error that does not show it", text, k, err)
		}
	}
	// (printf 'encryption key'; echo AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= | base64 -d) | sha256sum
	if k, err := models.ParseKey("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="); err != nil || k.Fingerprint() != "81dcccbf" {
		t.Errorf("fingerprint %s %v, want 81dcccbf: stored bodies name their key by it", k, err)
	}
}

// TestStoredBodiesAreEncrypted stores bodies with several keys, and reads them with the keys there are. They cannot be exchanged unnoticed.
func TestStoredBodiesAreEncrypted(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(testing.TB) string{
		"sqlite":   func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "test.db") },
		"postgres": testservers.DatabaseURL,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, first, second := url(t), newKey(t), newKey(t)
			with := func(keys []models.Key, do func(s *models.Store)) {
				t.Helper()
				s := openToClose(t, url, keys...)
				do(s)
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			bodies := func(s *models.Store, want ...string) {
				t.Helper()
				var got []string
				for _, e := range list(t, s) {
					one, err := s.Event(ctx, e.ID)
					some, err2 := s.Bodies(ctx, []int64{e.ID}, 1000)
					if err != nil || err2 != nil || string(some[e.ID]) != string(one.Body) || (one.BodyError() == nil) != (one.BodyProblem == "") {
						t.Errorf("event %d: %q and %q, %v %v", e.ID, one.Body, some[e.ID], err, err2)
					}
					got = append(got, string(one.Body)+string(one.BodyProblem))
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
			unreadable := "the body is encrypted with the key " + first.Fingerprint() + ", which is not in ENCRYPTION_KEYS"
			with(nil, func(s *models.Store) { add(t, s, event("plain", "old"), models.Accepted) })
			with([]models.Key{first}, func(s *models.Store) {
				add(t, s, event("a", "canary 1"), models.Accepted)
				add(t, s, event("a", "canary 1"), models.Repeated)
				add(t, s, event("a", "canary 2"), models.Conflicting)
				bodies(s, "canary 2", "canary 1", "old")
			})
			if path, isSQLite := strings.CutPrefix(url, "sqlite:"); isSQLite {
				if file, err := os.ReadFile(path); err != nil || strings.Contains(string(file), "canary") || !strings.Contains(string(file), "old") {
					t.Errorf("%v, or an encrypted body can be read in the file", err)
				}
			}
			with([]models.Key{second, first}, func(s *models.Store) { // the rotation
				add(t, s, event("b", "canary 3"), models.Accepted)
				bodies(s, "canary 3", "canary 2", "canary 1", "old")
				for _, e := range claim(t, s, now) {
					if e.BodyError() != nil || string(e.Body) != map[string]string{"plain": "old", "a": "canary 1", "b": "canary 3"}[e.ExternalID] {
						t.Errorf("event %s is claimed with the body %q, %v", e.ExternalID, e.Body, e.BodyError())
					}
				}
			})
			with([]models.Key{second}, func(s *models.Store) {
				bodies(s, "canary 3", unreadable, unreadable, "old")
			})
			with([]models.Key{second, first}, func(s *models.Store) {
				execute(t, s, "UPDATE events SET body = (SELECT body FROM events WHERE external_id = 'b'), body_key = '"+second.Fingerprint()+"' WHERE NOT quarantined AND external_id = 'a'")
				bodies(s, "canary 3", "canary 2", "the stored body is damaged: the key "+second.Fingerprint()+" of ENCRYPTION_KEYS does not decrypt it", "old")
			})
			with(nil, func(s *models.Store) {
				if n, err := s.NewExpiry().Remove(ctx, models.At(now.AddDate(0, 0, 1))); err != nil || n != 1 {
					t.Errorf("removed %d payloads %v, want that of the quarantined event", n, err)
				}
				if e, err := s.Event(ctx, list(t, s)[1].ID); err != nil || !e.BodyRemoved || e.BodyProblem != "" {
					t.Errorf("%+v %v, want its body removed", e, err)
				}
			})
		})
	}
}
