package handlers

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"regexp"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// plaid verifies deliveries from Plaid: Plaid-Verification is a JSON Web Token, signed with ES256, that has the SHA-256 of the body and the
// time of signing. Plaid's API has the public keys by their ID. They are kept in memory, so the first delivery after a start names a key
// that is not known yet.
//
// PLAID_WEBHOOK_SECRET is not Plaid's. In development, a key made of it signs what the tools send.
//
// Plaid sends the events of its sandbox to the same URLs, and the body says so. The API of each environment has its own keys, as far as is
// known: to receive events of the sandbox, run a second server with the API's URL and secret of the sandbox. Events of the other environment
// are answered 503, and too many refusals make Plaid stop its retries.
//
// https://plaid.com/docs/api/webhooks/webhook-verification
type plaid struct {
	name    string
	keys    *Keys
	private []*ecdsa.PrivateKey // for development, in the order of the secrets
}

// plaidDevelopment is the ID of the keys that are made of secrets.
const plaidDevelopment = "development"

var (
	plaidScheme = Scheme{Header: "Plaid-Verification", JWT: true, MaxAge: tolerance, MaxAhead: tolerance}
	plaidParser = jwt.NewParser(jwt.WithStrictDecoding())
	plaidToken  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,1000}\.[A-Za-z0-9_-]{1,1000}\.[A-Za-z0-9_-]{86}$`) // the signature has 64 bytes
	plaidKeyID  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

// plaidClaims are the contents of a token.
type plaidClaims struct {
	jwt.RegisteredClaims        // iat is the time of signing
	BodyHash             string `json:"request_body_sha256"` //nolint:tagliatelle // Plaid's name
}

func newPlaid(name string, s Settings) (Provider, error) {
	p := plaid{name: name, keys: s.Keys}
	for _, secret := range s.Secrets {
		p.private = append(p.private, plaidPrivateKey(secret.Value))
	}
	return p, nil
}

// plaidPrivateKey makes a private key of a secret. One hash in four billion is no private key.
func plaidPrivateKey(secret string) *ecdsa.PrivateKey {
	for seed := sha256.Sum256([]byte("plaid " + secret)); ; seed = sha256.Sum256(seed[:]) {
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:]); err == nil {
			return key
		}
	}
}

// Verify looks for the key last, so that no key is asked for if the token is wrong in itself.
func (p plaid) Verify(d Delivery) (Envelope, error) {
	text, err := single(d.Header, plaidScheme.Header, MissingSignature)
	if err != nil {
		return Envelope{}, err
	}
	if !plaidToken.MatchString(text) {
		return Envelope{}, unverified(MalformedSignature)
	}
	var claims plaidClaims
	token, parts, err := plaidParser.ParseUnverified(text, &claims) // the signature follows below
	if err != nil || token.Method != jwt.SigningMethodES256 {
		return Envelope{}, unverified(MalformedSignature)
	}
	signature, err := plaidParser.DecodeSegment(parts[2])
	id, _ := token.Header["kid"].(string)
	if err != nil || !plaidKeyID.MatchString(id) {
		return Envelope{}, unverified(MalformedSignature)
	}
	if claims.IssuedAt == nil {
		return Envelope{}, unverified(MissingTimestamp)
	}
	if untimely := plaidScheme.untimely(claims.IssuedAt.Time, d.ReceivedAt); untimely != "" {
		return Envelope{}, unverified(untimely)
	}
	want := sha256.Sum256(d.Body)
	if got, err := hex.DecodeString(claims.BodyHash); err != nil || !hmac.Equal(got, want[:]) {
		return Envelope{}, unverified(WrongSecret)
	}
	public, err := p.publicKeys(id, d.ReceivedAt)
	if err != nil {
		return Envelope{}, err
	}
	for i, key := range public {
		if jwt.SigningMethodES256.Verify(parts[0]+"."+parts[1], signature, key) == nil {
			return p.event(d.Body, text, claims.IssuedAt.Time, id, i)
		}
	}
	return Envelope{}, unverified(WrongSecret)
}

// publicKeys returns the keys with this ID: several if they are made of secrets.
func (p plaid) publicKeys(id string, at time.Time) (list []*ecdsa.PublicKey, err error) {
	if id == plaidDevelopment {
		for _, key := range p.private {
			list = append(list, &key.PublicKey)
		}
		return list, nil
	}
	key, known := p.keys.Get(id)
	switch {
	case !known:
		return nil, keyUnknown{id}
	case !key.Expires.IsZero() && !key.Expires.After(at):
		return nil, unverified(ExpiredKey)
	}
	return []*ecdsa.PublicKey{key.PublicKey}, nil
}

// event returns the envelope of a verified delivery. A body has no ID and no time, and says only that something has changed: two changes of
// one attempt have the same body. So the token identifies the event and gives its time. A repeated delivery that was signed
// again is another event, and leads to one more read. With the development key, the body alone identifies the event.
func (p plaid) event(body []byte, token string, at time.Time, key string, signer int) (Envelope, error) {
	e, err := p.Envelope(body)
	e.OccurredAt = at
	if key == plaidDevelopment {
		e.Secret = signer
		return e, err
	}
	e.Fingerprint = Fingerprint(key)
	e.ExternalID = derivedID(e.Type, e.CorrelationID, token)
	return e, err
}

// Envelope reads a body. The ID of what has changed is the correlation ID. Plaid's other products have other names for it, and are ignored.
//
// https://plaid.com/docs/identity-verification/webhooks
func (p plaid) Envelope(body []byte) (Envelope, error) {
	r, o := readBody(body, "v1")
	r.Derived, r.ExternalID = true, bodyID(body)
	product, code := r.need(o, "webhook_type"), r.need(o, "webhook_code")
	if r.Type = product + "." + code; len(r.Type) > maxText || product == "" || code == "" {
		r.Type = ""
		r.unreadable("webhook_type and webhook_code are too long together")
	}
	r.CorrelationID = cmp.Or(r.optional(o, "identity_verification_id"), r.optional(o, "screening_id"), r.optional(o, "entity_screening_id"))
	environment := r.optional(o, "environment")
	r.Sandbox = environment == "sandbox" || environment == "development"
	return r.result()
}

// Sign signs with the first secret. Without one, as in production, the request has no signature.
func (p plaid) Sign(body []byte, at time.Time) Request {
	r := Request{Path: p.name, Header: http.Header{}, Body: body}
	if len(p.private) == 0 {
		return r
	}
	hash := sha256.Sum256(body)
	token := jwt.NewWithClaims(jwt.SigningMethodES256, plaidClaims{
		RegisteredClaims: jwt.RegisteredClaims{IssuedAt: jwt.NewNumericDate(at)}, BodyHash: hex.EncodeToString(hash[:]),
	})
	token.Header["kid"] = plaidDevelopment
	if text, err := token.SignedString(p.private[0]); err == nil {
		r.Header.Set(plaidScheme.Header, text)
	}
	return r
}

func (p plaid) Schemes() []Scheme { return []Scheme{plaidScheme} }

// plaidKeys gets a key from Plaid's API.
//
// https://plaid.com/docs/api/webhooks/webhook-verification/#get-webhook-verification-key
var plaidKeys = KeyAPI{
	Path:        "/webhook_verification_key/get",
	Credentials: []string{"PLAID_CLIENT_ID", "PLAID_SECRET"},
	Body: func(credentials map[string]string, id string) any {
		return map[string]string{"client_id": credentials["PLAID_CLIENT_ID"], "secret": credentials["PLAID_SECRET"], "key_id": id}
	},
}
