package jobs

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/models"
)

// plaidAnswer returns the facts of what was read.
func plaidAnswer(t *testing.T, resource, body string) models.Facts {
	t.Helper()
	return facts(t, models.Event{Provider: "plaid", Generation: models.GenerationRead, Type: resource, Body: []byte(body), OccurredAt: models.At(noon)})
}

func TestPlaidVerifications(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]string{
		`"success"`: "verified by automatic", `"failed"`: "failed by automatic", `"pending_review"`: "in_review by automatic",
		`"active"`: "in_progress by progress", `"canceled"`: "withdrawn by progress", `"expired"`: "withdrawn by progress",
		`"approved"`: "in_review by automatic", `""`: "in_review by automatic", `null`: "in_review by automatic", `7`: "in_review by automatic", `" SUCCESS "`: "verified by automatic",
	} {
		f := plaidAnswer(t, "identity_verification/get", `{"id":"idv_1","client_user_id":"u1","status":`+status+`}`)
		if got := summary(f); got != want || f.SubjectID != "u1" || f.Profile[models.ExternalID] != "u1" {
			t.Errorf("%s: %s about %s, want %s", status, got, f.SubjectID, want)
		}
	}
	for steps, want := range map[string]string{
		`"success","steps":{"kyc_check":"manually_approved"}`:                                 "verified by manual, identity passed",
		`"success","steps":{"risk_check":"manually_approved"}`:                                "verified by manual",
		`"success","steps":{"documentary_verification":"manually_rejected"}`:                  "verified by automatic, document failed",
		`"failed","steps":{"selfie_check":"manually_rejected"}`:                               "rejected by manual, biometric failed",
		`"failed","steps":{"kyc_check":"failed","documentary_verification":"not_applicable"}`: "failed by automatic, identity failed",
		`"pending_review","steps":{"selfie_check":"pending_review"}`:                          "in_review by automatic, biometric in_review",
		`"active","steps":{"kyc_check":"active","selfie_check":"waiting_for_prerequisite"}`:   "in_progress by progress, identity pending",
		`"canceled","steps":{"kyc_check":"canceled"}`:                                         "withdrawn by progress, identity not_run",
		`"success","steps":{"kyc_check":"surprise"}`:                                          "verified by automatic, identity in_review",
	} {
		if got := summary(plaidAnswer(t, "identity_verification/get", `{"id":"idv_1","status":`+steps+`}`)); got != want {
			t.Errorf("%s: %s, want %s", steps, got, want)
		}
	}
}

func TestPlaidScreenings(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]string{
		"pending_review": "screening hit", "rejected": "screening hit, case resolved rejected", "cleared": "screening clear, case resolved ", "surprise": "screening in_review",
	} {
		f := plaidAnswer(t, "watchlist_screening/individual/get", `{"id":"scr_1","client_user_id":"u1","status":"`+status+`"}`)
		if got := summary(f); got != want || f.SubjectID != "u1" || f.Checks[0].CheckID != "scr_1" {
			t.Errorf("%s: %s about %s, want %s", status, got, f.SubjectID, want)
		}
	}
}

// TestPlaidRequests: what is asked for, with the credentials in the header only, and which time counts.
func TestPlaidRequests(t *testing.T) {
	t.Parallel()
	r, h := NewRegistry(), http.Header{}
	r.apis["plaid"].authorize(h, map[string]string{"PLAID_CLIENT_ID": "c1", "PLAID_SECRET": "s1"})
	if h.Get("Plaid-Client-Id") != "c1" || h.Get("Plaid-Secret") != "s1" {
		t.Errorf("headers %v", h)
	}
	for name, want := range map[string]string{
		"plaid/IDENTITY_VERIFICATION.STATUS_UPDATED": `POST /identity_verification/get {"identity_verification_id":"idv_52xR9LKo77r1Np"}`,
		"plaid/IDENTITY_VERIFICATION.STEP_UPDATED":   `POST /identity_verification/get {"identity_verification_id":"idv_7Qe2StepAb4kWm"}`,
		"plaid/SCREENING.STATUS_UPDATED":             `POST /watchlist_screening/individual/get {"watchlist_screening_id":"scr_52xR9LKo77r1Np"}`,
	} {
		req, err := r.request(sample(t, name))
		body, err2 := json.Marshal(req.body)
		if got := strings.Join([]string{req.method, req.path, string(body)}, " "); err != nil || err2 != nil || got != want {
			t.Errorf("%s: %v %v %s, want %s", name, err, err2, got, want)
		}
	}
	req, err := plaidVerificationRequest(models.Event{}, plaidPayload{})
	if err != nil {
		t.Fatal(err)
	}
	begun, done := noon.Format(time.RFC3339), noon.Add(time.Hour).Format(time.RFC3339)
	for status, want := range map[string]string{
		"success": done, "failed": done, "pending_review": done, "active": begun, "canceled": begun, "expired": begun, "surprise": done,
	} {
		if got := req.at(gjson.Parse(`{"status":"` + status + `","created_at":"` + begun + `","completed_at":"` + done + `"}`)); got != want {
			t.Errorf("%s: %s, want %s", status, got, want)
		}
	}
	if got := req.at(gjson.Parse(`{"status":"success","created_at":"` + begun + `","completed_at":null}`)); got != begun {
		t.Errorf("without the time of its completion: %s", got)
	}
}
