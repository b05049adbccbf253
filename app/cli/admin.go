package cli

import (
	"context"
	"encoding/json"
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
	return a.decode(ctx, http.MethodGet, path, answer)
}

// post starts what path stands for, and reads what comes back into answer.
func (a *adminClient) post(ctx context.Context, path string, answer any) error {
	return a.decode(ctx, http.MethodPost, path, answer)
}

func (a *adminClient) decode(ctx context.Context, method, path string, answer any) error {
	body, err := a.call(ctx, method, path)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, answer)
}

// call returns the body of a 2xx answer. Any other is a statusError, none at all an unanswered one.
func (a *adminClient) call(ctx context.Context, method, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, nil)
	if err != nil {
		return nil, err
	}
	if a.password != "" {
		req.SetBasicAuth("admin", a.password)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, unanswered{withoutURL(err)}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return nil, unanswered{err}
	}
	if resp.StatusCode/100 != 2 {
		return nil, newStatusError(a.base+path, resp, body)
	}
	return body, nil
}
