package diagnosis

import (
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// leastMAC is how many bytes of a MAC that was cut off are enough to recognize it by.
const leastMAC = 8

// hashes are those that a MAC can be told to be made with, by its length in bytes.
var hashes = map[int]crypto.Hash{20: crypto.SHA1, 32: crypto.SHA256, 48: crypto.SHA384, 64: crypto.SHA512}

// bitsOf is a hash's number in a prefix.
var bitsOf = map[crypto.Hash]string{crypto.SHA1: "1", crypto.SHA256: "256", crypto.SHA384: "384", crypto.SHA512: "512"}

// problem is a fault in how a MAC is written; the text goes on after the name of its header.
type problem struct {
	cause Cause
	text  string
}

var cutOff = problem{TruncatedSignature, "is cut off: it has fewer than 64 hex digits."}

// readDigits reads a MAC, and says what is wrong with how it is written.
func readDigits(text string) (m mac, problems []problem) {
	raw, err := hex.DecodeString(text)
	isHex := err == nil || strings.Trim(text, "0123456789abcdefABCDEF") == ""
	switch {
	case text == "":
		return m, []problem{{MalformedSignature, "has nothing after its prefix."}}
	case isHex && len(text) == 128 && doubled(raw) != nil:
		raw, problems = doubled(raw), []problem{{MalformedSignature, "is encoded as hex twice."}}
	case isHex && len(text) < 64 && hashes[len(raw)] == 0, isHex && len(text)%2 == 1 && len(text) < 64:
		raw, err := hex.DecodeString(text[:len(text)/2*2])
		m := mac{bytes: raw, hash: crypto.SHA256, partial: true}
		if err != nil || len(raw) < leastMAC {
			m.bytes = nil
		}
		return m, []problem{cutOff}
	case isHex && hashes[len(raw)] == 0:
		return m, []problem{{MalformedSignature, "has more hex digits than any MAC."}}
	case !isHex:
		if raw = decodeBase64(text); raw == nil {
			return m, []problem{{MalformedSignature, "is neither hex nor base64."}}
		}
		problems = []problem{{Base64Signature, "is in base64, not in hex."}}
	}
	m = mac{bytes: raw, hash: hashes[len(raw)]}
	if m.hash != crypto.SHA256 {
		problems = append(problems, problem{OtherHash, "is as long as a MAC of SHA-" + bitsOf[m.hash] + ", not of SHA-256."})
	}
	return m, problems
}

// doubled decodes the hex digits that hex digits were made of; nil if they were not.
func doubled(raw []byte) []byte {
	if mac, err := hex.DecodeString(string(raw)); err == nil {
		return mac
	}
	return nil
}

// decodeBase64 returns nil where text is not the base64 of a MAC.
func decodeBase64(text string) []byte {
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		raw, err := e.DecodeString(text)
		if err != nil {
			continue
		}
		if mac := doubled(raw); len(raw) == 64 && mac != nil { // the base64 of hex digits
			return mac
		}
		if hashes[len(raw)] != 0 {
			return raw
		}
	}
	return nil
}
