package bench

import (
	"crypto/rand"
	"fmt"
	"io/fs"
	mathrand "math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"example.com/identity-webhooks/handlers"
)

const (
	// crowd is how many customers have their events at the same time.
	crowd = 64
	// minRounds is how many events a customer gets in a row, at least.
	minRounds = 5
)

// mixes are the samples that a provider's customers go through, one after the other. All of them name a person, and none a
// case: a case has one person, and here its sample would get many.
var mixes = map[string][]string{
	"trustgate": {
		"applicant.submitted", "document.verified", "variants/screening.completed.clear", "applicant.verification_complete", "applicant.reviewed",
	},
	"legaltalent": {"kyc.session.created", "kyc.session.completed", "kyc.session.processed", "kyc.session.approved"},
	"trst":        {"enrollment.completed"},
	"trustist":    {"v1/onboard.session.completed"},
}

// source makes the events of a run. They have numbers from 0, and each follows from its number.
type source struct {
	run       string // in all IDs of the run
	start     time.Time
	templates []*template
	customers int64
	orders    [][]int // of a crowd's events, one after the other; none where each comes in its turn
	next      atomic.Int64
}

// newSource makes templates for the providers, which are sorted, so that a run can be repeated.
func newSource(samples fs.FS, names []string, providers map[string]handlers.Provider, customers int, shuffle bool) (*source, error) {
	s := &source{run: strings.ToLower(rand.Text()[:10]), start: time.Now().UTC(), customers: int64(customers)}
	for _, name := range names {
		if len(mixes[name]) == 0 {
			return nil, fmt.Errorf("bench has no events of %s", name)
		}
		for _, sample := range mixes[name] {
			t, err := newTemplate(samples, name, sample, s.run, providers[name])
			if err != nil {
				return nil, err
			}
			s.templates = append(s.templates, t)
		}
	}
	for range 16 {
		if shuffle {
			s.orders = append(s.orders, mathrand.Perm(int(s.window()))) //nolint:gosec // an order; nothing secret
		}
	}
	return s, nil
}

// window is how many events a crowd gets: each of its customers goes a whole number of times through all templates.
func (s *source) window() int64 {
	n := int64(len(s.templates))
	return crowd * ((minRounds + n - 1) / n * n)
}

// take returns the number of the next event to send.
func (s *source) take() int64 {
	i := s.next.Add(1) - 1
	if s.orders == nil {
		return i
	}
	block, place := i/s.window(), i%s.window()
	return block*s.window() + int64(s.orders[block%int64(len(s.orders))][place])
}

// end is above all numbers that were taken.
func (s *source) end() int64 { return (s.next.Load() + s.window()) / s.window() * s.window() }

// template is what the event of a number is made of.
func (s *source) template(n int64) *template {
	return s.templates[n%s.window()/crowd%int64(len(s.templates))]
}

// event returns the event of a number. Later numbers occurred later. The body is in buf, if it is large enough.
func (s *source) event(n int64, buf []byte) (*template, []byte) {
	customer := (n/s.window()*crowd + n%crowd) % s.customers
	t := s.template(n)
	return t, t.fill(buf, n, customer, s.start.Add(time.Duration(n)*time.Microsecond))
}
