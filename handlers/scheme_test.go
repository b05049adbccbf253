package handlers

import (
	"net/http"
	"testing"
	"time"
)

// TestOtherSchemes: what no provider here uses yet. The MACs are from
//
//	printf %s '<message>' | openssl dgst -sha1 -hmac key     (or -sha512; -binary | base64 for base64)
//
// and the third one is the example of https://github.com/standard-webhooks/standard-webhooks, whose key is base64.
func TestOtherSchemes(t *testing.T) {
	t.Parallel()
	const body = `{"test": 2432232314}`
	for name, c := range map[string]struct {
		scheme Scheme
		key    string
		header http.Header
	}{
		"SHA-1": {
			Scheme{Header: "Digest", Hash: SHA1, Messages: []string{signsBody}}, "key",
			http.Header{"Digest": {"8e26225c9a1fc38c1e51967540ccd8f7b7b87d39"}},
		},
		"SHA-512": {
			Scheme{Header: "Digest", Hash: SHA512, Messages: []string{signsBody}}, "key",
			http.Header{"Digest": {"a568acb281e13f6c68f7c314295917b3dda00d6db032df616b500faa0798f0baa9dd85df379368814f8fa62d96d6fc7a31f6b004e9dc98f019177f48bb52df68"}},
		},
		"SHA-512, named by a header": {
			Scheme{Header: "Digest", HashNamed: "Digest-Alg", Hashes: []NamedHash{{"sha256", SHA256, ""}, {"sha512", SHA512, ""}}, Messages: []string{signsBody}}, "key",
			http.Header{
				"Digest-Alg": {"sha512"},
				"Digest":     {"a568acb281e13f6c68f7c314295917b3dda00d6db032df616b500faa0798f0baa9dd85df379368814f8fa62d96d6fc7a31f6b004e9dc98f019177f48bb52df68"},
			},
		},
		"base64 with an ID": {
			Scheme{
				Header: "Webhook-Signature", Prefix: "v1,", List: true, Encoding: Base64, Messages: []string{"{id}.{timestamp}.{body}"},
				Timestamp: "Webhook-Timestamp", ID: "Webhook-Id", MaxAge: tolerance, MaxAhead: tolerance,
			},
			"\x31\xf2\x90\xf6\xbf\x06\x29\x8a\xab\x4f\x08\xd4\x3c\x3f\x08\x2c\xf6\x48\xa3\x62\xda\x2d\xa4\xb0",
			http.Header{
				"Webhook-Id": {"msg_p5jXN8AQM9LWM0D4loKWxJek"}, "Webhook-Timestamp": {"1614265330"},
				"Webhook-Signature": {"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
			},
		},
	} {
		d := Delivery{Header: c.header, Body: []byte(body), ReceivedAt: time.Unix(1614265330, 0)}
		if signer, err := c.scheme.verify(d, [][]byte{[]byte("another key"), []byte(c.key)}); signer != 1 || err != nil {
			t.Errorf("%s: signer %d, %v", name, signer, err)
		}
		for header := range c.header {
			changed := Delivery{Header: c.header.Clone(), Body: []byte(body), ReceivedAt: time.Unix(1614265330, 0)}
			changed.Header.Set(header, changed.Header.Get(header)[1:])
			if _, err := c.scheme.verify(changed, [][]byte{[]byte(c.key)}); err == nil {
				t.Errorf("%s: verified with another %s", name, header)
			}
		}
	}
}
