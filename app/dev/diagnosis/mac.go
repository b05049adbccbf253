package diagnosis

import (
	"cmp"
	"crypto"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"example.com/identity-webhooks/handlers"
)

// leastMAC is how many bytes of a MAC that was cut off are enough to recognise it.
const leastMAC = 8

// mac is what can be read of the value of a signature header.
type mac struct {
	macs      [][]byte // what is to be compared, in any order; empty if there is nothing
	hash      crypto.Hash
	partial   bool   // the end is missing
	timestamp string // beside the MAC
}

// hashes are the hash functions that a MAC can be made with, by its length in bytes, and their number in names.
var (
	hashes   = map[int]crypto.Hash{20: crypto.SHA1, 32: crypto.SHA256, 48: crypto.SHA384, 64: crypto.SHA512}
	bits     = map[crypto.Hash]string{crypto.SHA1: "1", crypto.SHA256: "256", crypto.SHA384: "384", crypto.SHA512: "512"}
	expected = map[handlers.Hash]crypto.Hash{handlers.SHA1: crypto.SHA1, handlers.SHA256: crypto.SHA256, handlers.SHA512: crypto.SHA512}
)

// hashPrefix names a hash, in one of many ways.
var hashPrefix = regexp.MustCompile(`(?i)^(?:hmac-?)?sha-?(1|256|384|512) ?[=:]`)

// otherForms are the values of other schemes' headers, each with its MAC, and its timestamp if there is one.
var otherForms = []struct {
	name string
	form *regexp.Regexp
}{
	{"t=…,v1=… as Stripe sends it", regexp.MustCompile(`^t=(?P<timestamp>\d+),(?:v0=[0-9a-f]+,)?v1=(?P<mac>[0-9a-fA-F]+)(?:[, ].*)?$`)},
	{"v1,… as Standard Webhooks has it", regexp.MustCompile(`^v1,(?P<mac>[A-Za-z0-9+/]+=*)(?: .*)?$`)},
	{"v0=… as Slack sends it", regexp.MustCompile(`^v0=(?P<mac>[0-9a-fA-F]+)$`)},
}

// readMAC reads a header's value as liberally as it can, and says how it differs from the scheme's form.
func readMAC(s handlers.Scheme, value string) (m mac, faults []fault) {
	form := "hex digits"
	if s.Encoding == handlers.Base64 {
		form = "base64"
	}
	hint := fmt.Sprintf("Send %s as %d %s and nothing else.", s.Header, len(s.Encoding.Encode(make([]byte, expected[s.Hash].Size()))), form)
	if s.Prefix != "" {
		hint = strings.Replace(hint, " as ", " as "+s.Prefix+" and ", 1)
	}
	if s.Pairs {
		hint = fmt.Sprintf("Send %s as t=<seconds>,v1=<%s>.", s.Header, form)
	}
	add := func(c Cause, text string) { faults = append(faults, fault{c, s.Header + " " + text, hint}) }

	if bare := strings.Trim(value, " \t\"'"); bare != value {
		value = bare
		add("malformed_signature", "has quotes or spaces around its value.")
	}
	if s.Pairs {
		if m = readPairs(s, value); m.macs == nil {
			add("malformed_signature", "has no v1=<MAC> that can be read.")
		}
		return m, faults
	}
	for _, o := range otherForms {
		if parts := o.form.FindStringSubmatch(value); parts != nil {
			m, _ := readDigits(s, parts[o.form.SubexpIndex("mac")])
			if i := o.form.SubexpIndex("timestamp"); i > 0 {
				m.timestamp = parts[i]
			}
			add("other_scheme", "has the form "+o.name+".")
			return m, faults
		}
	}
	digits, prefixes, named := value, "", ""
	for found := hashPrefix.FindStringSubmatch(digits); found != nil; found = hashPrefix.FindStringSubmatch(digits) {
		named, digits = found[1], digits[len(found[0]):]
	}
	prefixes = value[:len(value)-len(digits)]
	m, problems := readDigits(s, strings.TrimSpace(digits))
	if m.macs == nil && prefixes == "" && !m.partial {
		add("malformed_signature", "is not a signature.")
		return m, faults
	}
	switch {
	case prefixes == s.Prefix:
		if digits != strings.TrimSpace(digits) {
			add("malformed_signature", "has spaces in its value.")
		}
	case m.hash != expected[s.Hash] && named == bits[m.hash]: // the other hash explains the other prefix
	case s.Prefix == "":
		add("unexpected_prefix", "must not have a prefix.")
	case prefixes == "":
		add("missing_prefix", "lacks its prefix "+s.Prefix)
	default:
		add("wrong_prefix", "must have the prefix "+s.Prefix+" exactly so, and once.")
	}
	for _, p := range problems {
		add(p.cause, p.explanation)
	}
	return m, faults
}

// readPairs reads all MACs of version 1, and the first timestamp.
func readPairs(s handlers.Scheme, value string) (m mac) {
	for _, pair := range strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' }) {
		switch name, text, _ := strings.Cut(pair, "="); name {
		case "t":
			m.timestamp = cmp.Or(m.timestamp, text)
		case "v1":
			if read, _ := readDigits(s, text); read.macs != nil {
				m.macs, m.hash, m.partial = append(m.macs, read.macs...), read.hash, read.partial
			}
		}
	}
	return m
}

// readDigits reads a MAC, and says what is wrong with how it is written: of the faults only cause and text count.
func readDigits(s handlers.Scheme, text string) (m mac, faults []fault) {
	want, m := expected[s.Hash], mac{hash: expected[s.Hash]}
	add := func(c Cause, explanation string) { faults = append(faults, fault{c, explanation, ""}) }
	isHex := text != "" && strings.Trim(text, "0123456789abcdefABCDEF") == ""
	raw, _ := hex.DecodeString(text[:len(text)/2*2])
	doubled, err := hex.DecodeString(string(raw))
	switch {
	case text == "":
		add("malformed_signature", "has nothing after its prefix.")
		return m, faults
	case isHex && len(text) == 4*want.Size() && err == nil:
		raw = doubled
		add("malformed_signature", "is encoded as hex twice.")
	case isHex && len(text) < 2*want.Size() && (hashes[len(raw)] == 0 || len(text)%2 == 1):
		m.partial = true
		add("truncated_signature", fmt.Sprintf("is cut off: it has fewer than %d hex digits.", 2*want.Size()))
		if len(raw) >= leastMAC {
			m.macs = [][]byte{raw}
		}
		return m, faults
	case isHex && (hashes[len(raw)] == 0 || len(text)%2 == 1):
		add("malformed_signature", "has more hex digits than any MAC.")
		return m, faults
	case isHex && s.Encoding == handlers.Base64:
		add("hex_signature", "is in hex, not in base64.")
	case !isHex:
		if raw = decodeBase64(text); raw == nil {
			add("malformed_signature", "is neither hex nor base64.")
			return m, faults
		}
		if s.Encoding == handlers.Hex {
			add("base64_signature", "is in base64, not in hex.")
		}
	}
	m.macs, m.hash = [][]byte{raw}, hashes[len(raw)]
	if m.hash != want {
		add("other_hash", "is as long as a MAC of SHA-"+bits[m.hash]+", not of "+s.Hash.String()+".")
	}
	return m, faults
}

// decodeBase64 returns nil if text is not the base64 of a MAC, or of its hex digits.
func decodeBase64(text string) []byte {
	for _, e := range base64s {
		raw, err := e.DecodeString(text)
		if err != nil {
			continue
		}
		if digits, err := hex.DecodeString(string(raw)); err == nil && hashes[len(digits)] != 0 {
			return digits
		}
		if hashes[len(raw)] != 0 {
			return raw
		}
	}
	return nil
}
