// Command identity-webhooks receives webhooks from identity-verification providers and keeps one correct record per person.
package main

import (
	"context"
	"embed"
	"io/fs"
	"os"
	"os/signal"
	"syscall"

	"example.com/identity-webhooks/app/cli"
)

// samples is the folder testdata. The server learns the providers' fields from it, and the trigger command sends its payloads.
//
//go:embed testdata
var samples embed.FS

func main() {
	os.Exit(run())
}

// run runs the command line and returns the exit code. The first SIGINT, SIGTERM or SIGHUP starts a graceful shutdown. After that, signals
// have their default effect again, so a second one ends the process at once.
func run() int {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	context.AfterFunc(ctx, stop)
	files, err := fs.Sub(samples, "testdata")
	if err != nil {
		panic(err) // the name is a constant
	}
	return cli.Execute(ctx, os.Args[1:], files, os.Stdout, os.Stderr)
}
