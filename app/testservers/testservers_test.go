package testservers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func TestMissingPrograms(t *testing.T) {
	for required, want := range map[string]string{"": "skipped", "1": "failed"} {
		t.Run("REQUIRE_SERVERS="+required, func(t *testing.T) {
			t.Setenv("PATH", t.TempDir())
			t.Setenv("REQUIRE_SERVERS", required)
			r := &recorder{TB: t}
			done := make(chan struct{})
			go func() {
				defer close(done)
				NewRedis(r)
			}()
			<-done
			if r.result != want || !strings.Contains(r.message, install) {
				t.Errorf("%s with %q, want %s with the install command", r.result, r.message, want)
			}
		})
	}
}

// recorder notes how a test ended instead of ending it.
type recorder struct {
	testing.TB
	result, message string
}

func (r *recorder) Skipf(format string, args ...any) {
	r.result, r.message = "skipped", fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.result, r.message = "failed", fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// isRunning says whether there is such a process. One that only waits for its parent to notice its death is not.
func isRunning(t *testing.T, pid int) bool {
	t.Helper()
	state, err := exec.Command("ps", "-o", "stat=", "-p", fmt.Sprint(pid)).Output()
	if _, none := errors.AsType[*exec.ExitError](err); none {
		return false
	}
	must(t, err)
	return !strings.HasPrefix(string(state), "Z")
}
