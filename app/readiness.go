package app

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// probeEvery is how long the result of a probe is used. A probe writes to the database, and anybody may ask for one.
const probeEvery = time.Second

// readiness checks whether deliveries can be stored, and logs outages: when one begins, once a minute while it lasts, and when it is over.
type readiness struct {
	probe func(context.Context) error
	log   *slog.Logger
	now   func() time.Time

	mu     sync.Mutex
	err    error // of the last probe
	probed time.Time
	outage *rate.Sometimes // nil while all is well
}

func newReadiness(probe func(context.Context) error, log *slog.Logger) *readiness {
	return &readiness{probe: probe, log: log, now: time.Now}
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
	switch {
	case r.err == nil && r.outage != nil:
		r.outage = nil
		r.log.Info("ready again")
	case r.err != nil:
		if r.outage == nil {
			r.outage = &rate.Sometimes{First: 1, Interval: time.Minute}
		}
		r.outage.Do(func() { r.log.Error("not ready: deliveries cannot be stored", "err", r.err) })
	}
	return r.err
}
