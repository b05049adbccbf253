package app_test

import (
	"slices"
	"testing"

	"example.com/identity-webhooks/models"
)

// TestLegalTalentContradictions: where the provider contradicts itself, another generation of itself or common sense, this is what was decided.
func TestLegalTalentContradictions(t *testing.T) {
	runAll(t, map[string]func(*testing.T, *running){
		"flagged is approved":     legalTalentFlagged,
		"completed is not a pass": legalTalentCompleted,
		"manual beats automatic":  legalTalentManualWins,
	})
}

// A flagged person is approved with a flag, which a review is not.
func legalTalentFlagged(t *testing.T, r *running) {
	flagged := r.inAnyOrder(occurrence{"legaltalent/variants/kyc.session.processed.flagged", "data.session_id", "WHO"})[0]
	flagged.want(t, models.StatusVerified, false)
	if !slices.Equal(flagged.Flags, []string{"flagged"}) {
		t.Errorf("flags %q, want flagged", flagged.Flags)
	}
	for _, event := range []occurrence{
		{"legaltalent/kyc.session.manual_review", "data.session_id", "WHO"},
		{"legaltalent/variants/kyc.session.processed.unknown", "data.session_id", "WHO"},
	} {
		p := r.inAnyOrder(event)[0]
		p.want(t, models.StatusInReview, false)
		if len(p.Flags) != 0 {
			t.Errorf("%s: flags %q, want none", event[0], p.Flags)
		}
	}
}

// An officer's word beats the machine's in any order and at any time. Of two officers' the later one counts, and of the same
// second the more severe one.
func legalTalentManualWins(t *testing.T, r *running) {
	approved := func(n int64) occurrence {
		return occurrence{"legaltalent/kyc.session.approved", "data.session_id", "WHO", "created", now.Unix() + n}
	}
	rejected := func(n int64) occurrence {
		return occurrence{"legaltalent/kyc.session.rejected", "data.session_id", "WHO", "created", now.Unix() + n}
	}
	processed := func(n int64, status string) occurrence {
		return occurrence{"legaltalent/kyc.session.processed", "data.session_id", "WHO", "created", now.Unix() + n, "data.status", status}
	}
	for _, x := range []struct {
		events []occurrence
		want   models.Status
	}{
		{[]occurrence{approved(1), processed(2, "REJECTED")}, models.StatusVerified},
		{[]occurrence{approved(2), processed(1, "REJECTED")}, models.StatusVerified},
		{[]occurrence{rejected(1), processed(2, "APPROVED")}, models.StatusRejected},
		{[]occurrence{approved(1), rejected(2), processed(3, "APPROVED")}, models.StatusRejected},
		{[]occurrence{approved(2), rejected(1), processed(3, "REJECTED")}, models.StatusVerified},
		{[]occurrence{approved(1), rejected(1)}, models.StatusRejected},
		{[]occurrence{processed(1, "APPROVED"), processed(2, "REJECTED")}, models.StatusFailed},
	} {
		for _, p := range r.inAnyOrder(x.events...) {
			p.want(t, x.want, false)
		}
	}
}

// A session that is completed grants no approval by itself.
func legalTalentCompleted(t *testing.T, r *running) {
	p := r.inAnyOrder(occurrence{"legaltalent/kyc.session.completed", "data.session_id", "WHO", "data.status", "COMPLETED"})[0]
	p.want(t, models.StatusInProgress, false)
}
