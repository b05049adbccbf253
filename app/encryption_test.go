package app_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"example.com/identity-webhooks/models"
)

// TestEncryption switches encryption on, rotates the key and takes the old one away. Bodies are never stored in the clear meanwhile, and can
// be processed and read as long as their key is there.
func TestEncryption(t *testing.T) {
	onBothBackends(t, func(t *testing.T, b backend) {
		first, second := encryptionKey(t), encryptionKey(t)
		var carriers []delivered
		for _, d := range personalEvents(t) {
			if bytes.Contains(d.body, []byte(canary)) {
				carriers = append(carriers, d)
			}
		}
		ids := make([]int64, 3) // of an event with each set of keys
		for i, keys := range []string{"", first, second + ", " + first} {
			r := start(t, b, "ENCRYPTION_KEYS="+keys)
			for _, d := range carriers {
				body := bytes.ReplaceAll(d.body, []byte(canary), fmt.Append(nil, canary, i))
				r.send(d.provider, body)
				r.send(d.provider, append(body, ' ')) // mostly quarantined
			}
			v := anyVerdicts(t)
			id, body := v.verified()
			r.accept(v.provider, body)
			if status, answer := r.send(v.provider, body); answer != duplicate {
				t.Errorf("keys %d: again: %d %s, want a duplicate", i, status, answer)
			}
			r.settle()
			e := r.events("external_id=" + id)[0]
			if ids[i] = e.ID; e.Status != models.Processed || e.Outcome != models.Applied {
				t.Errorf("keys %d: the event is %s %s, want it applied", i, e.Status, e.Outcome)
			}
			for n := range i + 1 { // also those of before
				if page := r.page(fmt.Sprintf("/events/%d", ids[n])); !strings.Contains(page, "copy?as=sample") {
					t.Errorf("keys %d: event %d has no payload on its page", i, ids[n])
				}
			}
			if _, raw, err := request(t.Context(), http.MethodGet, fmt.Sprintf("http://%s/api/events/%d/body", r.adminAddr, e.ID), nil, nil); err != nil || raw != string(body) {
				t.Errorf("keys %d: the body is %q %v, want the one that was sent", i, raw, err)
			}
			if err := r.stop(); err != nil {
				t.Fatal(err)
			}
			for _, row := range b.holding(t, fmt.Sprint(canary, i)) {
				if i > 0 && strings.HasPrefix(row, "events/") {
					t.Errorf("keys %d: the body of %s can be read in the database", i, row)
				}
			}
		}
		if n := b.count(t, "SELECT COUNT(DISTINCT body_key) FROM events"); n != 3 {
			t.Errorf("%d different keys in the database, want none and both", n)
		}

		b.write(t, fmt.Sprintf("DELETE FROM processed_events WHERE event_id = %d", ids[1]),
			fmt.Sprintf("INSERT INTO pending_events (id, queue, due_at, attempts, failed, last_error) VALUES (%d, 'default', 1, 9, FALSE, '')", ids[1]))
		r := start(t, b, "ENCRYPTION_KEYS="+second)
		path := fmt.Sprintf("/api/events/%d", ids[1])
		var event struct {
			models.Event
			Payload any
		}
		r.eventually("the event fails", func() bool { r.get(path, &event); return event.Status == models.Failed })
		missing := "which is not in ENCRYPTION_KEYS"
		if !strings.Contains(event.Error, missing) || !strings.Contains(string(event.BodyProblem), missing) || event.Payload != nil {
			t.Errorf("%+v, want an event that names the missing key", event)
		}
		var answer struct{ Error string }
		if r.call(http.MethodGet, path+"/body", http.StatusServiceUnavailable, &answer); !strings.Contains(answer.Error, missing) {
			t.Errorf("the body: %q, want that the key is missing", answer.Error)
		}
		if page := r.page(fmt.Sprintf("/events/%d", ids[1])); !strings.Contains(page, missing) {
			t.Error("the page does not say that the key is missing")
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		r = start(t, b, "ENCRYPTION_KEYS="+second+","+first)
		var replayed struct{ Replayed int }
		r.call(http.MethodPost, path+"/replay", http.StatusAccepted, &replayed)
		r.settle()
		if r.get(path, &event); event.Status != models.Processed {
			t.Errorf("with its key again the event is %s, want it processed", event.Status)
		}
	})
}

func encryptionKey(t *testing.T) string {
	t.Helper()
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(raw)
}
