// Package bench measures the app under load: it sends signed, unique events, and checks afterwards that every acknowledged one
// was processed exactly once.
package bench

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"time"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/jobs"
)

// asynqTasks is how many tasks measure asynq. The embedded queue slows down with its length.
const asynqTasks, asynqTasksEmbedded = 20_000, 1000

// Run measures. When ctx is done it stops sending, and reports on what it sent.
func Run(ctx context.Context, o Options) (r Report, err error) {
	r = Report{Server: o.Server, Connections: o.Connections, Rate: o.Rate}
	for name := range o.Providers {
		r.Providers = append(r.Providers, name)
	}
	slices.Sort(r.Providers)
	if o.URL != "" { // who has forgotten to start it need not wait for the baseline to be told
		if _, err := newChecker(ctx, o.Admin(o.AdminAddr)); err != nil {
			return r, err
		}
	}
	if o.Baseline {
		if r.BaselineBefore, err = o.baseline(ctx, r.Providers, "before"); err != nil {
			return r, err
		}
	}
	if ctx.Err() != nil {
		return r, errors.New("interrupted before anything was sent")
	}
	if err := o.server(ctx, &r); err != nil {
		return r, err
	}
	if ctx.Err() == nil {
		err = o.afterwards(ctx, &r)
	}
	if r.Interrupted = ctx.Err() != nil; r.Interrupted {
		err = nil // it is that what could not be measured to its end
	}
	r.compare()
	return r, err
}

// afterwards measures what the server is compared with, once it is gone.
func (o Options) afterwards(ctx context.Context, r *Report) (err error) {
	if o.Baseline {
		if r.BaselineAfter, err = o.baseline(ctx, r.Providers, "after"); err != nil {
			return err
		}
	}
	if !o.Asynq {
		return nil
	}
	o.Progress("asynq with an empty handler")
	n := asynqTasks
	if o.RedisURL == "" {
		n = asynqTasksEmbedded
	}
	rate, err := jobs.EmptyDrain(ctx, o.RedisURL, n)
	if err != nil {
		return fmt.Errorf("measure asynq: %w", err)
	}
	r.AsynqPerSecond = &rate
	return nil
}

// baseline measures the bare server for a third of the time.
func (o Options) baseline(ctx context.Context, names []string, when string) (_ *Speed, err error) {
	s, err := newSource(o.Samples, names, o.Providers, o.Customers, false)
	if err != nil {
		return nil, err
	}
	signer, err := handlers.NewProvider("trustgate", []string{BaselineSecret}, handlers.Settings{})
	if err != nil {
		return nil, err
	}
	c, err := start(ctx, o.Program, os.Environ(), "", "bench", "baseline")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	l := &load{base: &url.URL{Scheme: "http", Host: c.Addr}, source: s, signer: signer, connections: o.Connections, duration: o.Duration / 3}
	all, err := o.watch(ctx, l, "bare net/http + HMAC, "+when)
	return new(all.speed()), err
}

// server measures the app: one that runs, or one that it starts.
func (o Options) server(ctx context.Context, r *Report) (err error) {
	if o.URL != "" {
		return o.measure(ctx, r, 0)
	}
	o.Progress("starting the server")
	c, err := start(ctx, o.Program, o.Environ, o.Dir, "bench", "server")
	if err != nil {
		return err
	}
	o.URL, o.AdminAddr = "http://"+c.Addr, c.AdminAddr
	err = errors.Join(o.measure(ctx, r, c.pid()), c.stop())
	r.ServerLog = c.said()
	return err
}

// measure sends to the server at URL, and checks what became of it. The process's ID, where it is not 0, says what it took.
func (o Options) measure(ctx context.Context, r *Report, pid int) error {
	base, err := url.Parse(o.URL)
	if err != nil {
		return err
	}
	check, err := newChecker(ctx, o.Admin(o.AdminAddr).patient())
	if err != nil {
		return err
	}
	s, err := newSource(o.Samples, r.Providers, o.Providers, o.Customers, o.Shuffle)
	if err != nil {
		return err
	}
	l := &load{base: base, source: s, connections: o.Connections, rate: o.Rate, duration: o.Duration, repeat: o.Repeat}
	before, _ := usageOf(os.Getpid())
	all, err := o.watch(ctx, l, "sending")
	if err != nil {
		return err
	}
	r.sending(all)
	if after, known := usageOf(os.Getpid()); known {
		r.GeneratorCPU = per(after.cpu-before.cpu, len(all.events)+all.repeated)
	}
	v, err := o.settle(ctx, check, s, all)
	if err != nil {
		return err
	}
	r.checked(v)
	if u, known := usageOf(pid); pid != 0 && known {
		r.ServerCPU, r.PeakMemory = per(u.cpu, len(all.events)), &u.peakBytes
	}
	return nil
}

// per returns microseconds per event.
func per(d time.Duration, events int) *float64 {
	if events == 0 {
		return nil
	}
	return new(float64(d.Microseconds()) / float64(events))
}
