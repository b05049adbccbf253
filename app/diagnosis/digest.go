package diagnosis

import (
	"crypto"
	"crypto/hmac"
	_ "crypto/sha1"   //nolint:gosec // senders use it by mistake
	_ "crypto/sha256" // for crypto.SHA256
	_ "crypto/sha512" // for crypto.SHA384 and crypto.SHA512
	"slices"
)

var plainHash = fault{PlainHash, "The signature is a plain hash of secret and content, not an HMAC.",
	"Have it made with HMAC-SHA256, the secret as its key."}

// digests are the ways to make a MAC of a hash.
func digests(h crypto.Hash) []digestGuess {
	return []digestGuess{
		{nil, func(key []byte, parts ...[]byte) []byte {
			m := hmac.New(h.New, key)
			for _, p := range parts {
				m.Write(p)
			}
			return m.Sum(nil)
		}},
		{&plainHash, func(key []byte, parts ...[]byte) []byte { return hashed(h, append([][]byte{key}, parts...)...) }},
		{&plainHash, func(key []byte, parts ...[]byte) []byte { return hashed(h, append(slices.Clone(parts), key)...) }},
	}
}

func hashed(h crypto.Hash, parts ...[]byte) []byte {
	d := h.New()
	for _, p := range parts {
		d.Write(p)
	}
	return d.Sum(nil)
}
