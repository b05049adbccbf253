package jobs

import (
	"log/slog"
	"sync"
	"time"
)

// outageLine is how often a lasting outage is logged.
const outageLine = time.Minute

// Outage logs an error that lasts: one line when it begins, one a minute while it lasts, and one when it is over. Parts of the program that
// need the same thing share one.
type Outage struct {
	message string
	log     *slog.Logger
	now     func() time.Time

	mu     sync.Mutex
	began  time.Time // zero while all is well
	logged time.Time
}

// NewOutage returns an Outage whose lines begin with message.
func NewOutage(message string, log *slog.Logger) *Outage {
	return &Outage{message: message, log: log, now: time.Now}
}

// Lasts reports whether there is an outage.
func (o *Outage) Lasts() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.began.IsZero()
}

// Note records the result of an attempt: an error begins an outage, and nil ends it.
func (o *Outage) Note(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	switch {
	case err == nil && o.began.IsZero():
	case err == nil:
		o.log.Info(o.message+": over", "after", now.Sub(o.began).Round(time.Millisecond).String())
		o.began = time.Time{}
	case o.began.IsZero():
		o.began, o.logged = now, now
		o.log.Error(o.message, "err", err)
	case now.Sub(o.logged) >= outageLine:
		o.logged = now
		o.log.Error(o.message, "err", err, "for", now.Sub(o.began).Round(time.Second).String())
	}
}
