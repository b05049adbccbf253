package diagnosis

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/handlers"
)

// tokenFaults says what is wrong with a JSON Web Token. It has the hash of the body, so the body and the key are checked separately.
func (c Case) tokenFaults(s handlers.Scheme) (faults []fault) {
	const hint = "Compare it with the provider's documentation, and check that no proxy changes it."
	parts := strings.Split(c.Delivery.Header.Get(s.Header), ".")
	if len(parts) != 3 {
		return []fault{{"malformed_signature", s.Header + " is not a JSON Web Token, which has three parts.", hint}}
	}
	head, claims := decodePart(parts[0]), decodePart(parts[1])
	_, err := base64.RawURLEncoding.DecodeString(parts[2])
	issued, hash := claims.Get("iat"), claims.Get("request_body_sha256").String()
	switch {
	case len(parts[2]) < base64.RawURLEncoding.EncodedLen(64) && head.IsObject() && claims.IsObject():
		return []fault{{"truncated_signature", s.Header + " is cut off.", hint}}
	case err != nil || !head.IsObject() || !claims.IsObject():
		return []fault{{"malformed_signature", s.Header + " has a part that cannot be read.", hint}}
	case head.Get("alg").String() != "ES256":
		return []fault{{"refused_hash", s.Header + " names another algorithm than ES256, the only one that is accepted.", hint}}
	case issued.Type != gjson.Number:
		return []fault{{"missing_timestamp", s.Header + " does not say when it was signed.", hint}}
	}
	body, change, found := c.hashedBody(hash)
	if faults = change; !found {
		faults = []fault{c.unexplained()}
	}
	d := handlers.Delivery{Header: c.Delivery.Header, Body: body, ReceivedAt: time.Unix(issued.Int(), 0)}
	if found {
		faults = append(faults, c.keyFaults(d)...)
	}
	faults = append(faults, stale(s, time.Unix(issued.Int(), 0), c.Delivery.ReceivedAt)...)
	if len(faults) == 0 {
		return []fault{undecided}
	}
	return faults
}

func decodePart(text string) gjson.Result {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || !gjson.ValidBytes(raw) {
		return gjson.Result{}
	}
	return gjson.ParseBytes(raw)
}

// hashedBody finds the body with this hash: the one that arrived, or one that a change leads to.
func (c Case) hashedBody(hash string) (body []byte, change []fault, found bool) {
	isIt := func(text string) bool {
		sum := sha256.Sum256([]byte(text))
		return strings.EqualFold(hash, hex.EncodeToString(sum[:]))
	}
	arrived := string(c.Delivery.Body)
	if isIt(arrived) {
		return c.Delivery.Body, nil, true
	}
	for _, b := range bodyChanges {
		texts := b.of(arrived)
		if i := slices.IndexFunc(texts, isIt); i >= 0 {
			return []byte(texts[i]), []fault{b.fault}, true
		}
	}
	return nil, nil, false
}

// keyFaults says what is wrong with the key of a delivery that is right apart from that.
func (c Case) keyFaults(d handlers.Delivery) []fault {
	reason := func(secrets []handlers.Secret) error {
		p, err := handlers.NewProvider(c.Provider, handlers.Settings{Secrets: secrets, Keys: &handlers.Keys{}, Options: c.Options})
		if err == nil {
			_, err = p.Verify(d)
		}
		return err
	}
	isRight := func(secrets ...handlers.Secret) bool {
		err := reason(secrets)
		return err == nil || errors.Is(err, handlers.ErrUnreadable) || errors.Is(err, handlers.ErrContradictory)
	}
	own := c.Secrets[c.Provider]
	if isRight(own...) {
		return nil
	}
	if errors.Is(reason(own), handlers.ErrKeyUnknown) {
		return []fault{{"unknown_key", "The token matches this body, but it names a key of the provider's own. The key has to be read from the provider's API, so " +
			"the signature was not checked.", "The server reads the key when such a delivery arrives: its log says whether the key was found."}}
	}
	for _, change := range c.keyChanges() {
		for _, secret := range values(own) {
			for _, text := range change.of(secret) {
				if text != "" && isRight(handlers.Secret{Value: text}) {
					return []fault{change.fault}
				}
			}
		}
	}
	return []fault{undecided}
}
