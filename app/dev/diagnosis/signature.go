package diagnosis

import (
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/identity-webhooks/handlers"
)

// reading is one way to read the value of a signature header.
type reading struct {
	mac       []byte        // only its start if it is cut off; nil if there is none
	hash      handlers.Hash // that the MAC was made with
	timestamp string        // in the same header
	faults    []fault       // how the value differs from the form that the scheme asks for
}

// leastMAC is how many bytes of a MAC that was cut off are enough to recognize it.
const leastMAC = 8

// isOf reports whether the MAC is the one that an attempt leads to.
func (r reading) isOf(a attempt) bool {
	want := a.mac(r.hash)
	return len(want) >= len(r.mac) && hmac.Equal(r.mac, want[:len(r.mac)])
}

// anyPrefix matches what some providers write before a MAC: the hash, or a version.
var anyPrefix = regexp.MustCompile(`(?i)^(?:(?:hmac-?)?sha-?[0-9]+ ?[=:]|v[01][=,])+`)

// readSignature reads a header's value as liberally as it can. It returns at least one reading. If there is no MAC, it
// returns only one.
func readSignature(s handlers.Scheme, value string) []reading {
	f := form{s}
	var faults []fault
	if bare := strings.Trim(value, " \t\"'"); bare != value {
		value, faults = bare, append(faults, f.fault("malformed_signature", "has quotes or spaces around its value."))
	}
	list := f.readPairs(value)
	switch marked := f.readList(value); {
	case marked != nil:
		list = marked
	case s.List && strings.Contains(value, "v1a,"):
		list = []reading{{faults: []fault{f.fault("other_scheme", "has only v1a, an ed25519 signature, which is not supported.")}}}
	case s.Pairs && list == nil:
		list = []reading{{faults: []fault{f.fault("malformed_signature", "has no v1=<MAC> that can be read.")}}}
	case s.Pairs:
	case list != nil:
		faults = append(faults, f.fault("other_scheme", "has the form t=…,v1=… that Stripe uses."))
	default:
		prefix := anyPrefix.FindString(value)
		list = f.read(value[len(prefix):])
		switch {
		case list[0].mac == nil || prefix == s.Prefix:
		case s.Prefix == "":
			faults = append(faults, f.fault("unexpected_prefix", "must not have a prefix."))
		case prefix == "":
			faults = append(faults, f.fault("missing_prefix", "lacks its prefix "+s.Prefix+"."))
		default:
			faults = append(faults, f.fault("wrong_prefix", "must have exactly the prefix "+s.Prefix+", and only once."))
		}
	}
	for i := range list {
		list[i].faults = append(list[i].faults, faults...)
	}
	return list
}

// form is the form of a signature header according to a scheme.
type form struct{ handlers.Scheme }

// fault returns a fault of the header's value.
func (f form) fault(c Cause, text string) fault {
	mac := fmt.Sprintf("<%d hex digits>", 2*f.Hash.New().Size())
	if f.Encoding == handlers.Base64 {
		mac = "<base64>"
	}
	if f.Pairs {
		mac = "t=<seconds>,v1=" + mac
	}
	return fault{c, f.Header + " " + text, fmt.Sprintf("Send it as %s: %s%s, and nothing else.", f.Header, f.Prefix, mac)}
}

// readList reads the MACs in a list that have the right prefix. Like the server, it reads at most eight. It returns nil if there is none.
func (f form) readList(value string) (list []reading) {
	for text := range strings.SplitSeq(value, " ") {
		text, found := strings.CutPrefix(text, f.Prefix)
		if !f.List || !found {
			continue
		}
		for _, r := range f.read(text) {
			if r.mac != nil && len(list) < 8 {
				list = append(list, r)
			}
		}
	}
	return list
}

// readPairs reads the MACs of version 1 in t=…,v1=…, with their timestamps. Like the server, it reads at most eight.
func (f form) readPairs(value string) (list []reading) {
	for set := range strings.SplitSeq(value, " ") {
		timestamp, macs := "", []string{}
		for pair := range strings.SplitSeq(set, ",") {
			switch name, text, _ := strings.Cut(pair, "="); name {
			case "t":
				timestamp = text
			case "v1":
				macs = append(macs, text)
			}
		}
		for _, mac := range macs {
			for _, r := range f.read(mac) {
				if r.timestamp = timestamp; r.mac != nil && len(list) < 8 {
					list = append(list, r)
				}
			}
		}
	}
	return list
}

// read reads a MAC in hex or base64. If it is shorter than the scheme's MACs, it may be of another hash or cut off.
func (f form) read(text string) (list []reading) {
	var faults []fault
	raw, err := hex.DecodeString(text)
	encoding, odd := handlers.Hex, errors.Is(err, hex.ErrLength)
	if err != nil && !odd {
		encoding, raw = handlers.Base64, decodeBase64(text)
	}
	switch {
	case encoding == f.Encoding:
	case encoding == handlers.Hex:
		faults = []fault{f.fault("hex_signature", "is in hex, not in base64.")}
	default:
		faults = []fault{f.fault("base64_signature", "is in base64, not in hex.")}
	}
	for _, hash := range []handlers.Hash{handlers.SHA1, handlers.SHA256, handlers.SHA512} {
		r, size := reading{mac: raw, hash: hash, faults: faults}, hash.New().Size()
		switch {
		case len(raw) == size && !odd && hash == f.Hash:
		case len(raw) == size && !odd:
			other := f.fault("other_hash", fmt.Sprintf("has the length of a MAC of %s, not of %s.", hash, f.Hash))
			if f.HashNamed != "" {
				other.hint = fmt.Sprintf("Check that %s arrives, and names the hash that was used.", f.HashNamed)
			}
			r.faults = append(r.faults, other)
		case len(raw) < size && len(raw) >= leastMAC && hash == f.Hash && encoding == f.Encoding:
			r.faults = []fault{f.fault("truncated_signature", "is cut off.")}
		default:
			continue
		}
		list = append(list, r)
	}
	if list == nil {
		list = []reading{{faults: []fault{f.fault("malformed_signature", "has no MAC that can be read.")}}}
	}
	return list
}

// noSignature is the fault of a delivery without the scheme's signature header.
func (c Case) noSignature(s handlers.Scheme) fault {
	h := c.Delivery.Header
	hint := fmt.Sprintf("Send %s, and check that no proxy drops it.", s.Header)
	if len(h.Values(s.Header)) > 0 {
		return fault{"missing_header", s.Header + " is empty.", hint}
	}
	for _, name := range s.Weak {
		if len(h.Values(name)) > 0 {
			return fault{"weak_signature", fmt.Sprintf("%s is missing, and %s does not cover the bytes of the body.", s.Header, name), hint}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if lower := strings.ToLower(name); strings.Contains(lower, "signature") || strings.Contains(lower, "hmac") {
			return fault{"other_header", fmt.Sprintf("%s is missing, but %s is there.", s.Header, name), hint}
		}
	}
	return fault{"missing_header", s.Header + " is missing, and there is no other signature.", hint}
}

// refusedHash is the fault of a header that names a hash which is not accepted.
func refusedHash(s handlers.Scheme, name string) fault {
	var accepted []string
	for _, known := range s.Hashes {
		switch {
		case known.Setting == "":
			accepted = append(accepted, known.Name)
		case known.Name == name:
			return fault{"refused_hash", fmt.Sprintf("%s names %s, which is not accepted.", s.HashNamed, known.Hash),
				fmt.Sprintf("Choose another signature algorithm at the provider, or set %s to accept this one.", known.Setting)}
		}
	}
	return fault{"unknown_hash", s.HashNamed + " names no hash function that is known.",
		fmt.Sprintf("Send it as %s: %s.", s.HashNamed, strings.Join(accepted, " or "))}
}

// A timestamp in seconds that package handlers accepts, and one in milliseconds or smaller units.
var (
	inSeconds      = regexp.MustCompile(`^[0-9]{1,12}$`)
	inMilliseconds = regexp.MustCompile(`^([0-9]{10})(?:[0-9]{3}){1,3}$`)
)

// noTimestamp says why the timestamp of a signature cannot be read; nil if it can be, or none is needed.
func noTimestamp(s handlers.Scheme, text string) []fault {
	name := s.Timestamp
	if s.Pairs {
		name = "t in " + s.Header
	}
	hint := fmt.Sprintf("Send %s as Unix seconds, in digits only.", name)
	switch {
	case name == "" || inSeconds.MatchString(text):
		return nil
	case text == "":
		return []fault{{"missing_timestamp", name + " is missing or empty.",
			"Find out what dropped it: perhaps a proxy, or the tool that saved the delivery."}}
	case inMilliseconds.MatchString(text):
		return []fault{{"timestamp_unit", name + " is in milliseconds, not in seconds.", hint}}
	}
	return []fault{{"malformed_timestamp", name + " is not a whole number of Unix seconds.", hint}}
}

// signedAt returns the time of signing, or zero if it is not known. A timestamp must be in seconds.
func (c Case) signedAt(s handlers.Scheme, timestamp string) time.Time {
	if timestamp == "" {
		return s.SignedAt(c.Delivery.Body)
	}
	seconds, _ := strconv.ParseInt(timestamp, 10, 64)
	return time.Unix(seconds, 0)
}

// stale says how far the time of signing differs from our clock; nil if it is within the limits, or not known.
func stale(s handlers.Scheme, signed, now time.Time) []fault {
	const hint = "Check both clocks and their time zones. For a saved delivery, use --at to give the time when it was received."
	timestamp := "The timestamp"
	if s.TimeIn != "" {
		timestamp = "The time of signing, " + s.TimeIn + " in the body,"
	}
	age := now.Sub(signed).Truncate(time.Second)
	switch {
	case signed.IsZero():
	case s.MaxAge > 0 && age > s.MaxAge:
		return []fault{{"too_old", fmt.Sprintf("%s is %s old, and %s is the limit.", timestamp, age, s.MaxAge), hint}}
	case s.MaxAhead > 0 && -age > s.MaxAhead:
		return []fault{{"from_the_future",
			fmt.Sprintf("%s is %s ahead of our clock, and %s is the limit.", timestamp, -age, s.MaxAhead), hint}}
	}
	return nil
}
