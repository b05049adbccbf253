package bench

import (
	"io/fs"
	"time"

	"example.com/identity-webhooks/handlers"
)

// Options say what to send, and where to.
type Options struct {
	Samples     fs.FS                        // the folder testdata
	Providers   map[string]handlers.Provider // whose events to send, with the secrets to sign with
	Connections int
	Duration    time.Duration
	Rate        float64 // events per second; 0: as many as are acknowledged
	Repeat      float64 // the share of the acknowledged events that is sent again
	Customers   int     // how many the events are about
	Shuffle     bool    // send a customer's events in any order

	// Program is this very program, which is started as the baseline and, without a URL, as the server to be measured.
	Program string
	Server  string // the server in words, for the report
	URL     string // of a running server, without /webhooks; empty to start one
	// AdminAddr is where the running server's admin API is; Admin calls the one at an address.
	AdminAddr string
	Admin     func(addr string) Get
	// Environ configures the server that is started, in the folder Dir.
	Environ []string
	Dir     string

	Baseline bool   // measure net/http beside it
	Asynq    bool   // measure asynq beside it, on the Redis of RedisURL
	RedisURL string // empty: an embedded queue

	Progress func(text string)
}
