package app_test

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// The contradictions about deliveries: who sent them, and what is answered.

// vector is a signed delivery with known answers, computed with openssl and Python and not by this code:
//
//	printf %s "$body" | openssl dgst -sha256 -hmac "$secret"
type vector struct {
	provider, secret, body string
	at                     int64  // X-Webhook-Timestamp
	body64                 string // MAC of the body alone
	dated64                string // MAC of "<timestamp>.<body>"
	stripped64             string // what the provider signs, with the secret's "whsec_" taken off
}

var (
	trustgateVector = vector{
		"trustgate", "whsec_tg_test_3f9c1a7e5b2d4860", `{"event_type":"applicant.reviewed","event_id":"7b1e4c52-90ad-4f0e-8a35-2c6d9f1b7e04","timestamp":"2026-02-04T15:00:00Z","tenant_id":"c0a8012e-5d3f-4b6a-9e71-0f4d8b2a6c19","correlation_id":null,"data":{"applicant_id":"2d9f6a10-7c4e-4e8b-b1a5-93e0c7d85f42","external_id":"cust_1001","status":"approved","risk_score":18,"risk_level":"low","review_decision":"manual_approved","reviewed_by":"e4b7a9d3-6f21-4c58-8d0a-51c3e2f7b690","reviewed_at":"2026-02-04T15:00:00Z","flags":[]}}`, 1770217200,
		"cd8b8bac3bf6b48d8b3eae1ec93ee8216dfd97cfa9b946b7e7061ac6853a814e",
		"f35d4cc3b8794476ad15668d3d1e82113024774c7a5f76daa2986c1fccd9a51f",
		"cbbf56a0ef68b372c7e0a6867cb1a2f34ab346623f66356575df5375058e500f",
	}
	trstVector = vector{
		"trst", "whsec_trst_test_9a1b2c3d4e5f6071", `{"event_id":"0f6d2b84-3a9c-4e17-b5d0-8c1e7f4a2963","timestamp":"2024-11-02T15:30:00Z","project_id":"proj_7k2m","data":{"event_type":"enrollment.completed","session_id":"ses_51ab","member_id":"mem_204","device_id":"dev_0c7","completed_at":"2024-11-02T15:30:00Z"}}`, 0,
		"93483d98e7f05b369262b3861bff748aa6621a75235b1f1ca45fd8cf56109199", "",
		"2b75020ff885cd59797cdb1c3d5d04962790bbba5a92c427796a03f70cf43369",
	}
	legaltalentVector = vector{
		"legaltalent", "kyc_test_secret_b81f2e6d4c9a7053", `{"id":"evt_5f2a9c71d084","type":"kyc.session.processed","created":1735228800,"data":{"session_id":"8e3b1f60-4d2c-4a97-9b05-d7c6e1a2f384"}}`, 1735228800,
		"46008a0614315ac88cf128f0b56b39630c3e15e54fc6c30428ef1f8ed8ff1f3b",
		"04606da1df0d81abb2047649a14d4907764da8957721d6a1ad4e98e7006bdd07", "",
	}
	// idDated64 is Legal Talent's MAC over "<id>.<timestamp>.<body>", for which there is no evidence.
	idDated64 = "9b2196d93aaa51b2ab268a6fc7c979133ef9c557ae6c766b2e939ef655998845"
)

// verify has the provider, configured by the environment, verify the vector's body under headers given as name and value
// in turn. It is received so long after the vector's timestamp. The reason is empty where it is verified.
func (v vector) verify(t *testing.T, setting string, after time.Duration, headers ...string) (handlers.Envelope, handlers.Reason) {
	t.Helper()
	c, err := app.ReadConfig([]string{strings.ToUpper(v.provider) + "_WEBHOOK_SECRET=" + v.secret, setting})
	if err != nil {
		t.Fatal(err)
	}
	active, err := c.Providers()
	if err != nil {
		t.Fatal(err)
	}
	d := handlers.Delivery{Header: http.Header{}, Body: []byte(v.body), ReceivedAt: time.Unix(v.at, 0).Add(after)}
	d.Header.Set("X-Webhook-Timestamp", strconv.FormatInt(v.at, 10))
	for pair := range slices.Chunk(headers, 2) {
		d.Header.Set(pair[0], pair[1])
	}
	e, err := active[v.provider].Verify(d)
	var reason handlers.Reason
	if errors.As(err, &reason) == (err == nil) {
		t.Fatal(err)
	}
	return e, reason
}

// want is verify where only the reason matters.
func (v vector) want(t *testing.T, reason handlers.Reason, setting string, after time.Duration, headers ...string) {
	t.Helper()
	if _, got := v.verify(t, setting, after, headers...); got != reason {
		t.Errorf("%s, %s late, %q: %q, want %q", setting, after, headers, got, reason)
	}
}

// X-Webhook-Signature decides. The other counts only when it comes alone, in the configured form; a mismatch in it is logged.
func trustgateTwoSignatures(t *testing.T) {
	const first, second = "X-Webhook-Signature", "X-TrustGate-Signature"
	v, wrong := trustgateVector, strings.Repeat("0", 64)
	v.want(t, "", "", 0, first, v.dated64)
	v.want(t, "", "", 0, first, v.dated64, second, "sha256="+v.dated64)
	v.want(t, "", "", 0, first, v.dated64, second, "sha256="+wrong)
	v.want(t, "", "", 0, first, v.dated64, second, "rubbish")
	v.want(t, handlers.WrongSecret, "", 0, first, wrong, second, "sha256="+v.dated64)
	v.want(t, handlers.MissingSignature, "", 0, first, "", second, "sha256="+v.dated64)
	v.want(t, "", "", 0, second, "sha256="+v.dated64)
	v.want(t, handlers.WrongSecret, "", 0, second, "sha256="+v.body64)
	v.want(t, "", "TRUSTGATE_SIGNATURE_FALLBACK=body", 0, second, "sha256="+v.body64)
	v.want(t, handlers.WrongSecret, "TRUSTGATE_SIGNATURE_FALLBACK=body", 0, second, "sha256="+v.dated64)
	v.want(t, handlers.MissingSignature, "TRUSTGATE_SIGNATURE_FALLBACK=off", 0, second, "sha256="+v.dated64)

	r := start(t, sqlite(t))
	status, answer, err := r.trySend("trustgate", fresh(t, "trustgate/applicant.reviewed"), func(h http.Header) {
		h.Set(second, "sha256="+wrong)
	})
	if status != http.StatusOK || err != nil || !strings.Contains(r.log.String(), "delivery is odd") {
		t.Errorf("mismatch in the second signature: %d %s %v, want 200 and a line in the log", status, answer, err)
	}
}

// A secret is the key as it stands, "whsec_" included, and not what it may encode.
func secretsVerbatim(t *testing.T) {
	trustgateVector.want(t, "", "", 0, "X-Webhook-Signature", trustgateVector.dated64)
	trustgateVector.want(t, handlers.WrongSecret, "", 0, "X-Webhook-Signature", trustgateVector.stripped64)
	trstVector.want(t, "", "", 0, "X-Webhook-Signature", "sha256="+trstVector.body64)
	trstVector.want(t, handlers.WrongSecret, "", 0, "X-Webhook-Signature", "sha256="+trstVector.stripped64)
}

// TrustGate's timestamp is that of the delivery, so it must be fresh, both ways. Legal Talent's is that of the event: it may
// be old, but not from the future. TRST and Trustist have none: there only the inbox stops what is delivered again.
func timestampMeanings(t *testing.T) {
	const signature, month = "X-Webhook-Signature", 30 * 24 * time.Hour
	for after, want := range map[time.Duration]handlers.Reason{
		300 * time.Second: "", 301 * time.Second: handlers.TooOld, -300 * time.Second: "", -301 * time.Second: handlers.FromTheFuture,
	} {
		trustgateVector.want(t, want, "", after, signature, trustgateVector.dated64)
	}
	for after, want := range map[time.Duration]handlers.Reason{month: "", -301 * time.Second: handlers.FromTheFuture} {
		legaltalentVector.want(t, want, "", after, signature, "sha256="+legaltalentVector.body64)
		legaltalentVector.want(t, want, "", after, signature, "sha256="+legaltalentVector.dated64)
	}
	trstVector.want(t, "", "", 100*12*month, signature, "sha256="+trstVector.body64)

	r := start(t, sqlite(t))
	for provider, name := range map[string]string{"trst": "trst/enrollment.completed", "trustist": "trustist/v1/onboard.session.failed"} {
		old := sample(t, name, "timestamp", "2020-01-01T00:00:00Z")
		r.accept(provider, old)
		if status, answer := r.send(provider, old); status != http.StatusOK || answer != `{"status":"duplicate"}` {
			t.Errorf("%s: delivered again: %d %s, want 200 duplicate", provider, status, answer)
		}
	}
}

// Either form is taken until one is pinned.
func legalTalentSignedContent(t *testing.T) {
	v, setting := legaltalentVector, "LEGALTALENT_SIGNED_CONTENT="
	for _, x := range []struct {
		setting   string
		mac       string
		want      handlers.Reason
		wantOther handlers.Reason // with the other form of the two
	}{
		{"", v.body64, "", ""},
		{setting + "either", v.body64, "", ""},
		{setting + "body", v.body64, "", handlers.WrongSecret},
		{setting + "timestamp.body", v.dated64, "", handlers.WrongSecret},
		{"", idDated64, handlers.WrongSecret, ""},
	} {
		other := map[string]string{v.body64: v.dated64, v.dated64: v.body64, idDated64: v.body64}[x.mac]
		v.want(t, x.want, x.setting, 0, "X-Webhook-Signature", "sha256="+x.mac)
		v.want(t, x.wantOther, x.setting, 0, "X-Webhook-Signature", "sha256="+other)
	}
}

// The ID is the body's, which is signed. A header that names another is a forgery.
func legalTalentTwoIDs(t *testing.T) {
	v := legaltalentVector
	for id, want := range map[string]handlers.Reason{"evt_5f2a9c71d084": "", "evt_other": handlers.OtherID, "": handlers.OtherID} {
		v.want(t, want, "", 0, "X-Webhook-Signature", "sha256="+v.body64, "X-Webhook-ID", id)
	}
	e, reason := v.verify(t, "", 0, "X-Webhook-Signature", "sha256="+v.body64)
	if e.ExternalID != "evt_5f2a9c71d084" || reason != "" {
		t.Errorf("without the header: ID %q, %q, want the body's", e.ExternalID, reason)
	}
}

// post sends a body to a path, without any dress, and returns the status and the answer.
func (r *running) post(path, body string) (int, string) {
	r.t.Helper()
	resp, err := http.Post("http://"+r.app.Addr()+path, "application/json", strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// samples lists the samples of all providers, by the names that function sample takes.
func samples(t *testing.T) (names []string) {
	t.Helper()
	root := filepath.Join("..", "testdata")
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, _ fs.DirEntry, err error) error {
		name, isJSON := strings.CutSuffix(path, ".json")
		if isJSON && strings.Contains(name, "/") && !strings.HasPrefix(name, "verify/") && !strings.HasSuffix(name, ".want") {
			names = append(names, name)
		}
		return err
	})
	if err != nil || len(names) < 50 {
		t.Fatalf("%d samples, %v", len(names), err)
	}
	return names
}

// Every provider gets 200 and nothing else for whatever it signs, at the first delivery and at the next, within 5 s.
func alwaysExactly200(t *testing.T) {
	r := start(t, sqlite(t))
	for _, name := range samples(t) {
		provider, _, _ := strings.Cut(name, "/")
		for range 2 {
			started := time.Now()
			status, answer := r.send(provider, sample(t, name))
			if took := time.Since(started); status != http.StatusOK || took > 5*time.Second {
				t.Errorf("%s: answered %d %s after %s, want 200 within 5 s", name, status, answer, took)
			}
		}
	}
}

// A wrong secret is answered 401, and a retry after it was put right is accepted. A wrong Trustist token is a path that does
// not exist. What is signed and cannot be read is stored and answered 200: a retry would not mend it.
func answersToFailures(t *testing.T) {
	b, body := sqlite(t), fresh(t, "trustgate/applicant.reviewed")
	next, err := handlers.NewProvider("trustgate", []string{"whsec_next"}, handlers.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	sign := func(h http.Header) { maps.Copy(h, next.Sign(body, time.Now()).Header) }
	r := start(t, b)
	if status, answer, err := r.trySend("trustgate", body, sign); status != http.StatusUnauthorized || err != nil {
		t.Errorf("wrong secret: %d %s %v, want 401", status, answer, err)
	}
	for _, path := range []string{"/webhooks/trustist/wrong", "/webhooks/trustist/", "/webhooks/trustist"} {
		if status, answer := r.post(path, "{}"); status != http.StatusNotFound || answer != `{"error":"not_found"}` {
			t.Errorf("%s: %d %s, want 404", path, status, answer)
		}
	}
	if n := b.count(t, "SELECT COUNT(*) FROM events"); n != 0 {
		t.Errorf("what is not verified left %d rows", n)
	}
	r.accept("trustgate", []byte(`{"event_type":`))
	var full struct {
		models.Event
		Body []byte `json:"body_base64"`
	}
	r.get("/api/events/"+strconv.FormatInt(r.event("status=failed").ID, 10), &full)
	if string(full.Body) != `{"event_type":` || full.LastError == "" {
		t.Errorf("unreadable body: stored %q with reason %q", full.Body, full.LastError)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = start(t, b, "TRUSTGATE_WEBHOOK_SECRET="+secret+",whsec_next")
	if status, answer, err := r.trySend("trustgate", body, sign); status != http.StatusOK || answer != `{"status":"accepted"}` || err != nil {
		t.Errorf("retried with the secret put right: %d %s %v, want 200 accepted", status, answer, err)
	}
}
