package app_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// With a full disk under SQLite the receiver refuses within two seconds, so that the provider sends it again, is not ready, and its log
// says why. When there is space again it goes on by itself. No event has used up its attempts meanwhile.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	v := anyVerdicts(t)
	disk := smallDisk(t, 16<<20) // room for the log of writes, which takes 4 MiB
	r := start(t, backend{databaseURL: "sqlite:" + filepath.Join(disk, "webhooks.db")})
	ids := r.acceptNew(20)
	ballast := filepath.Join(disk, "ballast")
	fill(t, ballast)
	refused := map[string][]byte{}
	for len(refused) < 5 { // the log that SQLite appends to has some space left
		id, body := v.verified()
		started := time.Now()
		status, _ := r.send(v.provider, body)
		switch took := time.Since(started); {
		case status == http.StatusOK:
			ids = append(ids, id)
			fill(t, ballast)
		case status != http.StatusServiceUnavailable || took > 2*time.Second:
			t.Fatalf("answered %d after %s, want 503 within 2 s", status, took)
		default:
			refused[id] = body
		}
	}
	r.eventually("it is not ready", func() bool { return r.ready() == http.StatusServiceUnavailable })
	log := r.log.String()
	if !strings.Contains(log, "database or disk is full") {
		t.Errorf("the log does not say that the disk is full:\n%s", log)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for id, body := range refused {
		r.eventually("deliveries are accepted again", func() bool {
			status, _ := r.send(v.provider, body)
			return status == http.StatusOK
		})
		ids = append(ids, id)
	}
	r.eventually("it is ready", func() bool { return r.ready() == http.StatusOK })
	r.settle()
	r.applied(ids)
	for _, e := range r.events("") {
		if e.Attempts > 2 {
			t.Errorf("event %d took %d attempts, want the full disk to cost one at the most", e.ID, e.Attempts)
		}
	}
}

// smallDisk mounts a file system of so many bytes in memory, until the test ends. Without the right to mount, the test is skipped.
func smallDisk(t *testing.T, bytes int) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+strconv.Itoa(bytes))
	if errors.Is(err, syscall.EPERM) && os.Getenv("REQUIRE_SERVERS") != "1" {
		t.Skip("needs the right to mount a file system: run it as root")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill makes the file grow until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	_ = f.Close()
}
