package cli

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
)

func newHealthcheck() *cobra.Command {
	return &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask the server on ADDR whether it is ready",
		Long: `Asks /readyz of the server on ADDR, in any role, and waits two seconds at most.
It is the health check of the container, whose image has no curl.

Exit codes: 0 if it is ready, 1 if it is not, 2 if the configuration is wrong.`,
		Example: "  go run . healthcheck",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			environ, err := app.Environ()
			if err != nil {
				return err
			}
			c, err := app.ReadConfig(environ) // unlike LoadConfig, it creates nothing
			if err != nil {
				return app.UsageError{Err: err}
			}
			req, err := http.NewRequestWithContext(cmd.Context(), http.MethodGet, c.PublicScheme()+"://"+reachable(c.Addr)+"/readyz", nil)
			if err != nil {
				return err
			}
			// It calls this machine, but the certificate is for the name that providers use.
			anyName := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // nothing secret is sent or read
			resp, err := (&http.Client{Timeout: 2 * time.Second, Transport: anyName}).Do(req)
			if err != nil {
				return fmt.Errorf("ask the server: %w", err)
			}
			if err := resp.Body.Close(); err != nil {
				return fmt.Errorf("ask the server: %w", err)
			}
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("%s answers %s", req.URL, resp.Status)
			}
			fmt.Fprintln(cmd.OutOrStdout(), "ready")
			return nil
		},
	}
}
