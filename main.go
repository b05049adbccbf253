// Command identity-webhooks receives webhooks from identity-verification providers and keeps one right record per person.
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

// samples are the payloads that the trigger command sends.
//
//go:embed testdata
var samples embed.FS

func main() {
	os.Exit(run())
}

// run returns the exit code. The first SIGINT or SIGTERM asks for a graceful end; by
// then signals have their default meaning again, so that a second one ends the process at once.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	files, err := fs.Sub(samples, "testdata")
	if err != nil {
		panic(err) // the name is a constant
	}
	return cli.Execute(ctx, os.Args[1:], files, os.Stdout, os.Stderr)
}
