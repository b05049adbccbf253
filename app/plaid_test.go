package app_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/identity-webhooks/models"
)

// plaidDouble is a double of Plaid: it signs deliveries, and its API has the key and what is read.
type plaidDouble struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	url  string
	time int64 // of the last token: each has another second

	mu     sync.Mutex
	down   bool
	states map[string]string // what the API answers, by ID
	asked  map[string]int    // how often, by ID
}

const plaidKeyID = "6c5516e1-92dc-479e-a8ff-5a51992e0001"

func newPlaidDouble(t *testing.T) *plaidDouble {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &plaidDouble{t: t, key: key, time: time.Now().Unix() - 100, states: map[string]string{}, asked: map[string]int{}}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	p.set(plaidKeyID, fmt.Sprintf(`{"key":{"alg":"ES256","crv":"P-256","kty":"EC","kid":"%s","use":"sig","x":"%s","y":"%s","created_at":1,"expired_at":null}}`,
		plaidKeyID, base64.RawURLEncoding.EncodeToString(point[1:33]), base64.RawURLEncoding.EncodeToString(point[33:])))
	server := httptest.NewServer(http.HandlerFunc(p.answer))
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

func (p *plaidDouble) answer(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	body := map[string]string{}
	err := json.NewDecoder(r.Body).Decode(&body)
	id := body["key_id"] + body["identity_verification_id"] + body["watchlist_screening_id"]
	p.asked[id]++
	answer, known := p.states[id]
	isAuthorized := r.Header.Get("Plaid-Secret") == secret || body["secret"] == secret && body["client_id"] == "client"
	switch {
	case err != nil || !isAuthorized || r.Method != http.MethodPost:
		w.WriteHeader(http.StatusUnauthorized)
	case p.down:
		w.WriteHeader(http.StatusBadGateway)
	case !known:
		w.WriteHeader(http.StatusBadRequest)
	default:
		fmt.Fprint(w, answer)
	}
}

func (p *plaidDouble) set(id, answer string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.states[id] = answer
}

func (p *plaidDouble) setDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

func (p *plaidDouble) calls(id string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[id]
}

// deliver signs a body with the key under this ID, and returns the status of the answer.
func (p *plaidDouble) deliver(r *running, keyID, body string) int {
	p.t.Helper()
	p.time++
	hash := sha256.Sum256([]byte(body))
	part := base64.RawURLEncoding.EncodeToString
	message := part(fmt.Appendf(nil, `{"alg":"ES256","kid":"%s","typ":"JWT"}`, keyID)) + "." +
		part(fmt.Appendf(nil, `{"iat":%d,"request_body_sha256":"%s"}`, p.time, hex.EncodeToString(hash[:])))
	signed := sha256.Sum256([]byte(message))
	a, b, err := ecdsa.Sign(rand.Reader, p.key, signed[:])
	if err != nil {
		p.t.Fatal(err)
	}
	signature := append(a.FillBytes(make([]byte, 32)), b.FillBytes(make([]byte, 32))...)
	header := http.Header{"Plaid-Verification": {message + "." + part(signature)}}
	status, _, err := request(context.Background(), http.MethodPost, "http://"+r.addr+"/webhooks/plaid", header, []byte(body))
	if err != nil {
		p.t.Fatal(err)
	}
	return status
}

// changed delivers an event about an attempt or a screening that is in this state now, and waits until it is processed.
func (p *plaidDouble) changed(r *running, id, state string) models.Customer {
	p.t.Helper()
	body := `{"webhook_type":"IDENTITY_VERIFICATION","webhook_code":"STATUS_UPDATED","identity_verification_id":"` + id + `","environment":"production"}`
	if strings.HasPrefix(id, "scr_") {
		body = `{"webhook_type":"SCREENING","webhook_code":"STATUS_UPDATED","screening_id":"` + id + `","environment":"production"}`
	}
	p.set(id, `{"id":"`+id+`","client_user_id":"u1",`+state+`,"request_id":"`+rand.Text()+`"}`)
	if status := p.deliver(r, plaidKeyID, body); status != http.StatusOK {
		p.t.Fatalf("%s: answered %d", id, status)
	}
	r.settle()
	return r.customer("u1")
}

// TestPlaid: a person fails, tries again, is reviewed and passes; then a screening finds somebody. The events only name what changed. The
// key is not known at first.
func TestPlaid(t *testing.T) {
	onBothBackends(t, func(t *testing.T, b backend) {
		p := newPlaidDouble(t)
		r := start(t, b, "PLAID_API_URL="+p.url, "PLAID_CLIENT_ID=client", "PLAID_SECRET="+secret)
		at := func(minute int) string { return now.Add(time.Duration(minute) * time.Minute).Format(time.RFC3339) }
		attempt := func(status string, created, completed int) string {
			done := "null"
			if completed > 0 {
				done = `"` + at(completed) + `"`
			}
			return `"status":"` + status + `","created_at":"` + at(created) + `","completed_at":` + done
		}
		screening := func(status string, minute int) string {
			return `"status":"` + status + `","audit_trail":{"source":"dashboard","dashboard_user_id":"d1","timestamp":"` + at(minute) + `"}`
		}
		for _, step := range []struct {
			id, state string
			want      models.Status
			hold      bool
		}{
			{"idv_1", attempt("active", 0, 0), models.StatusInProgress, false},
			{"idv_1", attempt("failed", 0, 5), models.StatusFailed, false},
			{"idv_2", attempt("active", 10, 0), models.StatusFailed, false},
			{"idv_2", attempt("pending_review", 10, 0), models.StatusInReview, false}, // the same body as before and after
			{"idv_2", attempt("success", 10, 15), models.StatusVerified, false},
			{"idv_1", attempt("failed", 0, 5), models.StatusVerified, false}, // delivered again, late
			{"scr_1", screening("pending_review", 20), models.StatusVerified, true},
			{"scr_1", screening("rejected", 30), models.StatusRejected, true},
			{"scr_1", screening("cleared", 40), models.StatusVerified, false},
		} {
			if c := p.changed(r, step.id, step.state); c.Status != step.want || c.AMLHold != step.hold {
				t.Errorf("%s, %s: %s, hold %t, want %s, %t", step.id, step.state, c.Status, c.AMLHold, step.want, step.hold)
			}
		}
		if got := p.calls(plaidKeyID); got != 1 {
			t.Errorf("asked %d times for the key", got)
		}
		if got := r.events("provider=plaid&outcome=ignored"); len(got) != 9 {
			t.Errorf("%d events, want one for each token", len(got))
		}
		if c := r.customer("u1"); c.ExternalID != "u1" || c.Revision != 8 {
			t.Errorf("%+v, want the answer that came twice to count once", c)
		}
	})
}

// TestPlaidKeys: while a key cannot be had, deliveries are to be sent again. Strangers' keys are asked for a few times, and are in no log.
func TestPlaidKeys(t *testing.T) {
	t.Parallel()
	const body = `{"webhook_type":"SCREENING","webhook_code":"STATUS_UPDATED","screening_id":"scr_1"}`
	p := newPlaidDouble(t)
	p.set("scr_1", `{"id":"scr_1","status":"cleared"}`)
	r := start(t, sqlite(t), "PLAID_API_URL="+p.url, "PLAID_CLIENT_ID=client", "PLAID_SECRET="+secret)
	want := func(keyID string, status int) {
		t.Helper()
		if got := p.deliver(r, keyID, body); got != status {
			t.Errorf("answered %d, want %d", got, status)
		}
	}
	p.setDown(true)
	want(plaidKeyID, http.StatusServiceUnavailable)
	p.setDown(false)
	want(plaidKeyID, http.StatusOK)
	for range 3 {
		want("strangers-canary", http.StatusServiceUnavailable)
	}
	if got := p.calls("strangers-canary"); got != 1 {
		t.Errorf("asked %d times for a key that does not exist", got)
	}
	for i := range 30 {
		want(fmt.Sprintf("canary-%d", i), http.StatusServiceUnavailable)
	}
	if got := p.calls("canary-29"); got != 0 {
		t.Errorf("asked %d times for one key too many", got)
	}
	want(plaidKeyID, http.StatusOK)
	want("../"+plaidKeyID, http.StatusUnauthorized)
	if log := r.log.String(); strings.Contains(log, "canary") || strings.Contains(log, secret) || !strings.Contains(log, "key not found") {
		t.Error("the log has the ID of a stranger's key, or a secret, or does not say that a key was not found")
	}
}
