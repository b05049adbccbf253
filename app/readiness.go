package app

import (
	"context"
	"sync"
	"time"

	"example.com/identity-webhooks/jobs"
)

// probeEvery is how long the result of a probe is used. A probe writes to the database, and anybody may ask for one.
const probeEvery = time.Second

// readiness checks whether deliveries can be stored. It begins an outage if not.
type readiness struct {
	probe  func(context.Context) error
	outage *jobs.Outage
	now    func() time.Time

	mu     sync.Mutex
	err    error // of the last probe
	probed time.Time
}

func newReadiness(probe func(context.Context) error, outage *jobs.Outage) *readiness {
	return &readiness{probe: probe, outage: outage, now: time.Now}
}

// check returns why deliveries cannot be stored, or nil.
func (r *readiness) check(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now().Sub(r.probed) < probeEvery {
		return r.err
	}
	// All callers share the result, so it must not depend on a client that hangs up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeEvery)
	defer cancel()
	r.err = r.probe(ctx)
	r.probed = r.now()
	if r.err != nil {
		r.outage.Note(r.err) // the relay notes when it is over, whether anybody asks or not
	}
	return r.err
}
