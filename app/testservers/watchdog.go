package testservers

import (
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

//go:embed watchdog.sh
var watchdogScript string

// watchdog is a shell that waits for the end of the test process and then stops its servers and removes their files.
//
// The kernel could do the killing on Linux (PR_SET_PDEATHSIG), but not on macOS, and not well: the signal comes when the
// *thread* that forked ends, a paused server ignores every signal but SIGKILL, and SIGKILL makes Postgres leave its children
// and its shared memory behind.
type watchdog struct {
	dir   string    // holds the files of every server
	shell *exec.Cmd // ends when it has cleaned up
	pipe  io.Closer // closed by us, or by the kernel at the end of the test process
}

// watch returns the test process's watchdog, and starts it when it is first asked for.
var watch = sync.OnceValues(func() (*watchdog, error) {
	dir, err := os.MkdirTemp("", "testservers-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for test servers: %w", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // see newDir
		return nil, fmt.Errorf("open the folder of test servers: %w", err)
	}
	shell := exec.Command("sh", "-c", watchdogScript, "watchdog", dir)
	shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // out of reach of Ctrl-C
	pipe, err := shell.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("watch test servers: %w", err)
	}
	if err := shell.Start(); err != nil {
		return nil, fmt.Errorf("watch test servers: %w", err)
	}
	return &watchdog{dir: dir, shell: shell, pipe: pipe}, nil
})

// newDir makes a folder for a server. Other users may enter it, since Postgres runs as one when root runs the tests.
func (w *watchdog) newDir(name string) (string, error) {
	dir, err := os.MkdirTemp(w.dir, name+"-")
	if err != nil {
		return "", fmt.Errorf("make a folder for %s: %w", name, err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", fmt.Errorf("open the folder of %s: %w", name, err)
	}
	return dir, nil
}

// release has everything stopped and removed, and returns when it is.
func (w *watchdog) release() error {
	if err := w.pipe.Close(); err != nil {
		return fmt.Errorf("release test servers: %w", err)
	}
	if err := w.shell.Wait(); err != nil {
		return fmt.Errorf("stop test servers: %w", err)
	}
	return nil
}
