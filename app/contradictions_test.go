package app_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/models"
)

// contradictions are the points where a provider's documentation contradicts itself, another generation of itself or common
// sense, each with a test of what was decided about it. The missing numbers are about subscribing, which this program does not do.
var contradictions = []struct {
	name string
	test func(t *testing.T)
}{
	{"C01 Trustist two generations of one event", trustistTwoGenerations},
	{"C01 Trustist names that differ in case only", trustistNamesInOtherCase},
	{"C02 Trustist completed is not a pass", trustistCompletedIsNoPass},
	{"C03 Trustist complete without the bank step", trustistBankStep},
	{"C04 Trustist no event ID and no signature", trustistNoIDNoSignature},
	{"C06 Trustist payments are not identity", trustistPayments},
	{"C07 TrustGate two signatures", trustgateTwoSignatures},
	{"C08 secrets are taken verbatim", secretsVerbatim},
	{"C09 TRST event type at two places", trstTypeAtTwoPlaces},
	{"C11 TrustGate two ways to report a hit", trustgateTwoWaysToReportHit},
	{"C12 TrustGate two shapes of case.created", trustgateTwoShapesOfCase},
	{"C13 one name, several meanings", oneNameSeveralMeanings},
	{"C14 completed means three things", completedMeansThreeThings},
	{"C15 TrustGate events without an ID", trustgateEventsWithoutID},
	{"C16 TrustGate workflow webhooks are signed, and a hint", trustgateWorkflow},
	{"C17 TrustGate one session, two event IDs", trustgateSessionTwice},
	{"C17 TrustGate copy of a session with a later time stamp", trustgateSessionCopiedLater},
	{"C18 TrustGate reviewed by a machine", trustgateReviewed},
	{"C20 TrustGate screening.completed may not come", trustgateScreeningMayNotCome},
	{"C22 meaning of the timestamp header", timestampMeanings},
	{"C23 Legal Talent signed content unknown", legalTalentSignedContent},
	{"C24 Legal Talent ID at two places", legalTalentTwoIDs},
	{"C25 Legal Talent flagged is approved", legalTalentFlagged},
	{"C26 Legal Talent manual beats automatic", legalTalentManualWins},
	{"C29 order is not promised", orderIsNotPromised},
	{"C30 terminal states reopen", terminalStatesReopen},
	{"C31 TrustGate external_id comes and goes", trustgateExternalID},
	{"C32 always exactly 200", alwaysExactly200},
	{"C33 answers to what fails", answersToFailures},
	{"C34 scales of confidence", scalesOfConfidence},
	{"C35 no personal data in the log", noPersonalDataInLog},
	{"C35 no personal data in Redis", noPersonalDataInRedis},
	{"C35 stored bodies are out of reach", storedBodiesOutOfReach},
}

func TestContradictions(t *testing.T) {
	t.Parallel()
	for _, c := range contradictions {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t)
		})
	}
}

// at is the provider's time n hours after now.
func at(n int) string { return now.Add(time.Duration(n) * time.Hour).Format(time.RFC3339) }

// fresh is a sample as another event: where the provider numbers its events, it has a new ID.
func fresh(t testing.TB, name string, set ...any) []byte {
	t.Helper()
	plain := sample(t, name)
	for _, id := range []string{"event_id", "id"} {
		if gjson.GetBytes(plain, id).Exists() {
			set = append([]any{id, uuid.NewString()}, set...)
		}
	}
	return sample(t, name, set...)
}

// say delivers a fresh sample, which must be a new event, and waits until it is processed.
func (r *running) say(name string, set ...any) {
	r.t.Helper()
	provider, _, _ := strings.Cut(name, "/")
	r.accept(provider, fresh(r.t, name, set...))
	r.settle()
}

// event returns the only event that the query selects.
func (r *running) event(query string) models.Event {
	r.t.Helper()
	list := r.events(query)
	if len(list) != 1 {
		r.t.Fatalf("%s: %d events, want 1", query, len(list))
	}
	return list[0]
}

// person is a customer with the facts it follows from.
type person struct {
	models.Customer
	models.Facts
}

func (r *running) person(subject string) (p person) {
	r.t.Helper()
	r.get("/api/customers/"+strconv.FormatInt(r.customer(subject).ID, 10), &p)
	return p
}

// want checks the customer's status, and whether they are on hold.
func (p person) want(t testing.TB, status models.Status, hold bool) {
	t.Helper()
	if p.Status != status || p.AMLHold != hold {
		t.Errorf("%s: %s (%s, by %s), hold %t, want %s, hold %t", p.SubjectID, p.Status, p.StatusReason, p.DecidedBy, p.AMLHold, status, hold)
	}
}

// said is an event: the name of its sample, and members to set. In their values WHO stands for the person.
type said []any

// inAnyOrder plays the events in each order they can have, each time about another person, and returns these.
func (r *running) inAnyOrder(events ...said) (persons []person) {
	r.t.Helper()
	var play func(done, left []said)
	play = func(done, left []said) {
		for i, e := range left {
			play(append(slices.Clone(done), e), slices.Delete(slices.Clone(left), i, i+1))
		}
		if len(left) > 0 {
			return
		}
		who := uuid.NewString()
		for _, e := range done {
			set := slices.Clone(e[1:])
			for i, value := range set {
				if text, ok := value.(string); ok {
					set[i] = strings.ReplaceAll(text, "WHO", who)
				}
			}
			r.say(e[0].(string), set...)
		}
		persons = append(persons, r.person(who))
	}
	play(nil, events)
	return persons
}

// Both generations are taken, and told apart by their keys.
func trustistTwoGenerations(t *testing.T) {
	r := start(t, sqlite(t))
	for name, x := range map[string]struct{ generation, subject string }{
		"trustist/v1/onboard.session.completed": {"v1", "312db481-1a3e-4229-90c5-06d71c35f2ac"},
		"trustist/onboard.session.completed":    {"v2", "61c1cfc4-c813-4430-a42f-a2fd95bcd058"},
	} {
		r.say(name)
		c := r.customer(x.subject)
		e := r.event("customer_id=" + strconv.FormatInt(c.ID, 10))
		if e.Generation != x.generation || e.Type != "onboard.session.completed" || c.Status != models.Verified {
			t.Errorf("%s: %s %s, customer %s", name, e.Generation, e.Type, c.Status)
		}
	}
}

// Go matches JSON names whatever their case, which would let one generation's names pass for the other's.
func trustistNamesInOtherCase(t *testing.T) {
	r := start(t, sqlite(t))
	r.say("trustist/v1/onboard.session.completed", "event", nil, "timestamp", nil, "Event", "onboard.session.completed", "Timestamp", at(0))
	if e := r.event(""); e.Status != models.Failed {
		t.Errorf("older form with the newer one's names: %s, want failed", e.Status)
	}
	const unconfirmed = "0cfb6b38-158d-465c-8c43-3f513bb790dd"
	r.say("trustist/variants/onboard.session.completed.unconfirmed", "session.progress.identity.confirmed", true)
	for _, c := range r.customers("subject_id=" + unconfirmed) {
		if c.Status == models.Verified {
			t.Error("Session.Progress.Identity.Confirmed is null, and session.progress.identity.confirmed made it a pass")
		}
	}
}

// A failure has its own event in the older form. In the newer one only Confirmed says who passed.
func trustistCompletedIsNoPass(t *testing.T) {
	r := start(t, sqlite(t))
	r.say("trustist/v1/onboard.session.failed")
	failed := r.person("312db481-1a3e-4229-90c5-06d71c35f2ac")
	failed.want(t, models.FailedAuto, false)
	if failed.StatusReason != "Photo page of the document could not be read" {
		t.Errorf("reason %q, want the provider's", failed.StatusReason)
	}
	const identity = "Session.Progress.Identity"
	for name, set := range map[string][]any{
		"null": {identity + ".Confirmed", nil}, "false": {identity + ".Confirmed", false}, "missing": {identity, nil}, "all": {"Session.Progress", nil},
	} {
		r.say("trustist/onboard.session.completed", append([]any{"Session.Id", name}, set...)...)
		r.person(name).want(t, models.InReview, false)
	}
}

// The bank step counts only where there was one, and is judged by itself.
func trustistBankStep(t *testing.T) {
	r := start(t, sqlite(t))
	const ais = "Session.Progress.Ais"
	newer := said{"trustist/onboard.session.completed", "Session.Id", "WHO"}
	older := said{"trustist/v1/onboard.session.completed", "data.sessionId", "WHO", "data.customerId", "WHO"}
	for _, x := range []struct {
		event said
		want  models.Status
	}{
		{newer, models.Verified}, // not asked for: neither completed nor confirmed
		{append(newer, ais, nil), models.Verified},
		{append(newer, ais+".Completed", true, ais+".Confirmed", true), models.Verified},
		{append(newer, ais+".Completed", true, ais+".Confirmed", false), models.InReview},
		{older, models.Verified},
		{append(older, "data.progress.ais", nil), models.Verified},
		{append(older, "data.progress.ais.status", "failed"), models.InReview},
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
func trustistNoIDNoSignature(t *testing.T) {
	r := start(t, sqlite(t), "TRUSTIST_WEBHOOK_SECRET=old,new")
	for name, timestamp := range map[string]string{
		"trustist/v1/onboard.session.completed": "timestamp", "trustist/onboard.session.completed": "Timestamp",
	} {
		r.say(name)
		for _, again := range [][]byte{sample(t, name), sample(t, name, timestamp, at(9))} {
			if status, answer := r.send("trustist", again); status != http.StatusOK || answer != `{"status":"duplicate"}` {
				t.Errorf("%s again: %d %s, want 200 duplicate", name, status, answer)
			}
		}
	}
	r.say("trustist/v1/onboard.session.failed", "data.sessionId", "6ee6bf23-bef9-4717-b42d-a58ef8e7db45") // that of the completion
	for token, want := range map[string]int{"old": 200, "new": 200, "ne": 404, "new0": 404, "old,new": 404, "OLD": 404, "%20old": 404} {
		if status, answer := r.post("/webhooks/trustist/"+token, string(sample(t, "trustist/onboard.session.completed"))); status != want {
			t.Errorf("token %s: %d %s, want %d", token, status, answer, want)
		}
	}
}

// Payments, standing orders and partners' events are stored and ignored, by whatever name.
func trustistPayments(t *testing.T) {
	r := start(t, sqlite(t))
	n := 0
	for _, name := range samples(t) {
		if body := sample(t, name); gjson.GetBytes(body, "eventType").Exists() {
			r.accept("trustist", body)
			n++
		}
	}
	r.say("trustist/StandingOrderCreated", "eventType", "standing_order.renamed")
	r.say("trustist/PaymentStatusChanged", "status", "COMPLETED")
	if ignored := len(r.events("outcome=ignored")); n < 15 || ignored != n+2 {
		t.Errorf("%d of %d events ignored, want all", ignored, n+2)
	}
	if list := r.customers(""); len(list) != 0 {
		t.Errorf("payments made %d customers", len(list))
	}
}

// The type is read inside data, and at the top where it is not there. Two that differ are kept apart with the true reason, and
// leave the ID to the event that has it by right.
func trstTypeAtTwoPlaces(t *testing.T) {
	r := start(t, sqlite(t))
	for _, set := range [][]any{
		{},
		{"event_type", "enrollment.completed"},
		{"event_type", "enrollment.completed", "data.event_type", nil},
	} {
		r.say("trst/enrollment.completed", append(set, "data.member_id", uuid.NewString())...)
	}
	if n := len(r.events("type=enrollment.completed&outcome=applied")); n != 3 {
		t.Errorf("%d of 3 enrollments applied", n)
	}
	id := uuid.NewString()
	r.say("trst/variants/webhook.test.conflicting", "event_id", id)
	if e := r.event("external_id=" + id); e.Status != models.Quarantined || !strings.Contains(e.LastError, "event_type at the top and in data differ") {
		t.Errorf("contradictory types: %s, %q, want quarantined for that", e.Status, e.LastError)
	}
	alert := lineWith(r.log.String(), "event quarantined")
	if !strings.Contains(alert, "level=WARN") || strings.Contains(alert, "came before with another body") {
		t.Errorf("the log gives a false reason, for no event of that ID came before: %s", alert)
	}
	r.say("trst/enrollment.completed", "event_id", id)
}

// lineWith returns the first line of a log that contains the text.
func lineWith(log, text string) string {
	for line := range strings.Lines(log) {
		if strings.Contains(line, text) {
			return line
		}
	}
	return ""
}

// The ping has no ID: its key is the webhook's and the time. It never makes a customer.
func trustgateEventsWithoutID(t *testing.T) {
	r := start(t, sqlite(t))
	for _, x := range []struct {
		name   string
		change []any // what makes it another event
	}{
		{"trustgate/test.ping", []any{"timestamp", at(1)}},
		{"trustgate/workflow.action.webhook", []any{"next_step", "close_account"}}, // the run's next webhook
	} {
		r.say(x.name)
		r.say(x.name, x.change...)
		if status, answer := r.send("trustgate", sample(t, x.name)); status != http.StatusOK || answer != `{"status":"duplicate"}` {
			t.Errorf("%s again: %d %s, want 200 duplicate", x.name, status, answer)
		}
	}
	if n, customers := len(r.events("outcome=ignored")), r.customers(""); n != 4 || len(customers) != 0 {
		t.Errorf("%d events ignored and %d customers, want 4 and none", n, len(customers))
	}
}

// A workflow's webhook needs a signature like all others, and its word on the person counts for nothing.
func trustgateWorkflow(t *testing.T) {
	r := start(t, sqlite(t))
	who := gjson.GetBytes(sample(t, "trustgate/workflow.action.webhook"), "applicant.id").Str
	r.say("trustgate/applicant.submitted", "data.applicant_id", who)
	status, _, err := r.trySend("trustgate", sample(t, "trustgate/workflow.action.webhook"), func(h http.Header) { clear(h) })
	if status != http.StatusUnauthorized || err != nil || len(r.events("")) != 1 {
		t.Errorf("unsigned: %d %v, want 401 and no trace", status, err)
	}
	r.say("trustgate/workflow.action.webhook", "applicant.status", "approved")
	r.person(who).want(t, models.InProgress, false)
}
