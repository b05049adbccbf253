package diagnosis

import (
	"crypto/hmac"
	"slices"

	"example.com/identity-webhooks/handlers"
)

// Each table lists what a sender may have used instead of the right thing. An entry without a fault is right.
type (
	bodyGuess struct {
		fault *fault
		bytes []byte
	}
	keyGuess struct {
		fault *fault
		key   []byte
	}
	contentGuess struct {
		fault         *fault
		before, after string // what was signed besides the body
	}
	digestGuess struct {
		fault *fault
		sum   func(key []byte, parts ...[]byte) []byte
	}
)

// pairLimit is the largest body, in bytes, for which two faults at once are looked for: larger ones take seconds.
const pairLimit = 64 << 10

// search explains a MAC by the fewest faults.
type search struct {
	bodies   []bodyGuess
	keys     []keyGuess
	contents []contentGuess
}

func (c Case) newSearch(s handlers.Scheme, m mac) search {
	return search{c.bodies(), c.keys(), c.contents(s, m.timestamp)}
}

// explain returns the faults that lead to the MAC, none if it is right. Of several explanations with as few faults the first of
// the tables counts.
func (s search) explain(m mac) (faults []fault, found bool) {
	most := 2
	if slices.ContainsFunc(s.bodies, func(b bodyGuess) bool { return len(b.bytes) > pairLimit }) {
		most = 1
	}
	for n := range most + 1 {
		if faults, found := s.explainBy(n, m); found {
			return faults, true
		}
	}
	return nil, false
}

// explainBy looks for exactly n faults.
func (s search) explainBy(n int, m mac) ([]fault, bool) {
	for _, d := range digests(m.hash) {
		for _, k := range s.keys {
			for _, c := range s.contents {
				if count(d.fault, k.fault, c.fault) > n {
					continue
				}
				for _, b := range s.bodies {
					if count(d.fault, k.fault, c.fault, b.fault) != n {
						continue
					}
					if m.is(d.sum(k.key, []byte(c.before), b.bytes, []byte(c.after))) {
						return collect(b.fault, k.fault, c.fault, d.fault), true
					}
				}
			}
		}
	}
	return nil, false
}

// is compares a MAC, or the part of it that is there.
func (m mac) is(whole []byte) bool {
	if m.partial && len(m.bytes) < len(whole) {
		whole = whole[:len(m.bytes)]
	}
	return hmac.Equal(m.bytes, whole)
}

func count(faults ...*fault) int { return len(collect(faults...)) }

func collect(faults ...*fault) (list []fault) {
	for _, f := range faults {
		if f != nil {
			list = append(list, *f)
		}
	}
	return list
}
