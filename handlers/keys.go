package handlers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	stdjson "encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Keys are the public keys of a provider that signs with keys of its own, by their ID. Verify reads them, and package app, which gets them
// from the provider's API, adds to them. They may be used by several goroutines. The zero Keys are empty.
type Keys struct {
	mu    sync.Mutex // for changes
	known atomic.Pointer[map[string]PublicKey]
}

// PublicKey verifies what a provider has signed.
type PublicKey struct {
	*ecdsa.PublicKey
	Expires time.Time // zero if it does not expire
}

// KeyAPI says how to get a public key from a provider's API with a POST. The base URL is the variable <NAME>_API_URL.
type KeyAPI struct {
	Path        string
	Credentials []string // the variables of the credentials; all of them are needed
	// Body returns what to send as JSON for the key with this ID. The credentials are by variable. The answer is an object whose member key
	// is a JSON Web Key.
	Body func(credentials map[string]string, id string) any
}

// Get returns the key with this ID. Without Keys there is none.
func (k *Keys) Get(id string) (key PublicKey, known bool) {
	if k != nil {
		key, known = k.All()[id]
	}
	return key, known
}

// All returns all keys, which must not be changed.
func (k *Keys) All() map[string]PublicKey {
	if all := k.known.Load(); all != nil {
		return *all
	}
	return nil
}

// Set adds or replaces a key.
func (k *Keys) Set(id string, key PublicKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := maps.Clone(k.All())
	if all == nil {
		all = map[string]PublicKey{}
	}
	all[id] = key
	k.known.Store(&all)
}

// ReadKey reads the answer with a key. The error does not quote it.
func (KeyAPI) ReadKey(answer []byte) (PublicKey, error) {
	var a struct {
		Key struct {
			Alg, Crv, Kty, X, Y string
			ExpiredAt           *int64 `json:"expired_at"` //nolint:tagliatelle // the provider's name
		}
	}
	if stdjson.Unmarshal(answer, &a) != nil || a.Key.Alg != "ES256" || a.Key.Kty != "EC" || a.Key.Crv != "P-256" {
		return PublicKey{}, errors.New("the answer has no key for ES256")
	}
	x, err1 := base64.RawURLEncoding.DecodeString(a.Key.X)
	y, err2 := base64.RawURLEncoding.DecodeString(a.Key.Y)
	point := slices.Concat([]byte{4}, x, y) // 4: not compressed
	public, err3 := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if errors.Join(err1, err2, err3) != nil || len(x) != len(y) {
		return PublicKey{}, errors.New("the key in the answer is not a point of P-256")
	}
	key := PublicKey{PublicKey: public}
	if a.Key.ExpiredAt != nil {
		key.Expires = time.Unix(*a.Key.ExpiredAt, 0)
	}
	return key, nil
}

// keyUnknown is ErrKeyUnknown with the ID of the key. A stranger may have chosen the ID, so it is not in the text.
type keyUnknown struct{ id string }

func (keyUnknown) Error() string { return ErrKeyUnknown.Error() }

func (keyUnknown) Unwrap() []error { return []error{ErrKeyUnknown, UnknownKey} }
