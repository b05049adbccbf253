package handlers

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"
)

// sample is a body in ../testdata, by its path there.
type sample struct {
	path, provider string
	variant        bool
	body           []byte
}

// samples are all bodies in ../testdata.
func samples(t testing.TB) (list []sample) {
	t.Helper()
	dir := os.DirFS("../testdata")
	err := fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".json" || name == "catalogue.json" || strings.HasPrefix(name, "verify/") || strings.HasSuffix(name, ".want.json") {
			return err
		}
		body, err := fs.ReadFile(dir, name)
		provider, rest, _ := strings.Cut(name, "/")
		list = append(list, sample{name, provider, strings.HasPrefix(rest, "variants/"), body})
		return err
	})
	if err != nil || len(list) == 0 {
		t.Fatalf("read samples: %d found, %v", len(list), err)
	}
	return list
}

// meaning is what the catalogue says about an event type.
type meaning struct{ Provider, Generation, Type, Sample string }

func catalogue(t testing.TB) (list []meaning) {
	t.Helper()
	text, err := os.ReadFile("../testdata/catalogue.json")
	if err := errors.Join(err, json.Unmarshal(text, &list)); err != nil {
		t.Fatal(err)
	}
	return list
}

// envelopeOf signs a body, sends it to itself and returns what was read.
func envelopeOf(t testing.TB, provider, body string) (Envelope, error) {
	t.Helper()
	p := mustProvider(t, provider, documented, "ti_envelope")
	q := p.Sign([]byte(body), noon)
	token := ""
	if TokenInPath(provider) {
		token = path.Base(q.Path)
	}
	return p.Verify(Delivery{Header: q.Header, Token: token, Body: []byte(body), ReceivedAt: noon})
}

func TestSamples(t *testing.T) {
	t.Parallel()
	known := catalogue(t)
	unseen := map[string]meaning{}
	for _, m := range known {
		unseen[m.Sample] = m
	}
	ids := map[string]string{}
	for _, s := range samples(t) {
		e, err := envelopeOf(t, s.provider, string(s.body))
		if strings.HasSuffix(s.path, ".conflicting.json") {
			if !errors.Is(err, ErrContradictory) {
				t.Errorf("%s: %v, want ErrContradictory", s.path, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", s.path, err)
			continue
		}
		name := strings.TrimSuffix(path.Base(s.path), ".json")
		catalogued := slices.ContainsFunc(known, func(m meaning) bool {
			return m.Provider == s.provider && m.Generation == e.Generation && m.Type == e.Type && (s.variant || m.Sample == s.path)
		})
		if !catalogued {
			t.Errorf("%s: generation %s, type %s is not what the catalogue has", s.path, e.Generation, e.Type)
		}
		if name != e.Type && (!s.variant || !strings.HasPrefix(name, e.Type+".")) {
			t.Errorf("%s: read type %s", s.path, e.Type)
		}
		if e.OccurredAt.IsZero() {
			t.Errorf("%s: no time", s.path)
		}
		id := s.provider + " " + e.ExternalID
		if e.ExternalID == "" || ids[id] != "" {
			t.Errorf("%s: ID %q, which %q has, too", s.path, e.ExternalID, ids[id])
		}
		ids[id] = s.path
		delete(unseen, s.path)
	}
	if len(unseen) > 0 {
		t.Errorf("in the catalogue, but not there: %v", slices.Sorted(maps.Keys(unseen)))
	}
}

func TestEnvelopes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		provider, body string
		want           Envelope
	}{
		"trustgate v2": {"trustgate", `{"event_type":"case.created","event_id":"e1","timestamp":"2026-02-04T15:00:00.123456789+01:00","tenant_id":"t1","correlation_id":"c1","data":{}}`,
			Envelope{Generation: "v2", ExternalID: "e1", Type: "case.created", OccurredAt: time.Date(2026, 2, 4, 14, 0, 0, 123456789, time.UTC), TenantID: "t1", CorrelationID: "c1"}},
		"trustgate v2, nulls": {"trustgate", `{"event_type":"case.created","event_id":"e1","timestamp":"2026-02-04T15:00:00Z","tenant_id":null,"correlation_id":null}`,
			Envelope{Generation: "v2", ExternalID: "e1", Type: "case.created", OccurredAt: time.Date(2026, 2, 4, 15, 0, 0, 0, time.UTC)}},
		"trustgate v1": {"trustgate", `{"id":"evt_1","type":"case.created","created_at":"2026-02-04T15:00:00Z","data":{}}`,
			Envelope{Generation: "v1", ExternalID: "evt_1", Type: "case.created", OccurredAt: time.Date(2026, 2, 4, 15, 0, 0, 0, time.UTC)}},
		"trst": {"trst", `{"event_id":"e1","timestamp":"2026-02-04T15:00:00Z","project_id":"p1","data":{"event_type":"webhook.test"}}`,
			Envelope{Generation: "v1", ExternalID: "e1", Type: "webhook.test", OccurredAt: time.Date(2026, 2, 4, 15, 0, 0, 0, time.UTC), TenantID: "p1"}},
		"trst, type at the top": {"trst", `{"event_id":"e1","event_type":"webhook.test","timestamp":"2026-02-04T15:00:00Z"}`,
			Envelope{Generation: "v1", ExternalID: "e1", Type: "webhook.test", OccurredAt: time.Date(2026, 2, 4, 15, 0, 0, 0, time.UTC)}},
		"trst, type in both places": {"trst", `{"event_id":"e1","event_type":"webhook.test","timestamp":"2026-02-04T15:00:00Z","data":{"event_type":"webhook.test"}}`,
			Envelope{Generation: "v1", ExternalID: "e1", Type: "webhook.test", OccurredAt: time.Date(2026, 2, 4, 15, 0, 0, 0, time.UTC)}},
		"legaltalent": {"legaltalent", `{"id":"evt_1","type":"kyc.session.created","created":1735228800,"data":null}`,
			Envelope{Generation: "v1", ExternalID: "evt_1", Type: "kyc.session.created", OccurredAt: time.Unix(1735228800, 0).UTC()}},
		"unknown type, unknown members": {"legaltalent", `{"id":"evt_1","type":"kyc.new.thing","created":1735228800,"extra":[1]}`,
			Envelope{Generation: "v1", ExternalID: "evt_1", Type: "kyc.new.thing", OccurredAt: time.Unix(1735228800, 0).UTC()}},
	} {
		got, err := envelopeOf(t, c.provider, c.body)
		got.OccurredAt = got.OccurredAt.UTC()
		if err != nil || got != c.want {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", name, got, err, c.want)
		}
	}
}

const trustistOlder = `{"event":"onboard.session.completed","timestamp":"2026-02-17T08:33:02Z","data":{"sessionId":"6ee6bf23","customerId":"312db481","status":"completed","progress":{"identity":{"status":"passed","completedAt":"2026-02-17T08:24:51Z"}}}}`

const (
	trustistNewer = `{"Event":"onboard.session.completed","Timestamp":"2026-09-14T13:08:26Z","Session":{"Id":"61c1cfc4","Status":"Complete","Progress":{"Identity":{"Completed":true,"Confirmed":true,"CompletedAt":"2026-09-14T13:07:48Z"},"Ais":null}}}`
	trustistMoney = `{"eventType":"payment.created","merchantId":"mch_58","paymentId":"pmt_1","status":"PENDING","created":"2026-02-18T11:20:05.3079264Z"}`
	workflowRun   = `{"event":"workflow.action.webhook","timestamp":"2026-06-16T10:49:06Z","tenant_id":"t1","workflow_execution_id":"w1","applicant":{"id":"a1"},"next":"open_account"}`
)

// TestDerivedIDs: what has no ID gets one that stays the same for a retry and differs for another event.
func TestDerivedIDs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		provider, body, old, new string
		same                     bool
	}{
		"trustist v1: new timestamp":       {"trustist", trustistOlder, "08:33:02Z", "09:44:13Z", true},
		"trustist v1: other profile":       {"trustist", trustistOlder, `"312db481"`, `"999"`, true},
		"trustist v1: order of keys":       {"trustist", trustistOlder, `"status":"passed","completedAt":"2026-02-17T08:24:51Z"`, `"completedAt":"2026-02-17T08:24:51Z","status":"passed"`, true},
		"trustist v1: spacing":             {"trustist", trustistOlder, `"progress":{`, "\n\t\"progress\" : {\r\n ", true},
		"trustist v1: escapes":             {"trustist", trustistOlder, `"passed"`, `"\u0070assed"`, true},
		"trustist v1: other session":       {"trustist", trustistOlder, "6ee6bf23", "6ee6bf24", false},
		"trustist v1: other event":         {"trustist", trustistOlder, "session.completed", "session.failed", false},
		"trustist v1: other status":        {"trustist", trustistOlder, `"status":"completed"`, `"status":"failed"`, false},
		"trustist v1: other progress":      {"trustist", trustistOlder, `"passed"`, `"failed"`, false},
		"trustist v1: other completion":    {"trustist", trustistOlder, "08:24:51Z", "08:24:52Z", false},
		"trustist v2: new timestamp":       {"trustist", trustistNewer, "13:08:26Z", "14:09:27Z", true},
		"trustist v2: order of keys":       {"trustist", trustistNewer, `"Completed":true,"Confirmed":true`, `"Confirmed":true,"Completed":true`, true},
		"trustist v2: other session":       {"trustist", trustistNewer, "61c1cfc4", "61c1cfc5", false},
		"trustist v2: other status":        {"trustist", trustistNewer, `"Complete"`, `"Pending"`, false},
		"trustist v2: other progress":      {"trustist", trustistNewer, `"Confirmed":true`, `"Confirmed":false`, false},
		"payment: new timestamp":           {"trustist", trustistMoney, "11:20:05", "12:30:15", true},
		"payment: other status":            {"trustist", trustistMoney, "PENDING", "COMPLETED", false},
		"payment: other payment":           {"trustist", trustistMoney, "pmt_1", "pmt_2", false},
		"payment: other type":              {"trustist", trustistMoney, "payment.created", "payment.failed", false},
		"payment without ID: other bytes":  {"trustist", `{"eventType":"payment.created","created":"2026-02-18T11:20:05Z"}`, "11:20", "11:21", false},
		"ping: message":                    {"trustgate", tgPing, "ping from TrustGate", "ping", true},
		"ping: other webhook":              {"trustgate", tgPing, "5c7d1e90", "5c7d1e91", false},
		"ping: other time":                 {"trustgate", tgPing, "15:00:00", "15:00:01", false},
		"ping without webhook: other body": {"trustgate", `{"event":"test.ping","timestamp":"2026-02-04T15:00:00Z","data":{"n":1}}`, "1}", "2}", false},
		"workflow: other run":              {"trustgate", workflowRun, "w1", "w2", false},
		"workflow: other person":           {"trustgate", workflowRun, "a1", "a2", false},
		"workflow: other step":             {"trustgate", workflowRun, "open_account", "call", false},
	} {
		if strings.Count(c.body, c.old) == 0 {
			t.Fatalf("%s: %q is not in the body", name, c.old)
		}
		one, err := envelopeOf(t, c.provider, c.body)
		two, err2 := envelopeOf(t, c.provider, strings.Replace(c.body, c.old, c.new, 1))
		if err := errors.Join(err, err2); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !one.Derived || (one.ExternalID == two.ExternalID) != c.same {
			t.Errorf("%s: IDs %s and %s, want the same: %v", name, one.ExternalID, two.ExternalID, c.same)
		}
	}
}

// TestTrustistTime: a session occurred when its last step was completed, which a retry does not change.
func TestTrustistTime(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		trustistOlder: "2026-02-17T08:24:51Z",
		trustistNewer: "2026-09-14T13:07:48Z",
		strings.Replace(trustistNewer, `"Ais":null`, `"Ais":{"CompletedAt":"2026-09-14T13:08:00Z"}`, 1):       "2026-09-14T13:08:00Z",
		strings.Replace(trustistNewer, `"CompletedAt":"2026-09-14T13:07:48Z"`, `"CompletedAt":null`, 1):       "2026-09-14T13:08:26Z",
		strings.Replace(trustistNewer, `"CompletedAt":"2026-09-14T13:07:48Z"`, `"CompletedAt":"just now"`, 1): "2026-09-14T13:08:26Z",
		trustistMoney: "2026-02-18T11:20:05.3079264Z",
	} {
		e, err := envelopeOf(t, "trustist", body)
		if got := e.OccurredAt.UTC().Format(time.RFC3339Nano); err != nil || got != want {
			t.Errorf("occurred at %s, %v, want %s, in %s", got, err, want, body)
		}
	}
}

// TestLetterCase: encoding/json matches names in any letter case, which would blur Trustist's generations.
func TestLetterCase(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body, generation string // no generation: unreadable
	}{
		"v1":                           {trustistOlder, "v1"},
		"v2":                           {trustistNewer, "v2"},
		"payment":                      {trustistMoney, "payment"},
		"v1 with another Event":        {strings.Replace(trustistOlder, `{"event"`, `{"Event":"other","event"`, 1), "v1"},
		"v1 with another SessionId":    {strings.Replace(trustistOlder, `"customerId"`, `"SessionId":"other","customerId"`, 1), "v1"},
		"v1 with a session":            {strings.Replace(trustistOlder, `{"event"`, `{"session":{"Id":"x"},"event"`, 1), "v1"},
		"v1 with null Session":         {strings.Replace(trustistOlder, `{"event"`, `{"Session":null,"event"`, 1), "v1"},
		"v2 in lower case":             {strings.ToLower(trustistNewer), ""},
		"v2 with an event":             {strings.Replace(trustistNewer, `"Event"`, `"event"`, 1), ""},
		"v1 in a Session":              {strings.Replace(trustistOlder, `"data"`, `"Session"`, 1), ""},
		"v1 with an Event":             {strings.Replace(trustistOlder, `"event"`, `"Event"`, 1), ""},
		"payment with an EventType":    {strings.Replace(trustistMoney, `"eventType"`, `"EventType"`, 1), ""},
		"v1 with its ID in PascalCase": {strings.Replace(trustistOlder, `"sessionId"`, `"SessionId"`, 1), ""},
	} {
		e, err := envelopeOf(t, "trustist", c.body)
		if errors.Is(err, ErrUnreadable) != (c.generation == "") || err == nil && e.Generation != c.generation {
			t.Errorf("%s: generation %q, %v, want %q", name, e.Generation, err, c.generation)
		}
		if want, _ := envelopeOf(t, "trustist", trustistOlder); c.generation == "v1" && e.ExternalID != want.ExternalID {
			t.Errorf("%s: not the ID of the same event in lower case", name)
		}
	}
}

func TestContradictoryTypes(t *testing.T) {
	t.Parallel()
	e, err := envelopeOf(t, "trst", strings.Replace(trstBody, `"data"`, `"event_type":"webhook.test","data"`, 1))
	if !errors.Is(err, ErrContradictory) || errors.Is(err, ErrUnverified) || errors.Is(err, ErrUnreadable) {
		t.Errorf("%v, want ErrContradictory", err)
	}
	if e.ExternalID != "0f6d2b84-3a9c-4e17-b5d0-8c1e7f4a2963" {
		t.Errorf("external ID %q: the envelope must hold what could be read", e.ExternalID)
	}
}
