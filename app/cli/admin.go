package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"example.com/identity-webhooks/app"
)

// adminClient calls the admin API of a running server.
type adminClient struct {
	base     string
	password string
	client   http.Client
}

func newAdminClient(c app.Config) *adminClient {
	return &adminClient{"http://" + reachable(c.AdminAddr), c.AdminPassword, http.Client{Timeout: 10 * time.Second}}
}

// get reads path into answer.
func (a *adminClient) get(ctx context.Context, path string, answer any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.base+path, nil)
	if err != nil {
		return err
	}
	if a.password != "" {
		req.SetBasicAuth("admin", a.password)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return fmt.Errorf("ask the admin API: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("ask the admin API: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ask the admin API: %s answers %s: %s", a.base+path, resp.Status, body)
	}
	return json.Unmarshal(body, answer)
}
