package dev

import (
	"bytes"
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

var errNoNgrok = errors.New("no ngrok agent answers")

// findTunnel asks the agent at api for the public https URL that it forwards to a port of this computer.
//
// https://ngrok.com/docs/agent/api#list-tunnels
func findTunnel(ctx context.Context, api, port string) (string, error) {
	list, err := get[struct {
		Tunnels []struct {
			PublicURL string                `json:"public_url"`
			Config    struct{ Addr string } // such as http://localhost:8080, localhost:8080 or 8080
		}
	}](ctx, admin{base: api}, "/api/tunnels")
	if e, isAPI := errors.AsType[apiError](err); isAPI && e.status == 0 {
		return "", errNoNgrok
	}
	if err != nil {
		return "", fmt.Errorf("%s does not answer like an ngrok agent", api)
	}
	forwards := "has no https tunnel"
	for _, t := range list.Tunnels {
		addr := strings.TrimSuffix(t.Config.Addr, "/")
		switch {
		case !strings.HasPrefix(t.PublicURL, "https://"):
		case addr[strings.LastIndexByte(addr, ':')+1:] == port:
			return t.PublicURL, nil
		default:
			forwards = "forwards to " + clean(addr)
		}
	}
	return "", fmt.Errorf("the running ngrok agent %s, but the server listens on port %s: stop the agent, or add a tunnel",
		forwards, port)
}

// tunnel is a public URL that leads to our port. The agent is ours if it was started here.
type tunnel struct {
	url    string
	port   string
	output bytes.Buffer  // of our agent, to be read when it has ended
	ended  chan struct{} // closed when our agent has ended; nil if it is not ours
	close  func()        // stops our agent, and waits until it has ended
}

// openTunnel finds the tunnel to the port of an address. If no agent is running, it starts one, which ends with ctx.
func openTunnel(ctx context.Context, api, addr string) (*tunnel, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("read port of ADDR: %w", err)
	}
	t := &tunnel{port: port, close: func() {}}
	if t.url, err = findTunnel(ctx, api, port); !errors.Is(err, errNoNgrok) {
		return t, err
	}
	if err := t.startAgent(ctx); err != nil {
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, tunnelTimeout)
	defer cancel()
	var last error
	err = until(wait, func() (bool, error) {
		t.url, last = findTunnel(wait, api, port)
		return last == nil, t.alive()
	})
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("ngrok opened no tunnel within %s (%w); this shows more: ngrok http %s", tunnelTimeout, last, port)
	}
	if err != nil {
		t.close()
	}
	return t, err
}

func (t *tunnel) startAgent(ctx context.Context) error {
	program, err := exec.LookPath("ngrok")
	if err != nil {
		return errors.New("no ngrok agent is running, and ngrok is not installed: see https://ngrok.com/download")
	}
	ctx, stop := context.WithCancel(ctx)
	agent := exec.CommandContext(ctx, program, "http", t.port) //nolint:gosec // a number
	agent.Stdout, agent.Stderr = &t.output, &t.output
	agent.Cancel = func() error { return agent.Process.Signal(syscall.SIGTERM) }
	agent.WaitDelay = 3 * time.Second // then it is killed
	if err := agent.Start(); err != nil {
		stop()
		return fmt.Errorf("start ngrok: %w", err)
	}
	t.ended = make(chan struct{})
	t.close = func() {
		stop()
		<-t.ended
	}
	go func() {
		_ = agent.Wait() // its output says why it has ended
		close(t.ended)
	}()
	return nil
}

// ngrokError matches the code of an ngrok error.
var ngrokError = regexp.MustCompile(`ERR_NGROK_\d+`)

// alive returns an error if our agent has ended. Of its output it shows only the code: the rest may contain the user's token.
func (t *tunnel) alive() error {
	select {
	case <-t.ended:
		code := ngrokError.FindString(t.output.String())
		if code != "" {
			code = " with " + code
		}
		return fmt.Errorf("ngrok has ended%s; this shows why: ngrok http %s", code, t.port)
	default:
		return nil
	}
}
