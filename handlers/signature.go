package handlers

import (
	"crypto/hmac"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// signature holds the MACs in a delivery's headers and the time at which they claim to be made.
type signature struct {
	macs      [][]byte
	timestamp string // as it was signed; empty if the scheme has none
}

// verify returns the index of the key that signed the delivery. If the signature is correct but its time is not, the error says so.
func (s Scheme) verify(d Delivery, keys [][]byte) (int, error) {
	s, err := s.For(d.Header)
	if err != nil {
		return -1, err
	}
	signatures, err := s.read(d.Header)
	if err != nil {
		return -1, err
	}
	reason := WrongSecret
	for _, sig := range signatures {
		signer := s.signer(sig, d, keys)
		if signer < 0 {
			continue
		}
		untimely := s.untimely(s.signedAt(sig, d.Body), d.ReceivedAt)
		if untimely == "" {
			return signer, nil
		}
		reason = untimely
	}
	return -1, unverified(reason)
}

// signer returns the index of the key that made one of the MACs, or -1. It always tries all of them.
func (s Scheme) signer(sig signature, d Delivery, keys [][]byte) int {
	signer := -1
	for i, key := range keys {
		for _, message := range s.Messages {
			want := s.mac(key, message, sig.timestamp, d.Header.Get(s.ID), d.Body)
			for _, got := range sig.macs {
				if hmac.Equal(got, want) {
					signer = i
				}
			}
		}
	}
	return signer
}

// signedAt returns when a signature was made, or zero if that is not known. read has checked that a timestamp is a number.
func (s Scheme) signedAt(sig signature, body []byte) time.Time {
	if sig.timestamp == "" {
		return s.SignedAt(body)
	}
	seconds, _ := strconv.ParseInt(sig.timestamp, 10, 64)
	return time.Unix(seconds, 0)
}

// untimely returns why a time of signing is not accepted, or an empty reason. One that is not known is accepted.
func (s Scheme) untimely(signed, received time.Time) Reason {
	if signed.IsZero() {
		return ""
	}
	switch age := received.Sub(signed); {
	case s.MaxAge > 0 && age > s.MaxAge:
		return TooOld
	case s.MaxAhead > 0 && age < -s.MaxAhead:
		return FromTheFuture
	}
	return ""
}

// maxSignatures is how many signatures are tried, and how many MACs of each, since each costs a hash of the body.
const maxSignatures = 8

// read returns the signatures in a delivery's headers: at least one, each with at least one MAC.
func (s Scheme) read(h http.Header) ([]signature, error) {
	value, err := single(h, s.Header, MissingSignature)
	if err != nil {
		return nil, err
	}
	if s.Pairs {
		return s.readPairs(value)
	}
	if len(h.Values(s.Previous)) > 1 {
		return nil, unverified(RepeatedHeader)
	}
	sig := signature{macs: append(s.readMACs(value), s.readMACs(h.Get(s.Previous))...)}
	if len(sig.macs) == 0 {
		return nil, unverified(MalformedSignature)
	}
	if s.SignsID() {
		id, err := single(h, s.ID, MissingID)
		if err != nil {
			return nil, err
		}
		if len(id) > maxText || !utf8.ValidString(id) { // it could not be stored
			return nil, unverified(MalformedID)
		}
	}
	if s.Timestamp != "" {
		if sig.timestamp, err = single(h, s.Timestamp, MissingTimestamp); err != nil {
			return nil, err
		}
		if !isTimestamp(sig.timestamp) {
			return nil, unverified(MalformedTimestamp)
		}
	}
	return []signature{sig}, nil
}

// readMACs reads "<prefix><mac>" or, if the scheme is a list, several of these. It skips what is none.
func (s Scheme) readMACs(value string) (macs [][]byte) {
	texts := []string{value}
	if s.List {
		texts = strings.Split(value, " ")
	}
	for _, text := range texts {
		text, found := strings.CutPrefix(text, s.Prefix)
		mac, err := s.Encoding.Decode(text)
		if found && err == nil && len(mac) == s.Hash.New().Size() && len(macs) < maxSignatures {
			macs = append(macs, mac)
		}
	}
	return macs
}

// readPairs reads "t=1772445960,v1=99…,v1=41…", once or several times. MACs of other versions, and ones that cannot be decoded, are
// skipped: a provider may add a new kind of signature beside the old one.
func (s Scheme) readPairs(value string) ([]signature, error) {
	var signatures []signature
	reason := MalformedSignature
	sets := strings.Split(value, " ")
	if len(sets) > maxSignatures {
		return nil, unverified(reason)
	}
	for _, set := range sets {
		var sig signature
		var timestamps []string
		for pair := range strings.SplitSeq(set, ",") {
			name, text, _ := strings.Cut(pair, "=")
			mac, err := s.Encoding.Decode(text)
			switch {
			case name == "t":
				timestamps = append(timestamps, text)
			case name == "v1" && err == nil && len(mac) == s.Hash.New().Size() && len(sig.macs) < maxSignatures:
				sig.macs = append(sig.macs, mac)
			}
		}
		switch {
		case len(sig.macs) == 0 || len(timestamps) > 1:
		case len(timestamps) == 0:
			reason = MissingTimestamp
		case !isTimestamp(timestamps[0]):
			reason = MalformedTimestamp
		default:
			sig.timestamp = timestamps[0]
			signatures = append(signatures, sig)
		}
	}
	if len(signatures) == 0 {
		return nil, unverified(reason)
	}
	return signatures, nil
}

// isTimestamp reports whether a text is a number of up to twelve digits. That suffices until the year 33658, and cannot overflow.
func isTimestamp(text string) bool {
	return text != "" && len(text) <= 12 && strings.Trim(text, "0123456789") == ""
}

// single returns the only value of a header. A repeated header is refused: picking one of the values would be a guess.
func single(h http.Header, name string, missing Reason) (string, error) {
	switch values := h.Values(name); {
	case len(values) > 1:
		return "", unverified(RepeatedHeader)
	case len(values) == 0 || values[0] == "":
		return "", unverified(missing)
	default:
		return values[0], nil
	}
}
