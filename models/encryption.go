package models

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
)

// Key encrypts the bodies of events at rest, with AES-256-GCM and a random nonce.
type Key struct {
	fingerprint string // identifies the key where it must not be shown
	aead        cipher.AEAD
}

// ParseKey reads a key: 32 random bytes in base64, as openssl rand -base64 32 prints them. The error contains no part of the key.
func ParseKey(text string) (Key, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != 32 {
		return Key{}, errors.New("want 32 bytes in base64: openssl rand -base64 32")
	}
	different := map[byte]bool{}
	for _, b := range raw {
		different[b] = true
	}
	if len(different) < 16 || bytes.IndexFunc(raw, unprintable) < 0 { // random bytes are never like that
		return Key{}, errors.New("is not random, so it can be guessed: openssl rand -base64 32")
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return Key{}, fmt.Errorf("create cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return Key{}, fmt.Errorf("create cipher: %w", err)
	}
	h := sha256.Sum256(append([]byte("encryption key"), raw...))
	return Key{hex.EncodeToString(h[:4]), aead}, nil
}

// unprintable reports whether a character cannot be part of a passphrase.
func unprintable(r rune) bool { return r < ' ' || r > '~' }

// Fingerprint identifies the key where it must not be shown, such as in events.body_key.
func (k Key) Fingerprint() string { return k.fingerprint }

// String returns the fingerprint.
func (k Key) String() string { return k.fingerprint }

// BodyProblem is why the body of a stored event cannot be decrypted.
type BodyProblem string

// Error implements error.
func (p BodyProblem) Error() string { return string(p) }

// ErrBodyRemoved means that the body of an event was removed, so that it can be neither shown nor processed.
var ErrBodyRemoved = errors.New("the payload was removed")

// BodyError returns why the body is not there: ErrBodyRemoved, or a BodyProblem. It is nil for a body that was read.
func (e Event) BodyError() error {
	switch {
	case e.BodyRemoved:
		return ErrBodyRemoved
	case e.BodyProblem != "":
		return e.BodyProblem
	}
	return nil
}

// noBody is the SHA-256 of an event that was delivered without a body.
var noBody = sha256.New().Sum(nil)

// seal encrypts the body with the first key, if there is one. Only the event's own hash opens it again, so that the bodies of two rows
// cannot be exchanged. The hash stays the same if the event is quarantined, unlike its key.
func (s *Store) seal(e *Event) {
	if len(s.keys) > 0 {
		e.BodyKey = s.keys[0].fingerprint
		e.Body = s.keys[0].aead.Seal(nil, nil, e.Body, e.SHA256) //nolint:gosec // nil: it makes a random nonce
	}
}

// open decrypts the body of an event that was read with its body, body_key and sha256. If that fails, the body is empty and the event has a
// BodyProblem.
func (s *Store) open(e *Event) {
	e.BodyRemoved = len(e.Body) == 0 && string(e.SHA256) != string(noBody)
	if e.BodyKey == "" {
		return
	}
	problem := "the body is encrypted with the key %s, which is not in ENCRYPTION_KEYS"
	for _, k := range s.keys {
		if k.fingerprint != e.BodyKey {
			continue
		}
		body, err := k.aead.Open(nil, nil, e.Body, e.SHA256)
		if err == nil {
			e.Body = body
			return
		}
		problem = "the stored body is damaged: the key %s of ENCRYPTION_KEYS does not decrypt it"
	}
	e.Body, e.BodyProblem = nil, BodyProblem(fmt.Sprintf(problem, e.BodyKey))
}
