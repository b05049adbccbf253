package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/bench"
)

// newBenchServer is the server that bench starts.
func newBenchServer(samples fs.FS) *cobra.Command {
	return &cobra.Command{Use: "server", Hidden: true, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return serveUntil(cmd, func(ctx context.Context) error {
			c, err := app.LoadConfig()
			if err != nil {
				return err
			}
			a, err := app.New(ctx, c, samples, newLog(c, cmd.ErrOrStderr()))
			if err != nil {
				return err
			}
			ready := json.NewEncoder(cmd.OutOrStdout()).Encode(bench.Addresses{Addr: a.Addr(), AdminAddr: a.AdminAddr()})
			return errors.Join(ready, a.Run(ctx))
		})
	}}
}

// newBenchBaseline is the bare server that bench compares with.
func newBenchBaseline() *cobra.Command {
	return &cobra.Command{Use: "baseline", Hidden: true, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return serveUntil(cmd, func(ctx context.Context) error {
			l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
			if err != nil {
				return fmt.Errorf("listen: %w", err)
			}
			ready := json.NewEncoder(cmd.OutOrStdout()).Encode(bench.Addresses{Addr: l.Addr().String()})
			return errors.Join(ready, bench.ServeBaseline(ctx, l))
		})
	}}
}

// serveUntil is for a command that another process started: it runs f until the standard input ends, and with it that process.
// Ctrl+C, which the terminal sends to both, is the other's to understand.
func serveUntil(cmd *cobra.Command, f func(ctx context.Context) error) error {
	ctx, stop := context.WithCancel(context.WithoutCancel(cmd.Context()))
	defer stop()
	go func() { // it ends with the process
		_, _ = cmd.InOrStdin().Read(make([]byte, 1)) // nothing comes
		stop()
	}()
	return f(ctx)
}
