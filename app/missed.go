package app

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"example.com/identity-webhooks/handlers"
)

// Poller asks a provider's API for what happened since a time, and returns each event as the body that its webhook would have had.
// Events that came as webhooks too are recognised: a poller need not know which did.
type Poller func(ctx context.Context, c Config, since time.Time) (bodies [][]byte, err error)

// pollers is the table of contents: by provider, who asks for events that were never delivered. None of the four providers documents
// a list of events with their content; add yours here where your contract has one.
var pollers = map[string]Poller{
	// "acme": pollAcme,
}

const (
	// pollEvery is how often a provider is asked.
	pollEvery = 15 * time.Minute
	// pollBack is how much earlier than the last time it is asked for: what is being delivered may be late.
	pollBack = time.Hour
	// pollFirst is how far back the first time goes.
	pollFirst = 24 * time.Hour
	// pollTimeout is what one poller may take.
	pollTimeout = time.Minute
)

// missed polls providers for events that were never delivered, and puts those into the inbox.
type missed struct {
	config   Config
	pollers  map[string]Poller
	active   func() map[string]handlers.Provider
	receiver *handlers.Receiver
	log      *slog.Logger
	now      func() time.Time
	asked    map[string]time.Time // until when each provider was asked without an error
}

func newMissed(c Config, pollers map[string]Poller, active func() map[string]handlers.Provider, r *handlers.Receiver, log *slog.Logger) *missed {
	return &missed{c, pollers, active, r, log, time.Now, map[string]time.Time{}}
}

// Run polls until ctx is done. Errors are logged, and the same time is asked for again.
func (m *missed) Run(ctx context.Context) error {
	if len(m.pollers) == 0 {
		return nil
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		m.round(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// round asks each provider that has a secret once.
func (m *missed) round(ctx context.Context) {
	for _, name := range slices.Sorted(maps.Keys(m.pollers)) {
		p, on := m.active()[name]
		if !on {
			continue
		}
		now := m.now()
		if err := m.poll(ctx, name, p); err != nil {
			if ctx.Err() == nil {
				m.log.Warn("missed events not polled; they are asked for again", "provider", name, "err", err)
			}
			continue
		}
		m.asked[name] = now
	}
}

func (m *missed) poll(ctx context.Context, name string, p handlers.Provider) error {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	since := m.now().Add(-pollFirst)
	if last, before := m.asked[name]; before {
		since = last.Add(-pollBack)
	}
	bodies, err := m.pollers[name](ctx, m.config, since)
	if err != nil {
		return fmt.Errorf("poll %s: %w", name, err)
	}
	for _, body := range bodies {
		if _, err := m.receiver.Take(ctx, name, p, body); err != nil {
			return err
		}
	}
	return nil
}
