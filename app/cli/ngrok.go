package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// defaultNgrokAPI is where an ngrok agent answers unless it is configured otherwise.
const defaultNgrokAPI = "http://127.0.0.1:4040"

// errNoNgrok says that no agent answers.
var errNoNgrok = errors.New("no ngrok agent answers")

// otherTunnels says that an agent runs, without a tunnel to the port that is wanted.
type otherTunnels struct {
	port string
	to   []string // where its tunnels lead
}

func (e otherTunnels) Error() string {
	led := "has no https tunnel"
	if len(e.to) > 0 {
		led = "forwards to " + strings.Join(e.to, ", ")
	}
	return fmt.Sprintf("the ngrok agent that runs %s; it is to forward to port %s of ADDR: end it, or add a tunnel", led, e.port)
}

// findTunnel asks the agent at api for the public https URL that it forwards to a port of this machine.
//
// https://ngrok.com/docs/agent/api#list-tunnels
func findTunnel(ctx context.Context, api, port string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(api, "/")+"/api/tunnels", nil)
	if err != nil {
		return "", usageError{fmt.Errorf("--ngrok-api: %w", err)}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("%w at %s: %w", errNoNgrok, api, withoutURL(err))
	}
	defer resp.Body.Close()
	var list struct {
		Tunnels []struct {
			PublicURL string `json:"public_url"`
			Config    struct{ Addr string }
		}
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&list); err != nil || resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answers %s, and not as an ngrok agent does", api, resp.Status)
	}
	other := otherTunnels{port: port}
	for _, t := range list.Tunnels {
		if !strings.HasPrefix(t.PublicURL, "https://") {
			continue
		}
		if portOf(t.Config.Addr) == port {
			return t.PublicURL, nil
		}
		other.to = append(other.to, t.Config.Addr)
	}
	return "", other
}

// portOf returns the port of what an agent forwards to, such as http://localhost:8080, localhost:8080 or 8080.
func portOf(addr string) string {
	if _, rest, found := strings.Cut(addr, "://"); found {
		addr, _, _ = strings.Cut(rest, "/")
	}
	if _, port, err := net.SplitHostPort(addr); err == nil {
		return port
	}
	return addr
}
