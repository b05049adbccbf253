package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

const (
	startTimeout = 30 * time.Second // of a server, migrations included
	stopTimeout  = 20 * time.Second

	maxSaid = 4 << 10 // bytes of what it said
)

// Addresses are where a child listens. It prints them on one line of JSON when it is ready, and ends when its standard input
// does: so it outlives nobody, and Ctrl+C, which the terminal sends to both, does not end it before its time.
type Addresses struct {
	Addr      string `json:"addr"`
	AdminAddr string `json:"admin_addr,omitempty"`
}

// child is this program as another process, so that its time and memory are its own.
type child struct {
	Addresses
	cmd    *exec.Cmd
	stdin  io.Closer
	stderr bytes.Buffer // to be read when it has ended
	ended  chan error
}

// start starts the program and waits for its addresses.
func start(ctx context.Context, program string, environ []string, dir string, args ...string) (*child, error) {
	c := &child{cmd: exec.Command(program, args...), ended: make(chan error, 1)} //nolint:gosec // this very program
	c.cmd.Env, c.cmd.Dir, c.cmd.Stderr = environ, dir, &c.stderr
	stdin, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	c.stdin = stdin
	out, in := io.Pipe()
	c.cmd.Stdout = in
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", strings.Join(args, " "), err)
	}
	go func() {
		err := c.cmd.Wait()
		_ = in.Close() // always nil
		c.ended <- err
	}()
	ready := make(chan error, 1)
	go func() {
		line, err := bufio.NewReader(out).ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(line, &c.Addresses)
		}
		ready <- err
		_, _ = io.Copy(io.Discard, out) // until it ends
	}()
	select {
	case err = <-ready:
	case <-time.After(startTimeout):
		err = errors.New("it did not get ready in time")
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		if ended := c.stop(); ended != nil {
			err = ended // and says why
		}
		return nil, fmt.Errorf("start %s: %w", strings.Join(args, " "), err)
	}
	return c, nil
}

// pid is the process's ID.
func (c *child) pid() int { return c.cmd.Process.Pid }

// stop ends the process and waits for that. Its error includes what the process said.
func (c *child) stop() error {
	_ = c.stdin.Close() // it may be gone already
	var err error
	select {
	case err = <-c.ended:
	case <-time.After(stopTimeout):
		err = errors.Join(errors.New("it did not stop in time"), c.cmd.Process.Kill(), <-c.ended)
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, strings.ReplaceAll(c.said(), "error: ", ""))
	}
	return nil
}

// said is the end of what a process that has stopped wrote to its standard error.
func (c *child) said() string {
	text := c.stderr.String()
	if over := len(text) - maxSaid; over > 0 {
		_, text, _ = strings.Cut(text[over:], "\n")
	}
	return strings.TrimSpace(text)
}
