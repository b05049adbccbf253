package handlers

import (
	"strings"
	"testing"

	"example.com/identity-webhooks/models"
)

// TestSameIDOtherBody: the second body is kept and never applied, and the provider is not made to retry.
func TestSameIDOtherBody(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		r := newReception(t, s, allProviders(t))
		for _, provider := range []string{"trustgate", "trst", "legaltalent"} {
			other := bodies[provider] + "\n"
			r.deliver(provider, bodies[provider]).want(t, 200, isAccepted)
			if got := r.deliver(provider, other); got.status != 200 {
				t.Errorf("%s: answered %d %s", provider, got.status, got.body)
			}
			second, first := r.rows()[0], r.rows()[1]
			if first.Status != models.Received || string(first.Body) != bodies[provider] || first.Deliveries != 1 {
				t.Errorf("first: %+v", first)
			}
			if second.Status != models.Quarantined || string(second.Body) != other || second.LastError == "" || second.ExternalID != first.ExternalID {
				t.Errorf("second: %+v", second)
			}
		}
		if n := r.wakes.Load(); n != 3 {
			t.Errorf("woke the relay %d times for 3 events", n)
		}
	})
}

// TestRestampedRetry: an ID that is derived makes other bytes no conflict.
func TestRestampedRetry(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		r := newReception(t, s, allProviders(t))
		r.deliver("trustist", trustistOlder).want(t, 200, isAccepted)
		r.deliver("trustist", strings.Replace(trustistOlder, "08:33:02Z", "09:44:13Z", 1)).want(t, 200, isDuplicate)
		if rows := r.rows(); len(rows) != 1 || rows[0].Deliveries != 2 {
			t.Errorf("rows %+v", rows)
		}
	})
}

// TestUnreadableIsKept: nothing is lost, and the provider is not made to retry what a retry cannot mend.
func TestUnreadableIsKept(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		r := newReception(t, s, allProviders(t))
		for _, body := range []string{"", "not JSON", "{}", "null", "\x00", "\xff\xfe", `{"event_id":"a\u0000b"}`, strings.Replace(trstBody, `"2024-11-02`, `"soon`, 1)} {
			r.deliver("trst", body).want(t, 200, isAccepted)
			e := r.rows()[0]
			if e.Status != models.Failed || string(e.Body) != body || e.ExternalID != bodyID([]byte(body)) ||
				!strings.HasPrefix(e.LastError, ErrUnreadable.Error()+": ") {
				t.Errorf("%q: %+v", body, e)
			}
		}
		r.deliver("trst", trstBody).want(t, 200, isAccepted) // the unreadable one before it has not taken its ID
		if n := r.wakes.Load(); n != 1 {
			t.Errorf("woke the relay %d times for 1 event", n)
		}
	})
}

// TestUnreadableRepeated: the second time it is a duplicate like any other.
func TestUnreadableRepeated(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		r := newReception(t, s, allProviders(t))
		r.deliver("trst", "{}").want(t, 200, isAccepted)
		r.deliver("trst", "{}").want(t, 200, isDuplicate)
		if rows := r.rows(); len(rows) != 1 || rows[0].Deliveries != 2 {
			t.Errorf("rows %+v", rows)
		}
	})
}

func TestContradictionIsQuarantined(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		r := newReception(t, s, allProviders(t))
		body := strings.Replace(trstBody, `"data"`, `"event_type":"webhook.test","data"`, 1)
		r.deliver("trst", body).want(t, 200, isAccepted)
		e := r.rows()[0]
		if e.Status != models.Quarantined || string(e.Body) != body || !strings.HasPrefix(e.LastError, ErrContradictory.Error()) {
			t.Errorf("%+v", e)
		}
		if n := r.wakes.Load(); n != 0 {
			t.Errorf("woke the relay %d times", n)
		}
		r.deliver("trst", trstBody).want(t, 200, isAccepted) // it has not burnt the ID
		if e := r.rows()[0]; e.Status != models.Received {
			t.Errorf("%+v", e)
		}
	})
}
