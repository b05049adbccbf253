package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app/bench"
	"example.com/identity-webhooks/handlers"
)

// benchmark is the bench command's flags.
type benchmark struct {
	samples     fs.FS
	url         string
	admin       string
	database    string
	redis       string
	providers   string
	dup         string
	connections int
	customers   int
	rate        float64
	duration    time.Duration
	shuffle     bool
	json        bool
}

func newBench(samples fs.FS) *cobra.Command {
	b := &benchmark{samples: samples}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure the speed, and check that every event was processed exactly once",
		Long: `Signs unique events and sends them, waits until they are processed, and checks through the admin API that every acknowledged
one was processed exactly once: the exit code is 1 if one was lost or applied twice. In the same run it measures a bare net/http
server with the same HMAC, and asynq with an empty handler.

It starts a server of its own, with secrets of its own and a fresh SQLite file in data/, where the default database is. With
DATABASE_URL and REDIS_URL, from the environment or as flags, that server uses those; with --url it measures a server that runs.
Both keep the events. Ctrl+C stops the sending and reports on what was sent.`,
		Example: `  go run . bench
  go run . bench --rate 1000 --duration 30s --dup 5% --shuffle
  go run . bench --database postgres://me@localhost/bench --redis redis://localhost:6379/9
  go run . bench --url http://localhost:8080 --providers all`,
		Args: cobra.NoArgs,
		RunE: b.run,
	}
	f := cmd.Flags()
	f.StringVar(&b.url, "url", "", "measure the server that runs there, which has the secrets of this configuration")
	f.StringVar(&b.admin, "admin", "", "with --url: where its admin API is (default ADMIN_ADDR)")
	f.StringVar(&b.database, "database", "", "the database of the server that is started (default DATABASE_URL of the environment, or a fresh SQLite file)")
	f.StringVar(&b.redis, "redis", "", "its Redis (default REDIS_URL of the environment, or the embedded queue); asynq is measured there, too")
	f.StringVar(&b.providers, "providers", "trustgate", "whose events to send: names separated by commas, or all")
	f.StringVar(&b.dup, "dup", "0%", "send this share of the acknowledged events again")
	f.IntVar(&b.connections, "connections", 32, "send over so many connections")
	f.IntVar(&b.customers, "customers", 10_000, "so many customers, each of whom gets 5 events and more")
	f.Float64Var(&b.rate, "rate", 0, "so many events per second, whose latency counts from when they are due (0: each connection as fast as it can)")
	f.DurationVar(&b.duration, "duration", 10*time.Second, "send for so long; the baseline takes a third of it, twice")
	f.BoolVar(&b.shuffle, "shuffle", false, "send a customer's events in any order")
	f.BoolVar(&b.json, "json", false, "print one JSON object")
	cmd.AddCommand(newBenchServer(samples), newBenchBaseline())
	return cmd
}

func (b *benchmark) run(cmd *cobra.Command, _ []string) (err error) {
	repeat, err := b.check()
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	show := newProgress(cmd.ErrOrStderr())
	o := bench.Options{
		Samples: b.samples, Connections: b.connections, Duration: b.duration, Rate: b.rate, Repeat: repeat, Customers: b.customers, Shuffle: b.shuffle,
		Program: program, Progress: show.line, Providers: map[string]handlers.Provider{},
	}
	if b.url != "" {
		err = b.running(&o)
	} else {
		var clean func() error
		if clean, err = b.own(&o, show); err == nil {
			defer func() { err = errors.Join(err, clean()) }()
		}
	}
	if err != nil {
		return err
	}
	report, err := bench.Run(cmd.Context(), o)
	show.clear()
	if err != nil {
		return err
	}
	if b.json {
		err = json.NewEncoder(cmd.OutOrStdout()).Encode(report)
	} else {
		err = report.WriteTable(cmd.OutOrStdout())
	}
	problem := report.Problem()
	if problem != nil && report.ServerLog != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), report.ServerLog)
	}
	return errors.Join(err, problem)
}
