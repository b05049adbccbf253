package app_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"example.com/identity-webhooks/models"
)

// TestTRSTContradictions: where the provider contradicts itself, another generation of itself or common sense, this is what was decided.
func TestTRSTContradictions(t *testing.T) {
	runAll(t, map[string]func(*testing.T, *running){
		"event type at two places": trstTypeAtTwoPlaces,
	})
}

// The type is read inside data, and at the top where it is not there. Two that differ are kept apart with the true reason, and
// leave the ID to the event that has it by right.
func trstTypeAtTwoPlaces(t *testing.T, r *running) {
	for _, set := range [][]any{
		{},
		{"event_type", "enrollment.completed"},
		{"event_type", "enrollment.completed", "data.event_type", nil},
	} {
		r.tell("trst/enrollment.completed", append(set, "data.member_id", uuid.NewString())...)
	}
	if n := len(r.events("type=enrollment.completed&outcome=applied")); n != 3 {
		t.Errorf("%d of 3 enrollments applied", n)
	}
	id := uuid.NewString()
	r.tell("trst/variants/webhook.test.conflicting", "event_id", id)
	if e := r.event("external_id=" + id); e.Status != models.Quarantined || !strings.Contains(e.Error, "event_type at the top and in data differ") {
		t.Errorf("contradictory types: %s, %q, want quarantined for that", e.Status, e.Error)
	}
	r.tell("trst/enrollment.completed", "event_id", id)
}
