package dev

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
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

// tunnel is a public URL that leads to our server.
type tunnel struct {
	url   string
	ended <-chan error // gets an error when the agent that we started has ended; nil if we did not start one
	close func()       // stops that agent, and waits until it has ended
}

// openTunnel finds the tunnel to the port of a server on this computer. If no agent answers, it starts one, which ends with ctx.
func openTunnel(ctx context.Context, api, server string) (t tunnel, err error) {
	scheme, addr, _ := strings.Cut(server, "://")
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return t, fmt.Errorf("read port of ADDR: %w", err)
	}
	upstream := port
	if scheme == "https" {
		upstream = "https://localhost:" + port
	}
	url, answers, err := findTunnel(ctx, api, port)
	if answers {
		return tunnel{url: url, close: func() {}}, err
	}
	if t, err = startAgent(ctx, upstream); err != nil {
		return t, err
	}
	ctx, cancel := context.WithTimeout(ctx, tunnelTimeout)
	defer cancel()
	var last error
	err = until(ctx, func() (bool, error) {
		t.url, _, last = findTunnel(ctx, api, port)
		return last == nil, t.problem()
	})
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("ngrok opened no tunnel within %s (%w); run this to see more: ngrok http %s", tunnelTimeout, last, upstream)
	}
	if err != nil {
		t.close()
	}
	return t, err
}

// findTunnel asks the agent at api for the public https URL that it forwards to a port of this computer. It also reports
// whether anything answers there.
//
// https://ngrok.com/docs/agent/api#list-tunnels
func findTunnel(ctx context.Context, api, port string) (url string, answers bool, err error) {
	list, err := get[struct {
		Tunnels []struct {
			PublicURL string                `json:"public_url"`
			Config    struct{ Addr string } // such as http://localhost:8080, localhost:8080 or 8080
		}
	}](ctx, admin{base: api}, "/api/tunnels")
	if err != nil {
		e, isAPI := errors.AsType[apiError](err)
		return "", !isAPI || e.status != 0, fmt.Errorf("%s does not answer like an ngrok agent", api)
	}
	forwards := "has no https tunnel"
	for _, t := range list.Tunnels {
		addr := strings.TrimSuffix(t.Config.Addr, "/")
		switch {
		case !strings.HasPrefix(t.PublicURL, "https://"):
		case addr[strings.LastIndexByte(addr, ':')+1:] == port:
			return t.PublicURL, true, nil
		default:
			forwards = "forwards to " + clean(addr)
		}
	}
	return "", true, fmt.Errorf("the running ngrok agent %s, but the server listens on port %s: stop the agent, or add a tunnel",
		forwards, port)
}

// ngrokError matches the code of an ngrok error.
var ngrokError = regexp.MustCompile(`ERR_NGROK_\d+`)

// startAgent starts an ngrok agent that forwards to a port of this computer, or to a URL.
func startAgent(ctx context.Context, upstream string) (tunnel, error) {
	program, err := exec.LookPath("ngrok")
	if err != nil {
		return tunnel{}, errors.New("no ngrok agent is running, and ngrok is not installed: see https://ngrok.com/download")
	}
	ctx, stop := context.WithCancel(ctx)
	agent, output := exec.CommandContext(ctx, program, "http", upstream), &bytes.Buffer{} //nolint:gosec // a number, or a URL made of one
	agent.Stdout, agent.Stderr = output, output
	agent.Cancel = func() error { return agent.Process.Signal(syscall.SIGTERM) }
	agent.WaitDelay = 3 * time.Second // then it is killed
	if err := agent.Start(); err != nil {
		stop()
		return tunnel{}, fmt.Errorf("start ngrok: %w", err)
	}
	ended := make(chan error, 1)
	go func() {
		_ = agent.Wait() // its output says why it has ended; the rest of it may contain the user's token
		code := cmp.Or(ngrokError.FindString(output.String()), "no error code")
		ended <- fmt.Errorf("ngrok has ended with %s; run this to see why: ngrok http %s", code, upstream)
		close(ended)
	}()
	stopAndWait := func() {
		stop()
		for range ended {
		}
	}
	return tunnel{ended: ended, close: stopAndWait}, nil
}

// problem returns an error if the agent that we started has ended.
func (t tunnel) problem() error {
	select {
	case err := <-t.ended:
		return err
	default:
		return nil
	}
}
