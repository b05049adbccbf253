package app_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/models"
)

// TestTrustistContradictions: where the provider contradicts itself, another generation of itself or common sense, this is what was decided.
func TestTrustistContradictions(t *testing.T) {
	runAll(t, map[string]func(*testing.T, *running){
		"two generations of one event":   trustistTwoGenerations,
		"names that differ in case only": trustistNamesInOtherCase,
		"completed is not a pass":        trustistCompletedIsNoPass,
		"complete without the bank step": trustistBankStep,
		"no event ID and no signature":   trustistNoIDNoSignature,
		"payments are not identity":      trustistPayments,
	})
}

// Both generations are taken, and told apart by their keys.
func trustistTwoGenerations(t *testing.T, r *running) {
	for name, x := range map[string]struct{ generation, subject string }{
		"trustist/v1/onboard.session.completed": {"v1", "312db481-1a3e-4229-90c5-06d71c35f2ac"},
		"trustist/onboard.session.completed":    {"v2", "61c1cfc4-c813-4430-a42f-a2fd95bcd058"},
	} {
		r.tell(name)
		c := r.customer(x.subject)
		e := r.event("customer_id=" + strconv.FormatInt(c.ID, 10))
		if e.Generation != x.generation || e.Type != "onboard.session.completed" || c.Status != models.StatusVerified {
			t.Errorf("%s: %s %s, customer %s", name, e.Generation, e.Type, c.Status)
		}
	}
}

// Go matches JSON names whatever their case, which would let one generation's names pass for the other's.
func trustistNamesInOtherCase(t *testing.T, r *running) {
	r.tell("trustist/v1/onboard.session.completed", "event", nil, "timestamp", nil, "Event", "onboard.session.completed", "Timestamp", at(0))
	if e := r.event(""); e.Status != models.Failed {
		t.Errorf("older form with the newer one's names: %s, want failed", e.Status)
	}
	const unconfirmed = "0cfb6b38-158d-465c-8c43-3f513bb790dd"
	r.tell("trustist/variants/onboard.session.completed.unconfirmed", "session.progress.identity.confirmed", true)
	for _, c := range r.customers("subject_id=" + unconfirmed) {
		if c.Status == models.StatusVerified {
			t.Error("Session.Progress.Identity.Confirmed is null, and session.progress.identity.confirmed made it a pass")
		}
	}
}

// A failure has its own event in the older form. In the newer one only Confirmed says who passed.
func trustistCompletedIsNoPass(t *testing.T, r *running) {
	r.tell("trustist/v1/onboard.session.failed")
	failed := r.person("312db481-1a3e-4229-90c5-06d71c35f2ac")
	failed.want(t, models.StatusFailed, false)
	if failed.StatusReason != "Photo page of the document could not be read" {
		t.Errorf("reason %q, want the provider's", failed.StatusReason)
	}
	const identity = "Session.Progress.Identity"
	for name, set := range map[string][]any{
		"null": {identity + ".Confirmed", nil}, "false": {identity + ".Confirmed", false}, "missing": {identity, nil}, "all": {"Session.Progress", nil},
	} {
		r.tell("trustist/onboard.session.completed", append([]any{"Session.Id", name}, set...)...)
		r.person(name).want(t, models.StatusInReview, false)
	}
}

// The bank step counts only where there was one, and is judged by itself.
func trustistBankStep(t *testing.T, r *running) {
	const ais = "Session.Progress.Ais"
	newer := occurrence{"trustist/onboard.session.completed", "Session.Id", "WHO"}
	older := occurrence{"trustist/v1/onboard.session.completed", "data.sessionId", "WHO", "data.customerId", "WHO"}
	for _, x := range []struct {
		event occurrence
		want  models.Status
	}{
		{newer, models.StatusVerified}, // not asked for: neither completed nor confirmed
		{append(newer, ais, nil), models.StatusVerified},
		{append(newer, ais+".Completed", true, ais+".Confirmed", true), models.StatusVerified},
		{append(newer, ais+".Completed", true, ais+".Confirmed", false), models.StatusInReview},
		{older, models.StatusVerified},
		{append(older, "data.progress.ais", nil), models.StatusVerified},
		{append(older, "data.progress.ais.status", "failed"), models.StatusInReview},
	} {
		p := r.inAnyOrder(x.event)[0]
		p.want(t, x.want, false)
		i := slices.IndexFunc(p.Checks, func(k models.Check) bool { return k.Kind == models.IdentityCheck })
		if i < 0 || p.Checks[i].Status != models.CheckPassed {
			t.Errorf("%s: checks %v, want identity passed whatever the bank says", x.event, p.Checks)
		}
	}
}

// An event's ID is derived from the session and its outcome, so a retry is known though it carries a new time, and a failure
// after a completion is not taken for one. The caller is known by the end of the path.
func trustistNoIDNoSignature(t *testing.T, r *running) {
	for name, timestamp := range map[string]string{
		"trustist/v1/onboard.session.completed": "timestamp", "trustist/onboard.session.completed": "Timestamp",
	} {
		r.tell(name)
		for _, again := range [][]byte{sample(t, name), sample(t, name, timestamp, at(9))} {
			if status, answer := r.send("trustist", again); status != http.StatusOK || answer != duplicate {
				t.Errorf("%s again: %d %s, want 200 duplicate", name, status, answer)
			}
		}
	}
	r.tell("trustist/v1/onboard.session.failed", "data.sessionId", "6ee6bf23-bef9-4717-b42d-a58ef8e7db45") // that of the completion
	for token, want := range map[string]int{secret: 200, secret[1:]: 404, secret + "0": 404, strings.ToUpper(secret): 404, "%20" + secret: 404} {
		if status, answer := r.post("/webhooks/trustist/"+token, string(sample(t, "trustist/onboard.session.completed"))); status != want {
			t.Errorf("token %s: %d %s, want %d", token, status, answer, want)
		}
	}
}

// Payments, standing orders and partners' events are stored and ignored, by whatever name.
func trustistPayments(t *testing.T, r *running) {
	n := 0
	for _, s := range allTemplates(t) {
		if s.provider == "trustist" && gjson.Get(s.body, "eventType").Exists() {
			r.accept("trustist", []byte(s.body))
			n++
		}
	}
	r.tell("trustist/StandingOrderCreated", "eventType", "standing_order.renamed")
	r.tell("trustist/PaymentStatusChanged", "status", "COMPLETED")
	if ignored := len(r.events("outcome=ignored")); n < 15 || ignored != n+2 {
		t.Errorf("%d of %d events ignored, want all", ignored, n+2)
	}
	if list := r.customers(""); len(list) != 0 {
		t.Errorf("payments made %d customers", len(list))
	}
}
