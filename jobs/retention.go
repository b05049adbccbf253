package jobs

import (
	"context"
	"log/slog"
	"time"

	"example.com/identity-webhooks/models"
)

// retentionEvery is how often a Retention looks for payloads that have become too old.
const retentionEvery = time.Hour

// Retention removes the payloads of events and follow-ups after some time. The rows stay, so that a duplicate is still recognized.
type Retention struct {
	expiry *models.Expiry
	keep   time.Duration
	log    *slog.Logger
}

// NewRetention returns a Retention that is idle until Run.
func NewRetention(store *models.Store, keep time.Duration, log *slog.Logger) *Retention {
	return &Retention{store.NewExpiry(), keep, log}
}

// Run removes old payloads at the start and then hourly, until ctx is done.
func (r *Retention) Run(ctx context.Context) error {
	tick := time.NewTicker(retentionEvery)
	defer tick.Stop()
	for {
		n, err := r.expiry.Remove(ctx, models.At(time.Now().Add(-r.keep)))
		if n > 0 {
			r.log.Info("old payloads removed", "rows", n)
		}
		if err != nil && ctx.Err() == nil {
			r.log.Warn("old payloads not removed; it is tried again in an hour", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
