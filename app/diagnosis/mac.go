package diagnosis

import (
	"crypto"
	"fmt"
	"regexp"
	"strings"
)

// mac is what can be read of the value of a signature header.
type mac struct {
	bytes     []byte // nil if there is nothing to compare
	hash      crypto.Hash
	partial   bool   // its end is missing
	timestamp string // in the header beside it
}

// hashPrefix names a hash, in one of many ways.
var hashPrefix = regexp.MustCompile(`(?i)^(?:hmac-?)?sha-?(1|256|384|512) ?[=:]`)

// otherForms are the values of other schemes' headers.
var otherForms = []struct {
	name string
	form *regexp.Regexp // with the MAC, and the timestamp if there is one
}{
	{"Stripe's", regexp.MustCompile(`^t=(?P<timestamp>\d+),(?:v0=[0-9a-f]+,)?v1=(?P<mac>[0-9a-fA-F]+)$`)},
	{"Standard Webhooks'", regexp.MustCompile(`^v1,(?P<mac>[A-Za-z0-9+/]+=*)(?: .*)?$`)},
	{"Slack's", regexp.MustCompile(`^v0=(?P<mac>[0-9a-fA-F]+)$`)},
}

// readMAC reads a header's value as liberally as it can, and says where it departs from the prefix and a SHA-256 MAC in hex.
func readMAC(header, value, prefix string) (m mac, faults []fault) {
	hint := fmt.Sprintf("Send %s as %s and 64 hex digits.", header, prefix)
	if prefix == "" {
		hint = fmt.Sprintf("Send %s as 64 hex digits and nothing else.", header)
	}
	add := func(c Cause, text string) { faults = append(faults, fault{c, header + " " + text, hint}) }

	if bare := strings.Trim(value, " \t\"'"); bare != value {
		value = bare
		add(MalformedSignature, "has quotes or spaces around its value.")
	}
	if m, name, found := readOtherForm(value); found {
		add(OtherScheme, "has "+name+" form.")
		return m, faults
	}
	digits, prefixes, bits := cutPrefixes(value)
	m, problems := readDigits(strings.TrimSpace(digits))
	if m.bytes == nil && prefixes == "" {
		add(MalformedSignature, "is no signature.")
		return m, faults
	}
	switch {
	case prefixes == prefix:
	case m.hash != crypto.SHA256 && bits == bitsOf[m.hash]: // that the hash is another one says it all
	case prefix == "":
		add(UnexpectedPrefix, "has a prefix, where none belongs.")
	case prefixes == "":
		add(MissingPrefix, "lacks its prefix "+prefix+".")
	default:
		add(WrongPrefix, "has another prefix than "+prefix+", which is to be written just so, and once.")
	}
	if prefixes == prefix && digits != strings.TrimSpace(digits) {
		add(MalformedSignature, "has spaces in its value.")
	}
	for _, p := range problems {
		add(p.cause, p.text)
	}
	return m, faults
}

// cutPrefixes takes all that names a hash off the front.
func cutPrefixes(value string) (rest, prefixes, bits string) {
	rest = value
	for found := hashPrefix.FindStringSubmatch(rest); found != nil; found = hashPrefix.FindStringSubmatch(rest) {
		bits, rest = found[1], rest[len(found[0]):]
	}
	return rest, value[:len(value)-len(rest)], bits
}

func readOtherForm(value string) (m mac, name string, found bool) {
	for _, o := range otherForms {
		parts := o.form.FindStringSubmatch(value)
		if parts == nil {
			continue
		}
		m, _ := readDigits(parts[o.form.SubexpIndex("mac")])
		if i := o.form.SubexpIndex("timestamp"); i > 0 {
			m.timestamp = parts[i]
		}
		return m, o.name, true
	}
	return m, "", false
}
