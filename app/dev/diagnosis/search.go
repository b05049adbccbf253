package diagnosis

import (
	"crypto/hmac"
	"slices"
	"strings"

	"example.com/identity-webhooks/handlers"
)

// attempt is one way in which a MAC may have been made. It is indexed by part.
type attempt [3]string

// part is a part of an attempt.
type part int

const (
	inBody    part = iota
	inMessage      // what is signed, with {body} for the body, such as "1770217200.{body}"; empty if that is not known
	inKey          // the secret; for explain, the key that it stands for
)

// mac returns the MAC of an attempt, or nil if it is not known what is signed.
func (a attempt) mac(h handlers.Hash) []byte {
	if a[inMessage] == "" {
		return nil
	}
	m := hmac.New(h.New, []byte(a[inKey]))
	m.Write([]byte(strings.Replace(a[inMessage], "{body}", a[inBody], 1)))
	return m.Sum(nil)
}

// change is a mistake of the sender or of something on the way. It turns one part of an attempt into alternatives.
type change struct {
	part  part
	fault fault
	of    func(text string) []string // what the part may have been
}

func (c change) apply(a attempt) (list []attempt) {
	for _, text := range c.of(a[c.part]) {
		a[c.part] = text
		list = append(list, a)
	}
	return list
}

// pairLimit is the size in bytes of the largest body for which pairs of changes are tried: larger ones would take seconds.
const pairLimit = 64 << 10

// explain finds the changes that lead to one of the MACs in a signature header: none, one or two. If no changes lead
// to a MAC, it returns the first reading and false.
func (c Case) explain(s handlers.Scheme, readings []reading) (match reading, faults []fault, found bool) {
	start, changes := c.start(s, readings), c.changes(s, readings)
	matches := func(a attempt) bool {
		a[inKey] = keyOf(s, a[inKey])
		i := slices.IndexFunc(readings, func(r reading) bool { return r.isOf(a) })
		if i >= 0 {
			match = readings[i]
		}
		return i >= 0
	}
	if slices.ContainsFunc(start, matches) {
		return match, nil, true
	}
	if f, found := explainOne(start, changes, matches); found {
		return match, []fault{f}, true
	}
	if len(c.Delivery.Body) > pairLimit {
		return readings[0], nil, false
	}
	for i, first := range changes {
		var changed []attempt
		for _, a := range start {
			changed = append(changed, first.apply(a)...)
		}
		others := slices.DeleteFunc(slices.Clone(changes[i:]), func(second change) bool { return second.part == first.part })
		if second, found := explainOne(changed, others, matches); found {
			return match, []fault{first.fault, second}, true
		}
	}
	return readings[0], nil, false
}

// explainOne finds the change that leads from one of the attempts to a match.
func explainOne(attempts []attempt, changes []change, matches func(attempt) bool) (f fault, found bool) {
	for _, change := range changes {
		for _, a := range attempts {
			if slices.ContainsFunc(change.apply(a), matches) {
				return change.fault, true
			}
		}
	}
	return f, false
}

// start returns the attempts without a mistake: what the scheme signs, with each secret. If the timestamp is needed and
// missing, inMessage is empty.
func (c Case) start(s handlers.Scheme, readings []reading) (list []attempt) {
	for _, secret := range values(c.Secrets[c.Provider]) {
		for _, message := range s.Messages {
			for _, r := range readings {
				timestamp := c.timestamp(s, r)
				a := attempt{inBody: string(c.Delivery.Body), inKey: secret}
				if timestamp != "" || !strings.Contains(message, "{timestamp}") {
					a[inMessage] = strings.NewReplacer("{timestamp}", timestamp, "{id}", c.Delivery.Header.Get(s.ID)).Replace(message)
				}
				if !slices.Contains(list, a) {
					list = append(list, a)
				}
			}
		}
	}
	return list
}

// timestamp returns the timestamp that belongs to a signature; empty if there is none.
func (c Case) timestamp(s handlers.Scheme, r reading) string {
	if s.Pairs {
		return r.timestamp
	}
	return c.Delivery.Header.Get(s.Timestamp)
}

// changes returns all changes, in the order in which they are tried.
func (c Case) changes(s handlers.Scheme, readings []reading) []change {
	var list []change
	if len(c.Extra) > 0 {
		whole := string(c.Delivery.Body) + string(c.Extra)
		list = []change{{inBody, fault{"content_length", "The signature covers more than the body: Content-Length is too small.",
			"Remove Content-Length from the request, or correct it, if the body was edited."},
			always(whole, strings.TrimRight(whole, "\r\n"))}}
	}
	if s.Base64Key {
		list = append(list, notDecoded)
	}
	return slices.Concat(list, bodyChanges, c.messageChanges(s, readings), c.keyChanges())
}

// always returns a function that returns these texts, whatever it is given.
func always(texts ...string) func(string) []string { return func(string) []string { return texts } }

// values returns the texts of secrets.
func values(secrets []handlers.Secret) (list []string) {
	for _, s := range secrets {
		list = append(list, s.Value)
	}
	return list
}
