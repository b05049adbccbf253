package cli

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"
)

// says compares what a command prints.
func says(t *testing.T, want string, args ...string) {
	t.Helper()
	if diff := cmp.Diff(want, succeed(t, args...)); diff != "" {
		t.Errorf("%q (-want +got):\n%s", args, diff)
	}
}

// TestTriggerShowsChanges: what is printed of a customer is what became of them, whether the event names them or their case.
func TestTriggerShowsChanges(t *testing.T) {
	server(t)
	says(t, `trustgate/applicant.reviewed → 200 OK {"status":"accepted"}
  event 1: processed, applied
  new customer 1 (46eb1142-45e4-41d4-bf05-df64f5785904)
    external_id: acct-20417
    tenant_id: b677118d-5dbe-442a-9b37-34470fbdb733
    status: verified
    status_reason: manual_approved
    decided_by: manual
    risk_level: medium
    risk_score: 38
    flags: screening_hit
`, "trigger", "trustgate/applicant.reviewed")
	says(t, `trustgate/applicant.reviewed → 200 OK {"status":"accepted"}
  event 2: processed, applied
  customer 1 (46eb1142-45e4-41d4-bf05-df64f5785904): no change
`, "trigger", "trustgate/applicant.reviewed")
	says(t, `trustgate/screening.completed → 200 OK {"status":"accepted"}
  event 3: processed, applied
  customer 1 (46eb1142-45e4-41d4-bf05-df64f5785904)
    screening_status: – → hit
    aml_hold: false → true
    checks: – → screening hit
`, "trigger", "trustgate/screening.completed")
	says(t, `trustgate/v1/case.assigned → 200 OK {"status":"accepted"}
  event 4: processed, applied
`, "trigger", "trustgate/v1/case.assigned")
	says(t, `trustgate/v1/screening.hit → 200 OK {"status":"accepted"}
  event 5: processed, applied
  new customer 2 (66701a60-422d-4693-ab2a-242ddb669c04)
    status: in_review
    status_reason: a case is open
    decided_by: open_case
    screening_status: hit
    aml_hold: true
    checks: screening hit
    hits: hit_9072 open
    cases: case_2641 open (user_318)
`, "trigger", "trustgate/v1/screening.hit")
	says(t, `trustgate/v1/case.resolved → 200 OK {"status":"accepted"}
  event 6: processed, applied
  customer 2 (66701a60-422d-4693-ab2a-242ddb669c04)
    status: in_review → verified
    status_reason: a case is open → no_action_required
    decided_by: open_case → manual
    aml_hold: true → false
    cases: case_2641 open (user_318) → case_2641 resolved (user_318)
`, "trigger", "trustgate/v1/case.resolved")
	says(t, `trst/webhook.test → 200 OK {"status":"accepted"}
  event 7: processed, ignored
`, "trigger", "trst/webhook.test")
}

// TestTriggerKnowsNoBefore: of a customer whose earlier state could not be asked, nothing is said to have changed.
func TestTriggerKnowsNoBefore(t *testing.T) {
	p := &player{w: new(strings.Builder)}
	r := &report{CustomerAfter: json.RawMessage(`{"id":3,"subject_id":"s","status":"verified","email":"","aml_hold":false,"flags":[]}`)}
	r.Changes = compareCustomers(nil, r.CustomerAfter)
	p.printChanges(3, false, r)
	want := "  customer 3 (s), of whom it is not known what they were before\n    status: verified\n"
	if got := p.w.(*strings.Builder).String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTriggerColours(t *testing.T) {
	p := &player{w: new(strings.Builder), painter: true}
	before, after := `{"status":"verified","aml_hold":false,"email":"a"}`, `{"status":"rejected","aml_hold":true,"email":"b"}`
	r := &report{CustomerBefore: json.RawMessage(before), CustomerAfter: json.RawMessage(after)}
	r.Changes = compareCustomers(r.CustomerBefore, r.CustomerAfter)
	p.printChanges(3, false, r)
	got := p.w.(*strings.Builder).String()
	for _, want := range []string{"\x1b[90mverified →\x1b[0m \x1b[31mrejected\x1b[0m", "\x1b[90mfalse →\x1b[0m \x1b[31mtrue\x1b[0m", "\x1b[90ma →\x1b[0m b\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want it to have %q", got, want)
		}
	}
}

func TestTriggerVerbose(t *testing.T) {
	admin := server(t)
	_, printed, found := strings.Cut(succeed(t, "trigger", "trst/enrollment.completed", "--verbose"), "    checks: biometric passed\n")
	var want map[string]any
	if err := admin.get(t.Context(), "/api/customers/1", &want); err != nil {
		t.Fatal(err)
	}
	delete(want, "events")
	if diff := cmp.Diff(want, gjson.Parse(printed).Value()); !found || diff != "" {
		t.Errorf("the customer (-API +printed):\n%s", diff)
	}
}

// TestTriggerJSON: an object per event and line, and nothing else.
func TestTriggerJSON(t *testing.T) {
	server(t)
	out := succeed(t, "trigger", "trustgate/applicant.reviewed", "--json", "--count", "2", "--dup", "2")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines, want 2: %s", len(lines), out)
	}
	second := gjson.Parse(lines[1])
	for field, want := range map[string]any{
		"sample": "trustgate/applicant.reviewed", "event_id": 2.0, "http_status": 200.0, "answer": "accepted", "deliveries": 2.0,
		"duplicates": 1.0, "status": "processed", "outcome": "applied", "error": "", "customer_before.revision": 1.0,
		"customer_after.revision": 2.0, "changes": map[string]any{},
	} {
		if diff := cmp.Diff(want, second.Get(field).Value()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", field, diff)
		}
	}
	first := gjson.Parse(lines[0])
	if before := first.Get("customer_before"); before.Raw != "null" {
		t.Errorf("a new customer was %s before, want null", before.Raw)
	}
	if got := first.Get("changes.risk_score").Raw; got != `{"before":null,"after":38}` {
		t.Errorf("risk_score: %s", got)
	}
	quarantined := gjson.Parse(succeed(t, "trigger", "trst/variants/webhook.test.conflicting", "--json"))
	if got := quarantined.Get("error").Str; got != "contradictory body: event_type at the top and in data differ" {
		t.Errorf("the error is %q", got)
	}
	r := execute(t, "trigger", "trst/webhook.test", "--json", "--secret", "canary")
	refused := gjson.Parse(r.stdout)
	if r.code != exitError || refused.Get("answer").Str != "unverified" || refused.Get("error").Str == "" || refused.Get("http_status").Int() != http.StatusUnauthorized {
		t.Errorf("refused: %+v", r)
	}
}
