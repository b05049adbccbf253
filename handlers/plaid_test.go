package handlers

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The body has 143 bytes, and the token was made with Python's cryptography.
const (
	plaidBody = `{"webhook_type":"IDENTITY_VERIFICATION","webhook_code":"STATUS_UPDATED","identity_verification_id":"idv_8Rk2TestAb","environment":"production"}`
	plaidJWT  = "eyJhbGciOiJFUzI1NiIsImtpZCI6IjNkOGYxYzZhLTViMmUtNDkwNy05YTRkLWU3YzBiMWY1MjYzOCIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3NzI0NDU5NjAsInJlcXVlc3RfYm9keV9zaGEyNTYiOiIzNjNjOGYzODY1NzZlMjI3ZjFkZTQ0OTc4Mjc3NTU4MTI1OTk1OWJmYzdiY2M2ZjE1MjFiMGQxYjBiNTcwZGFkIn0.HPn0kVfxP7TqoOwyWPJxVvAm12lem86mS5paYRqi7DeNeQXS-y3SaZqcp-LleWmGLetqooZ5FlGIjW3-swDe_g"
	plaidKID  = "3d8f1c6a-5b2e-4907-9a4d-e7c0b1f52638"
	plaidIAT  = 1772445960
	plaidJWK  = `{"key":{"alg":"ES256","crv":"P-256","kid":"` + plaidKID + `","kty":"EC","use":"sig","x":"s6wRw_l-mf0t1W2mmsl_p6fGwpeEwTDbbzjAhVrRc4A","y":"bNgKxW93Ln8o4Dos4beRpDCdhMTUlFbJS00VN7onSss","created_at":1700000000,"expired_at":null},"request_id":"r1"}`
)

func mustPlaid(t testing.TB, keys *Keys, secrets ...Secret) Provider {
	t.Helper()
	p, err := NewProvider("plaid", Settings{Secrets: secrets, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustReadKey(t testing.TB, answer string) PublicKey {
	t.Helper()
	key, err := KeyAPI{}.ReadKey([]byte(answer))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestPlaidVector(t *testing.T) {
	t.Parallel()
	keys := &Keys{}
	keys.Set(plaidKID, mustReadKey(t, plaidJWK))
	p := mustPlaid(t, keys)
	// The ID is what this prints: printf 'key:%s' "$(printf 'IDENTITY_VERIFICATION.STATUS_UPDATED\037idv_8Rk2TestAb\037%s' "$token" | sha256sum | cut -c-64)"
	want := Envelope{
		Generation: "v1", Type: "IDENTITY_VERIFICATION.STATUS_UPDATED", CorrelationID: "idv_8Rk2TestAb", OccurredAt: time.Unix(plaidIAT, 0), Derived: true,
		ExternalID: "key:c18deb88cf66c95ddeaf4fdadff5eb33f573a1e358208430281ede3c2324e08d", Fingerprint: Fingerprint(plaidKID),
	}
	d := Delivery{Header: http.Header{"Plaid-Verification": {plaidJWT}}, Body: []byte(plaidBody), ReceivedAt: time.Unix(plaidIAT+10, 0)}
	e, err := p.Verify(d)
	if diff := cmp.Diff(want, e); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if signed := p.Sign(d.Body, noon); len(signed.Header) > 0 || signed.Path != "plaid" {
		t.Errorf("without a secret, signed %+v", signed)
	}
	d.Body[len(d.Body)-3]++
	_, err = p.Verify(d)
	wantReason(t, err, WrongSecret)
}

// plaidParcel is a token in the making. It is signed with the standard library alone.
type plaidParcel struct {
	header, claims map[string]any
	key            *ecdsa.PrivateKey
	sent           string                      // body that is sent
	rewrite        func(token string) string   // after signing
	tamper         func(h http.Header)         // after that
	sign           func(message string) []byte // in place of ES256
}

func (p plaidParcel) delivery(t *testing.T) Delivery {
	t.Helper()
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	message := part(p.header) + "." + part(p.claims)
	if p.sign == nil {
		p.sign = func(message string) []byte { return es256(t, p.key, message) }
	}
	token := message + "." + base64.RawURLEncoding.EncodeToString(p.sign(message))
	if p.rewrite != nil {
		token = p.rewrite(token)
	}
	h := http.Header{"Plaid-Verification": {token}}
	if p.tamper != nil {
		p.tamper(h)
	}
	return Delivery{Header: h, Body: []byte(p.sent), ReceivedAt: noon}
}

func es256(t *testing.T, key *ecdsa.PrivateKey, message string) []byte {
	t.Helper()
	hash := sha256.Sum256([]byte(message))
	r, s, err := ecdsa.Sign(rand.Reader, key, hash[:])
	if err != nil {
		t.Fatal(err)
	}
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestPlaidContract runs attacks on a delivery that is otherwise correct.
func TestPlaidContract(t *testing.T) {
	t.Parallel()
	mine, other, retired := newKey(t), newKey(t), newKey(t)
	keys := &Keys{}
	keys.Set("mine", PublicKey{PublicKey: &mine.PublicKey})
	keys.Set("other", PublicKey{PublicKey: &other.PublicKey, Expires: noon.Add(time.Second)})
	keys.Set("retired", PublicKey{PublicKey: &retired.PublicKey, Expires: noon})
	for _, a := range []struct {
		name  string
		alter func(p *plaidParcel)
		want  Reason // empty: verified
	}{
		{"none", func(*plaidParcel) {}, ""},
		{"key that expires in a second", func(p *plaidParcel) { p.header["kid"], p.key = "other", other }, ""},
		{"expired key", func(p *plaidParcel) { p.header["kid"], p.key = "retired", retired }, ExpiredKey},
		{"another known key", func(p *plaidParcel) { p.key = other }, WrongSecret},
		{"stranger's key", func(p *plaidParcel) { p.key = newKey(t) }, WrongSecret},
		{"unknown key", func(p *plaidParcel) { p.header["kid"], p.key = "strangers", newKey(t) }, UnknownKey},
		{"key of development in production", func(p *plaidParcel) { p.header["kid"], p.key = "development", plaidPrivateKey("") }, WrongSecret},
		{"no key ID", func(p *plaidParcel) { delete(p.header, "kid") }, MalformedSignature},
		{"empty key ID", func(p *plaidParcel) { p.header["kid"] = "" }, MalformedSignature},
		{"key ID that is a number", func(p *plaidParcel) { p.header["kid"] = 7 }, MalformedSignature},
		{"key ID with a slash", func(p *plaidParcel) { p.header["kid"] = "../mine" }, MalformedSignature},
		{"key ID with a newline", func(p *plaidParcel) { p.header["kid"] = "mine\n" }, MalformedSignature},
		{"key ID without end", func(p *plaidParcel) { p.header["kid"] = strings.Repeat("m", 65) }, MalformedSignature},
		{"key in the token", func(p *plaidParcel) {
			stranger := newKey(t)
			p.key, p.header["jwk"] = stranger, map[string]string{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}
		}, WrongSecret},

		{"algorithm none", func(p *plaidParcel) { p.header["alg"], p.sign = "none", func(string) []byte { return nil } }, MalformedSignature},
		{"HMAC with the public key", func(p *plaidParcel) {
			p.header["alg"] = "HS256"
			p.sign = func(message string) []byte {
				public, err := mine.PublicKey.Bytes()
				if err != nil {
					t.Fatal(err)
				}
				m := hmac.New(sha256.New, public)
				m.Write([]byte(message))
				return m.Sum(nil)
			}
		}, MalformedSignature},
		{"another curve", func(p *plaidParcel) { p.header["alg"] = "ES384" }, MalformedSignature},
		{"algorithm in other letters", func(p *plaidParcel) { p.header["alg"] = "es256" }, MalformedSignature},
		{"no algorithm", func(p *plaidParcel) { delete(p.header, "alg") }, MalformedSignature},
		{"signature of zeros", func(p *plaidParcel) { p.sign = func(string) []byte { return make([]byte, 64) } }, WrongSecret},
		{"signature as ASN.1", func(p *plaidParcel) {
			p.sign = func(message string) []byte {
				hash := sha256.Sum256([]byte(message))
				text, err := ecdsa.SignASN1(rand.Reader, mine, hash[:])
				if err != nil {
					t.Fatal(err)
				}
				return text
			}
		}, MalformedSignature},

		{"too old", func(p *plaidParcel) { p.claims["iat"] = noon.Unix() - 301 }, TooOld},
		{"barely fresh", func(p *plaidParcel) { p.claims["iat"] = noon.Unix() - 300 }, ""},
		{"clock a little ahead", func(p *plaidParcel) { p.claims["iat"] = noon.Unix() + 300 }, ""},
		{"from the future", func(p *plaidParcel) { p.claims["iat"] = noon.Unix() + 301 }, FromTheFuture},
		{"milliseconds", func(p *plaidParcel) { p.claims["iat"] = noon.UnixMilli() }, FromTheFuture},
		{"fraction of a second", func(p *plaidParcel) { p.claims["iat"] = float64(noon.Unix()) + 0.5 }, ""},
		{"time zero", func(p *plaidParcel) { p.claims["iat"] = 0 }, TooOld},
		{"time before 1970", func(p *plaidParcel) { p.claims["iat"] = -5 }, TooOld},
		{"no time", func(p *plaidParcel) { delete(p.claims, "iat") }, MissingTimestamp},
		{"time as text", func(p *plaidParcel) { p.claims["iat"] = strconv.FormatInt(noon.Unix(), 10) }, ""},
		{"too old and an unknown key", func(p *plaidParcel) { p.claims["iat"], p.header["kid"] = noon.Unix()-301, "strangers" }, TooOld},

		{"no hash", func(p *plaidParcel) { delete(p.claims, "request_body_sha256") }, WrongSecret},
		{"empty hash", func(p *plaidParcel) { p.claims["request_body_sha256"] = "" }, WrongSecret},
		{"half a hash", func(p *plaidParcel) { p.claims["request_body_sha256"] = p.claims["request_body_sha256"].(string)[:32] }, WrongSecret},
		{"uppercase hash", func(p *plaidParcel) {
			p.claims["request_body_sha256"] = strings.ToUpper(p.claims["request_body_sha256"].(string))
		}, ""},
		{"another body", func(p *plaidParcel) { p.sent = strings.Replace(p.sent, "idv_8", "idv_9", 1) }, WrongSecret},
		{"another body and an unknown key", func(p *plaidParcel) { p.sent, p.header["kid"] = "{}", "strangers" }, WrongSecret},
		{"newline added", func(p *plaidParcel) { p.sent += "\n" }, WrongSecret},
		{"empty body", func(p *plaidParcel) { p.sent = "" }, WrongSecret},

		{"no header", func(p *plaidParcel) { p.tamper = func(h http.Header) { h.Del("Plaid-Verification") } }, MissingSignature},
		{"empty header", func(p *plaidParcel) { p.rewrite = func(string) string { return "" } }, MissingSignature},
		{"repeated header", func(p *plaidParcel) {
			p.tamper = func(h http.Header) { h.Add("Plaid-Verification", h.Get("Plaid-Verification")) }
		}, RepeatedHeader},
		{"garbage", func(p *plaidParcel) { p.rewrite = func(string) string { return "garbage" } }, MalformedSignature},
		{"two parts", func(p *plaidParcel) { p.rewrite = func(s string) string { return s[:strings.LastIndex(s, ".")] } }, MalformedSignature},
		{"four parts", func(p *plaidParcel) { p.rewrite = func(s string) string { return s + "." } }, MalformedSignature},
		{"padding", func(p *plaidParcel) { p.rewrite = func(s string) string { return s + "==" } }, MalformedSignature},
		{"space before it", func(p *plaidParcel) { p.rewrite = func(s string) string { return " " + s } }, MalformedSignature},
		{"Bearer", func(p *plaidParcel) { p.rewrite = func(s string) string { return "Bearer " + s } }, MalformedSignature},
		{"signature cut off", func(p *plaidParcel) { p.rewrite = func(s string) string { return s[:len(s)-4] } }, MalformedSignature},
		{"no signature", func(p *plaidParcel) { p.rewrite = func(s string) string { return s[:strings.LastIndex(s, ".")+1] } }, MalformedSignature},
		{"megabyte", func(p *plaidParcel) { p.rewrite = func(s string) string { return s + strings.Repeat("A", 1<<20) } }, MalformedSignature},
		{"dots without end", func(p *plaidParcel) { p.rewrite = func(string) string { return strings.Repeat(".", 1<<20) } }, MalformedSignature},
	} {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			hash := sha256.Sum256([]byte(plaidBody))
			parcel := plaidParcel{
				header: map[string]any{"alg": "ES256", "kid": "mine", "typ": "JWT"},
				claims: map[string]any{"iat": noon.Unix(), "request_body_sha256": hex.EncodeToString(hash[:])},
				key:    mine, sent: plaidBody,
			}
			a.alter(&parcel)
			e, err := mustPlaid(t, keys).Verify(parcel.delivery(t))
			wantReason(t, err, a.want)
			if a.want != "" && !cmp.Equal(e, Envelope{}) {
				t.Errorf("a refused delivery came with the envelope %+v", e)
			}
			if isUnknown := errors.Is(err, ErrKeyUnknown); isUnknown != (a.want == UnknownKey) || isUnknown && strings.Contains(err.Error(), "strangers") {
				t.Errorf("%v: the key is unknown: %t", err, isUnknown)
			}
		})
	}
}

// Two changes of one attempt have the same body. Each token is an event of its own, and the same token is the same event.
func TestPlaidIDs(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	keys := &Keys{}
	keys.Set("mine", PublicKey{PublicKey: &key.PublicKey})
	p, ids := mustPlaid(t, keys), map[string]bool{}
	hash := sha256.Sum256([]byte(plaidBody))
	for i := range 3 {
		d := plaidParcel{
			header: map[string]any{"alg": "ES256", "kid": "mine"}, key: key, sent: plaidBody,
			claims: map[string]any{"iat": noon.Unix() + int64(i/2), "request_body_sha256": hex.EncodeToString(hash[:])}, // two in one second
		}.delivery(t)
		for range 2 {
			e, err := p.Verify(d)
			if err != nil || !e.Derived || !e.OccurredAt.Equal(noon.Add(time.Duration(i/2)*time.Second)) {
				t.Errorf("%v, %+v", err, e)
			}
			ids[e.ExternalID] = true
		}
	}
	if len(ids) != 3 {
		t.Errorf("3 tokens have %d IDs", len(ids))
	}
}

func TestPlaidEnvelopes(t *testing.T) {
	t.Parallel()
	of := func(body, eventType, id string, sandbox bool) Envelope {
		return Envelope{Generation: "v1", ExternalID: bodyID([]byte(body)), Derived: true, Type: eventType, CorrelationID: id, Sandbox: sandbox}
	}
	sandbox := strings.Replace(plaidBody, "production", "sandbox", 1)
	retired := strings.Replace(plaidBody, "production", "development", 1)
	const (
		screening = `{"webhook_type":"SCREENING","webhook_code":"STATUS_UPDATED","screening_id":"scr_1","environment":"production"}`
		entity    = `{"webhook_type":"ENTITY_SCREENING","webhook_code":"STATUS_UPDATED","entity_screening_id":"entscr_1"}`
		item      = `{"webhook_type":"ITEM","webhook_code":"ERROR","item_id":"i1","environment":"production"}`
		untyped   = `{"webhook_code":"ERROR"}`
	)
	long := fmt.Sprintf(`{"webhook_type":%q,"webhook_code":%[1]q}`, strings.Repeat("x", 200))
	testEnvelopes(t, "plaid", []envelopeCase{
		{"verification", plaidBody, of(plaidBody, "IDENTITY_VERIFICATION.STATUS_UPDATED", "idv_8Rk2TestAb", false), nil},
		{"sandbox", sandbox, of(sandbox, "IDENTITY_VERIFICATION.STATUS_UPDATED", "idv_8Rk2TestAb", true), nil},
		{"development", retired, of(retired, "IDENTITY_VERIFICATION.STATUS_UPDATED", "idv_8Rk2TestAb", true), nil},
		{"screening", screening, of(screening, "SCREENING.STATUS_UPDATED", "scr_1", false), nil},
		{"screening of a company", entity, of(entity, "ENTITY_SCREENING.STATUS_UPDATED", "entscr_1", false), nil},
		{"another product", item, of(item, "ITEM.ERROR", "", false), nil},
		{"no type", untyped, of(untyped, "", "", false), ErrUnreadable},
		{"long type", long, of(long, "", "", false), ErrUnreadable},
	})
}

func TestReadKey(t *testing.T) {
	t.Parallel()
	expired := mustReadKey(t, strings.Replace(plaidJWK, `"expired_at":null`, `"expired_at":1772445960`, 1))
	if !expired.Expires.Equal(time.Unix(plaidIAT, 0)) || !mustReadKey(t, plaidJWK).Expires.IsZero() {
		t.Errorf("expires at %v", expired.Expires)
	}
	for _, change := range [][2]string{
		{"ES256", "ES384"}, {"P-256", "P-384"}, {`"EC"`, `"RSA"`}, {"s6wR", "s6wS"}, {`"y":"bNgK`, `"y":"`}, {"s6wRw", "????"}, {`"key"`, `"other"`}, {`{"key"`, `canary`},
		{`"x":"s6wRw_l-mf0t1W2mmsl_p6fGwpeEwTDbbzjAhVrRc4A"`, `"x":""`}, {"null", `"soon"`},
	} {
		answer := strings.Replace(plaidJWK, change[0], change[1], 1)
		if key, err := (KeyAPI{}).ReadKey([]byte(answer)); answer == plaidJWK || err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %+v, %v, want an error", answer, key, err)
		}
	}
}

// TestUnknownKeyIsAskedFor: the delivery is verified again if the key was found, and is otherwise to be sent again. What is wrong in itself
// asks for nothing.
func TestUnknownKeyIsAskedFor(t *testing.T) {
	t.Parallel()
	key, keys, asked := newKey(t), &Keys{}, 0
	r := newReception(t, openStore(t, sqliteURL(t)), map[string]Provider{"plaid": mustPlaid(t, keys)})
	r.receiver.AskForKeys(func(_ context.Context, provider, id string) bool {
		if asked++; provider != "plaid" || id != "mine" {
			t.Errorf("asked %s for %q", provider, id)
		}
		if asked == 1 {
			return false
		}
		keys.Set(id, PublicKey{PublicKey: &key.PublicKey})
		return true
	})
	send := func(sent string) reply {
		hash := sha256.Sum256([]byte(plaidBody))
		d := plaidParcel{
			header: map[string]any{"alg": "ES256", "kid": "mine"}, key: key, sent: sent,
			claims: map[string]any{"iat": noon.Unix(), "request_body_sha256": hex.EncodeToString(hash[:])},
		}.delivery(t)
		return r.post(Request{Path: "plaid", Header: d.Header, Body: d.Body})
	}
	send(plaidBody+" ").want(t, 401, isUnverified)
	first := send(plaidBody)
	first.want(t, 503, `{"error":"unavailable"}`)
	if first.header.Get("Retry-After") == "" || r.rejections.Newest()[0].Reason != UnknownKey {
		t.Errorf("Retry-After %q, %+v", first.header.Get("Retry-After"), r.rejections.Newest()[0])
	}
	send(plaidBody).want(t, 200, isAccepted)
	send(plaidBody).want(t, 200, isAccepted) // signed again: another event
	if asked != 2 || len(r.rows()) != 2 {
		t.Errorf("asked %d times, %d events", asked, len(r.rows()))
	}
}

// FuzzPlaidToken looks for a token that verifies and was not signed.
func FuzzPlaidToken(f *testing.F) {
	keys := &Keys{}
	keys.Set(plaidKID, mustReadKey(f, plaidJWK))
	p := mustPlaid(f, keys, Secret{Value: firstSecret})
	stranger := mustPlaid(f, nil, Secret{Value: strangersSecret})
	f.Add(plaidJWT, "{}")
	f.Add(plaidJWT[:len(plaidJWT)-1], plaidBody)
	f.Add(stranger.Sign([]byte("{}"), time.Unix(plaidIAT, 0)).Header.Get("Plaid-Verification"), "{}")
	f.Fuzz(func(t *testing.T, token, body string) {
		e, err := p.Verify(Delivery{Header: http.Header{"Plaid-Verification": {token}}, Body: []byte(body), ReceivedAt: time.Unix(plaidIAT, 0)})
		if isVerified(err) && (token != plaidJWT || body != plaidBody) || err != nil && !cmp.Equal(e, Envelope{}) {
			t.Errorf("%v, %+v", err, e)
		}
	})
}
