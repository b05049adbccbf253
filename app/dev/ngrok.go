package dev

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"
)

const (
	ngrokAPI      = "http://127.0.0.1:4040" // where an agent answers unless it is configured otherwise
	tunnelTimeout = 15 * time.Second        // for a tunnel to open
)

// errNoNgrok says that no agent answers.
var errNoNgrok = errors.New("no ngrok agent answers")

// findTunnel asks the agent at api for the public https URL that it forwards to a port of this machine.
//
// https://ngrok.com/docs/agent/api#list-tunnels
func findTunnel(ctx context.Context, api, port string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, api+"/api/tunnels", nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
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
		return "", fmt.Errorf("%s does not answer as an ngrok agent does: %s", api, resp.Status)
	}
	var others []string
	for _, t := range list.Tunnels {
		if !strings.HasPrefix(t.PublicURL, "https://") {
			continue
		}
		if portOf(t.Config.Addr) == port {
			return t.PublicURL, nil
		}
		others = append(others, clean(t.Config.Addr))
	}
	forwards := "has no https tunnel"
	if len(others) > 0 {
		forwards = "forwards to " + strings.Join(others, ", ")
	}
	return "", fmt.Errorf("the running ngrok agent %s, but the server listens on port %s: stop the agent, or add a tunnel", forwards, port)
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

// tunnel is a public URL that leads to our port.
type tunnel struct {
	url   string
	port  string
	agent *exec.Cmd // nil if somebody else started it
	said  bytes.Buffer
	ended chan struct{} // closed when the agent has ended; said may be read then
}

// openTunnel finds the tunnel to the port of an address. If no agent is running, it starts one.
func openTunnel(ctx context.Context, api, addr string) (*tunnel, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("read port of ADDR: %w", err)
	}
	api = cmp.Or(api, ngrokAPI)
	t := &tunnel{port: port}
	if t.url, err = findTunnel(ctx, api, port); !errors.Is(err, errNoNgrok) {
		return t, err
	}
	program, err := exec.LookPath("ngrok")
	if err != nil {
		return nil, errors.New("no ngrok agent is running, and ngrok is not installed: see https://ngrok.com/download")
	}
	t.agent, t.ended = exec.Command(program, "http", port), make(chan struct{}) //nolint:gosec // a number
	t.agent.Stdout, t.agent.Stderr = &t.said, &t.said
	t.agent.WaitDelay = time.Second // for the processes that it has started
	if err := t.agent.Start(); err != nil {
		return nil, fmt.Errorf("start ngrok: %w", err)
	}
	go func() {
		_ = t.agent.Wait() // the reason is in its output
		close(t.ended)
	}()
	if err := t.open(ctx, api); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// open waits until the agent that was started has its public URL.
func (t *tunnel) open(ctx context.Context, api string) error {
	ctx, cancel := context.WithTimeout(ctx, tunnelTimeout)
	defer cancel()
	var last error
	err := until(ctx, func() (bool, error) {
		if t.url, last = findTunnel(ctx, api, t.port); last == nil {
			return true, nil
		}
		return false, t.alive()
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("ngrok opens no tunnel within %s (%w); this shows more: ngrok http %s", tunnelTimeout, last, t.port)
	}
	return err
}

// ngrokError matches the code that ngrok gives to an error.
var ngrokError = regexp.MustCompile(`ERR_NGROK_\d+`)

// alive returns an error once the agent that was started has ended. Of its output it shows only the code, since the rest may
// hold the user's token.
func (t *tunnel) alive() error {
	if t.agent == nil {
		return nil
	}
	select {
	case <-t.ended:
		code := ngrokError.FindString(t.said.String())
		if code != "" {
			code = " with " + code
		}
		return fmt.Errorf("ngrok has ended%s; this shows why: ngrok http %s", code, t.port)
	default:
		return nil
	}
}

// close stops the agent, if it was started here, and waits for its end.
func (t *tunnel) close() {
	if t.agent == nil {
		return
	}
	if err := t.agent.Process.Signal(syscall.SIGTERM); err != nil { // it has already ended, or this is Windows
		_ = t.agent.Process.Kill()
	}
	select {
	case <-t.ended:
	case <-time.After(3 * time.Second):
		_ = t.agent.Process.Kill()
		<-t.ended
	}
}
