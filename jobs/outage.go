package jobs

import (
	"log/slog"
	"time"

	"golang.org/x/time/rate"
)

// outage logs an error that lasts: one line when it begins, one a minute while it lasts, and one when it ends. Only one goroutine may use
// it.
type outage struct {
	log    *slog.Logger
	seldom *rate.Sometimes // nil while all is well
}

// over reports whether there is no outage.
func (o *outage) over() bool { return o.seldom == nil }

// note records the result of an attempt.
func (o *outage) note(message string, err error) {
	switch {
	case err != nil && o.over():
		o.seldom = &rate.Sometimes{First: 1, Interval: time.Minute}
		fallthrough
	case err != nil:
		o.seldom.Do(func() { o.log.Warn(message, "err", err) })
	case !o.over():
		o.seldom = nil
		o.log.Info(message + ": over")
	}
}
