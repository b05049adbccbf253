package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"sync"
	"syscall"
	"time"
)

// tunnelTimeout is how long a tunnel may take to open.
const tunnelTimeout = 15 * time.Second

// tunnel is a way from the world to our port.
type tunnel struct {
	url   string
	agent *ngrokProcess // nil where somebody else has started it
}

// openTunnel finds the tunnel to addr's port. Where no agent runs it starts one.
func openTunnel(ctx context.Context, api, addr string) (*tunnel, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("read port of ADDR: %w", err)
	}
	url, err := findTunnel(ctx, api, port)
	if err == nil {
		return &tunnel{url: url}, nil
	}
	if !errors.Is(err, errNoNgrok) {
		return nil, err
	}
	agent, err := startNgrok(port)
	if err != nil {
		return nil, err
	}
	t := &tunnel{agent: agent}
	if t.url, err = agent.await(ctx, api); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// alive reports whether the agent that was started has ended.
func (t *tunnel) alive() error {
	if t.agent == nil {
		return nil
	}
	select {
	case <-t.agent.ended:
		return t.agent.failure()
	default:
		return nil
	}
}

// close ends the agent, if it was started here.
func (t *tunnel) close() {
	if t.agent != nil {
		t.agent.stop()
	}
}

// ngrokProcess is an agent that was started here.
type ngrokProcess struct {
	cmd   *exec.Cmd
	port  string
	said  tail
	ended chan struct{} // closed when it has
}

func startNgrok(port string) (*ngrokProcess, error) {
	program, err := exec.LookPath("ngrok")
	if err != nil {
		return nil, errors.New("no ngrok agent runs, and ngrok is not installed: https://ngrok.com/download says how, " +
			"then: ngrok config add-authtoken <yours>")
	}
	n := &ngrokProcess{cmd: exec.Command(program, "http", port), port: port, ended: make(chan struct{})} //nolint:gosec // a number
	n.cmd.Stdout, n.cmd.Stderr = &n.said, &n.said
	n.cmd.WaitDelay = time.Second // for whatever it has started itself
	if err := n.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start ngrok: %w", err)
	}
	go func() {
		_ = n.cmd.Wait() // why it ended is in what it said
		close(n.ended)
	}()
	return n, nil
}

// await returns the public URL once the agent has it.
func (n *ngrokProcess) await(ctx context.Context, api string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, tunnelTimeout)
	defer cancel()
	for {
		url, err := findTunnel(ctx, api, n.port)
		if err == nil {
			return url, nil
		}
		select {
		case <-n.ended:
			return "", n.failure()
		case <-ctx.Done():
			return "", fmt.Errorf("ngrok opens no tunnel within %s (%w); see what it says: ngrok http %s", tunnelTimeout, err, n.port)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// failure names what ngrok calls the reason of its end. What else it says may hold the user's token.
func (n *ngrokProcess) failure() error {
	code := regexp.MustCompile(`ERR_NGROK_\d+`).FindString(n.said.String())
	if code != "" {
		code = " with " + code
	}
	return fmt.Errorf("ngrok has ended%s; see what it says: ngrok http %s", code, n.port)
}

// stop ends the process and waits for that.
func (n *ngrokProcess) stop() {
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil { // it has ended by itself, or this is Windows
		_ = n.cmd.Process.Kill()
	}
	select {
	case <-n.ended:
	case <-time.After(3 * time.Second):
		_ = n.cmd.Process.Kill()
		<-n.ended
	}
}

// tail keeps the last few KB of what is written to it.
type tail struct {
	mu   sync.Mutex
	kept bytes.Buffer
}

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept.Write(b)
	if more := t.kept.Len() - 8<<10; more > 0 {
		t.kept.Next(more)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.kept.String()
}
