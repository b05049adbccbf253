package testservers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestNothingIsLeft runs this test binary again for each of ends.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	for name := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			NewRedis(t) // skips the test where there is none
			if strings.Contains(name, "paused") {
				DatabaseURL(t)
			}
			child := exec.Command(os.Args[0], "-test.run=^TestThatEnds$")
			child.Env = append(os.Environ(), "TEST_ENDS_BY="+name)
			out, err := child.Output() // which would hang if the servers had its standard output
			if _, failed := errors.AsType[*exec.ExitError](err); !failed {
				must(t, err)
			}
			line, _, _ := strings.Cut(string(out), "\n")
			dir, pids, found := strings.Cut(line, " ")
			if !found {
				t.Fatalf("output: %s", out)
			}
			if name == "return" && exists(dir) {
				t.Error("Main has not waited for the watchdog")
			}
			await(t, "the end of "+dir, func() bool { return !exists(dir) })
			for _, field := range strings.Fields(pids) {
				pid, err := strconv.Atoi(field)
				must(t, err)
				await(t, "the end of process "+field, func() bool { return !isRunning(t, pid) })
			}
		})
	}
}

// ends are ways in which a test process ends: none of them by the cleanup of a test, just as with the shared server.
var ends = map[string]func(*testing.T){
	"return": func(t *testing.T) {
		r, err := launchRedis()
		must(t, err)
		report(t, r.server)
	},
	"panic": func(t *testing.T) {
		r, err := launchRedis()
		must(t, err)
		report(t, r.server)
		go panic("as go test -timeout does")
		select {}
	},
	"kill while paused": func(t *testing.T) {
		pg, err := launchPostgres()
		must(t, err)
		report(t, pg.server)
		_, err = sendFamily(syscall.SIGSTOP, pg.pid)
		must(t, err)
		must(t, syscall.Kill(os.Getpid(), syscall.SIGKILL))
	},
}

// TestThatEnds is what TestNothingIsLeft runs.
func TestThatEnds(t *testing.T) {
	end, asked := ends[os.Getenv("TEST_ENDS_BY")]
	if !asked {
		t.Skip("TEST_ENDS_BY is not set")
	}
	end(t)
}

// report tells TestNothingIsLeft what there is now.
func report(t *testing.T, s *server) {
	t.Helper()
	pids, err := children(s.pid)
	must(t, err)
	w, err := watch()
	must(t, err)
	fmt.Println(w.dir, s.pid, strings.Trim(fmt.Sprint(pids), "[]"))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
