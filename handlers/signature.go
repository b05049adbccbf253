package handlers

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// tolerance is how far a signed delivery time may lie from ours, either way. Stripe and Standard Webhooks use the same.
const tolerance = 300 * time.Second

// secrets are a provider's active secrets, each taken verbatim as the HMAC key, "whsec_" prefix included.
type secrets [][]byte

func newSecrets(active []string) (secrets, error) {
	if len(active) == 0 {
		return nil, errors.New("no secret")
	}
	var ss secrets
	for _, s := range active {
		if s == "" {
			return nil, errors.New("a secret is empty")
		}
		ss = append(ss, []byte(s))
	}
	return ss, nil
}

// Fingerprint names a secret where it must not be shown. It is cut too short to help whoever looks for a secret.
func Fingerprint(secret string) string {
	h := sha256.Sum256([]byte("identity-webhooks secret" + secret))
	return hex.EncodeToString(h[:4])
}

// signed reports whether mac is the HMAC-SHA256 of the joined parts under one of the secrets.
func (ss secrets) signed(mac []byte, parts ...[]byte) bool { return ss.signer(mac, parts...) >= 0 }

// signer is the index of the secret under which mac is the HMAC-SHA256 of the joined parts, or -1. It always tries all of them.
func (ss secrets) signer(mac []byte, parts ...[]byte) int {
	signer := -1
	for i, s := range ss {
		if hmac.Equal(mac, sum(s, parts...)) {
			signer = i
		}
	}
	return signer
}

// sign returns the hex HMAC-SHA256 of the joined parts under the first secret.
func (ss secrets) sign(parts ...[]byte) string {
	return hex.EncodeToString(sum(ss[0], parts...))
}

func sum(secret []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, secret)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// single returns the only value of a header. A header that comes twice is rejected: which of them counts would be a guess.
func single(h http.Header, name string, missing Reason) (string, error) {
	values := h.Values(name)
	switch {
	case len(values) > 1:
		return "", unverified(RepeatedHeader)
	case len(values) == 0 || values[0] == "":
		return "", unverified(missing)
	}
	return values[0], nil
}

// signature reads a header that holds prefix and a SHA-256 MAC in hex.
func signature(h http.Header, name, prefix string) ([]byte, error) {
	value, err := single(h, name, MissingSignature)
	if err != nil {
		return nil, err
	}
	digits, found := strings.CutPrefix(value, prefix)
	mac, err := hex.DecodeString(digits)
	if err != nil || !found || len(mac) != sha256.Size {
		return nil, unverified(MalformedSignature)
	}
	return mac, nil
}

// timestamp reads a header of Unix seconds, as the text that was signed and as a time. Anything but up to twelve digits
// is malformed: that lasts until the year 33658, and nothing near it overflows.
func timestamp(h http.Header, name string) (string, time.Time, error) {
	value, err := single(h, name, MissingTimestamp)
	if err != nil {
		return "", time.Time{}, err
	}
	seconds, err := strconv.ParseInt(value, 10, 64)
	if err != nil || len(value) > 12 || strings.Trim(value, "0123456789") != "" {
		return "", time.Time{}, unverified(MalformedTimestamp)
	}
	return value, time.Unix(seconds, 0), nil
}

// fresh checks that a delivery time lies within the tolerance, both ways.
func fresh(sent, received time.Time) error {
	switch age := received.Sub(sent); {
	case age > tolerance:
		return unverified(TooOld)
	case age < -tolerance:
		return unverified(FromTheFuture)
	}
	return nil
}
