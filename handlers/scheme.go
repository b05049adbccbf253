package handlers

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // see Hash.New
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/sjson"
)

// Scheme describes how a provider signs: with an HMAC in a header, or with a token. Deliveries with an HMAC are verified and signed according
// to it, and tools use it to explain why a signature is wrong.
type Scheme struct {
	Header    string        // carries the signature; empty if there is only a token in the path
	JWT       bool          // the header is a JSON Web Token with the body's hash and the time; below, only MaxAge and MaxAhead apply
	Previous  string        // carries one more while the secret is rotated, made with the one before; empty if no header does
	Weak      []string      // carry signatures that do not cover the bytes of the body: they are never enough
	Prefix    string        // before the MAC
	Pairs     bool          // the header is "t=<seconds>,v1=<mac>[,v1=<mac>…]", several of these separated by a space
	List      bool          // the header is a list of MACs with the prefix, separated by spaces; what has another prefix is skipped
	Encoding  Encoding      // of the MAC
	Hash      Hash          // of the HMAC
	HashNamed string        // the header that names the hash; without that header it is Hash. Empty if no header does
	Hashes    []NamedHash   // what HashNamed may say
	Messages  []string      // what may be signed; each ends with {body} and may have {timestamp} and {id} before it
	Timestamp string        // the header with Unix seconds; empty if none is needed or it is in the pairs
	TimeIn    string        // the member of the body with the time of signing, which may be missing; empty if it is not in the body
	MaxAge    time.Duration // of the timestamp; zero: no limit
	MaxAhead  time.Duration // how far the timestamp may be ahead of our clock; zero: no limit
	ID        string        // the header with the event's ID; see SignsID. If the ID is not signed and the header is there, it must match the body's
	Base64Key bool          // the key is the secret decoded from base64, without whsec_; else it is the secret verbatim
	Setting   string        // the environment variable that chooses among the messages; empty if there is no choice
}

// tolerance is how far a signed time of delivery may differ from our clock, in both directions. Stripe and Standard Webhooks use the same.
const tolerance = 300 * time.Second

// The messages that providers sign.
const (
	signsBody          = "{body}"
	signsTimestampBody = "{timestamp}.{body}"
)

// Encoding is how a MAC is written.
type Encoding int

// The encodings.
const (
	Hex Encoding = iota
	Base64
)

// Encode returns the MAC as text.
func (e Encoding) Encode(mac []byte) string {
	if e == Base64 {
		return base64.StdEncoding.EncodeToString(mac)
	}
	return hex.EncodeToString(mac)
}

// Decode returns the MAC in a text.
func (e Encoding) Decode(text string) ([]byte, error) {
	if e == Base64 {
		return base64.StdEncoding.DecodeString(text)
	}
	return hex.DecodeString(text)
}

// Hash is the hash function of an HMAC.
type Hash int

// The hash functions.
const (
	SHA256 Hash = iota
	SHA1
	SHA512
)

// New returns a new hash, for hmac.New.
func (h Hash) New() hash.Hash {
	switch h {
	case SHA1:
		return sha1.New() //nolint:gosec // some providers sign with it, and as an HMAC it is not broken
	case SHA512:
		return sha512.New()
	}
	return sha256.New()
}

// String returns its name as providers write it.
func (h Hash) String() string { return [...]string{"SHA-256", "SHA-1", "SHA-512"}[h] }

// NamedHash is a hash function under the name that a provider gives it in a header.
type NamedHash struct {
	Name    string
	Hash    Hash
	Setting string // refused, unless this environment variable allows it; empty if it is accepted
}

// For returns the scheme of a delivery with these headers: its Hash is the one that they name. It is an error if they name one that is
// unknown or refused.
func (s Scheme) For(h http.Header) (Scheme, error) {
	if s.HashNamed == "" || len(h.Values(s.HashNamed)) == 0 {
		return s, nil
	}
	name, err := single(h, s.HashNamed, RefusedHash)
	if err != nil {
		return s, err
	}
	for _, known := range s.Hashes {
		if known.Name == name && known.Setting == "" {
			s.Hash = known.Hash
			return s, nil
		}
	}
	return s, unverified(RefusedHash)
}

// SignedAt returns the time of signing in a body, or zero if the body does not say.
func (s Scheme) SignedAt(body []byte) (at time.Time) {
	if s.TimeIn == "" {
		return at
	}
	if o, err := readObject(body); err == nil {
		at, _ = readTime(o[s.TimeIn])
	}
	return at
}

// stamp returns the body with at as its time of signing. A body without that time, or with one that is still accepted, stays as it is.
func (s Scheme) stamp(body []byte, at time.Time) []byte {
	signed := s.SignedAt(body)
	if age := at.Sub(signed); signed.IsZero() || age >= 0 && age < s.MaxAge-time.Minute { // the delivery takes time
		return body
	}
	stamped, err := sjson.SetBytes(body, s.TimeIn, at.Unix())
	if err != nil {
		return body
	}
	return stamped
}

// SignsID reports whether the header with the event's ID is signed. It is then required, and the body needs no ID.
func (s Scheme) SignsID() bool {
	return slices.ContainsFunc(s.Messages, func(message string) bool { return strings.Contains(message, "{id}") })
}

// Key returns the key of the HMAC. It is an error, which does not quote the secret, if the secret cannot be decoded or the key is not
// as long as Standard Webhooks requires.
func (s Scheme) Key(secret string) ([]byte, error) {
	if !s.Base64Key {
		return []byte(secret), nil
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) < 24 || len(key) > 64 {
		return nil, errors.New("want whsec_ and 24 to 64 bytes in base64")
	}
	return key, nil
}

// mac returns the MAC of a message of the scheme.
func (s Scheme) mac(key []byte, message, timestamp, id string, body []byte) []byte {
	before := strings.TrimSuffix(message, signsBody)
	before = strings.Replace(before, "{timestamp}", timestamp, 1)
	before = strings.Replace(before, "{id}", id, 1)
	h := hmac.New(s.Hash.New, key)
	h.Write([]byte(before))
	h.Write(body)
	return h.Sum(nil)
}

// sign adds the scheme's headers for a body.
func (s Scheme) sign(h http.Header, key []byte, id string, body []byte, at time.Time) {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	mac := s.Encoding.Encode(s.mac(key, s.Messages[0], timestamp, id, body))
	if s.Pairs {
		h.Set(s.Header, "t="+timestamp+",v1="+mac)
	} else {
		h.Set(s.Header, s.Prefix+mac)
	}
	for _, named := range s.Hashes {
		if named.Hash == s.Hash {
			h.Set(s.HashNamed, named.Name)
		}
	}
	if s.Timestamp != "" {
		h.Set(s.Timestamp, timestamp)
	}
	if s.ID != "" && id != "" {
		h.Set(s.ID, id)
	}
}
