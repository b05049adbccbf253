package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/models"
)

// longWait is how long an event may wait before somebody should look.
const longWait = time.Minute

// checkPublic checks that ADDR is free, or taken by a server of ours.
func checkPublic(ctx context.Context, addr string) app.Check {
	if healthy(ctx, addr) {
		return app.Check{Name: "ADDR", Result: app.Fine, Says: "a server of ours answers on " + addr}
	}
	return checkFree(ctx, "ADDR", addr)
}

// healthy reports whether /healthz answers as ours does.
func healthy(ctx context.Context, addr string) bool {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+reachable(addr)+"/healthz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	return err == nil && resp.StatusCode == http.StatusOK && string(body) == `{"status":"ok"}`
}

// checkFree checks that a server can listen on an address.
func checkFree(ctx context.Context, name, addr string) app.Check {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err == nil {
		err = l.Close()
	}
	if err != nil {
		return app.Check{
			Name: name, Result: app.Problem, Says: fmt.Sprintf("no server of ours answers, and none can listen: %v", err),
			Do: "end what listens there, or set " + name + " to another port",
		}
	}
	return app.Check{Name: name, Result: app.Fine, Says: addr + " is free: no server runs yet"}
}

// stats is what /api/stats says.
type stats struct {
	Events  map[models.EventStatus]int `json:"events"`
	Waiting float64                    `json:"oldest_waiting_seconds"`
}

// checkAdmin checks ADMIN_ADDR and, where a server answers there, what waits in its inbox.
func checkAdmin(ctx context.Context, c app.Config) []app.Check {
	var s stats
	err := newAdminClient(c).get(ctx, "/api/stats", &s)
	silent, isSilent := errors.AsType[unanswered](err)
	status, isStatus := errors.AsType[statusError](err)
	switch {
	case err == nil && s.Events != nil:
		return append([]app.Check{{Name: "ADMIN_ADDR", Result: app.Fine, Says: "the admin API answers on " + c.AdminAddr}}, judgeInbox(s)...)
	case isSilent && silent.refused():
		return []app.Check{checkFree(ctx, "ADMIN_ADDR", c.AdminAddr)}
	case isStatus && status.status == http.StatusUnauthorized:
		return []app.Check{{
			Name: "ADMIN_ADDR", Result: app.Problem, Says: "what answers on " + c.AdminAddr + " wants another password",
			Do: "set ADMIN_PASSWORD to that of the server",
		}}
	case isStatus && status.said != "":
		return []app.Check{{Name: "ADMIN_ADDR", Result: app.Problem, Says: status.Error(), Do: "see the server's log"}}
	case isSilent:
		return []app.Check{{Name: "ADMIN_ADDR", Result: app.Problem, Says: silent.Error(), Do: "see what hangs there"}}
	}
	return []app.Check{{
		Name: "ADMIN_ADDR", Result: app.Problem, Says: "something else answers on " + c.AdminAddr,
		Do: "end it, or set ADMIN_ADDR to another port",
	}}
}

func judgeInbox(s stats) []app.Check {
	var checks []app.Check
	add := func(says, do string) {
		checks = append(checks, app.Check{Name: "inbox", Result: app.Warning, Says: says, Do: do})
	}
	if waits := time.Duration(s.Waiting * float64(time.Second)).Round(time.Second); waits >= longWait {
		add(fmt.Sprintf("the oldest event that is not processed came %s ago", waits), "see the log for why: does a worker run, and Redis answer? A paced replay takes long, too")
	}
	if n := s.Events[models.Failed]; n > 0 {
		add(countEvents(n)+" failed", "go run . events --status failed; once the reason is mended: go run . resend --failed")
	}
	if n := s.Events[models.Quarantined]; n > 0 {
		add(countEvents(n)+" quarantined, and will not be applied", "go run . events --status quarantined; ask the provider what they mean")
	}
	if checks == nil {
		total := 0
		for _, n := range s.Events {
			total += n
		}
		checks = append(checks, app.Check{Name: "inbox", Result: app.Fine, Says: countEvents(total) + ", of which none failed or waits for long"})
	}
	return checks
}
