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

	"github.com/google/uuid"
	"github.com/tidwall/gjson"
)

// With a full disk under SQLite the receiver refuses within two seconds, so that the provider sends it again, and its log says why.
// When there is space again it goes on by itself; no event has used up its attempts meanwhile.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 4<<20)
	r := start(t, backend{databaseURL: "sqlite:" + filepath.Join(disk, "webhooks.db")})
	ids := r.accepted(20)
	ballast := fill(t, disk)
	refused := 0
	var waiting [][]byte
	for refused < 5 { // the log that SQLite appends to has some space left
		body := reviewed(t, uuid.NewString(), "approved", now)
		started := time.Now()
		status, _ := r.send("trustgate", body)
		switch took := time.Since(started); {
		case status == http.StatusOK:
			ids = append(ids, gjson.GetBytes(body, "event_id").Str)
			fillMore(t, ballast)
		case status != http.StatusServiceUnavailable || took > 2*time.Second:
			t.Fatalf("answered %d after %s, want 503 within 2 s", status, took)
		default:
			refused++
			waiting = append(waiting, body)
		}
	}
	log := r.log.String()
	if !strings.Contains(log, "database or disk is full") || !strings.Contains(log, "delivery not stored") {
		t.Errorf("the log does not say that the disk is full:\n%s", log)
	}
	if n := strings.Count(log, "level=ERROR"); n > 2*refused {
		t.Errorf("%d lines of errors for %d refused deliveries", n, refused)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for _, body := range waiting {
		r.eventually("deliveries are accepted again", func() bool {
			status, _ := r.send("trustgate", body)
			return status == http.StatusOK
		})
		ids = append(ids, gjson.GetBytes(body, "event_id").Str)
	}
	r.settle()
	r.applied(ids)
	for _, e := range r.events("") {
		if e.Attempts > 2 {
			t.Errorf("event %d took %d attempts, want the full disk to cost one at the most", e.ID, e.Attempts)
		}
	}
}

// smallDisk mounts a file system of so many bytes in memory, until the test ends. Without the right to mount the test is skipped.
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

// fill takes all the space that is left on a disk, with a file whose path it returns.
func fill(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	fillMore(t, path)
	return path
}

// fillMore makes the file grow until the disk is full.
func fillMore(t *testing.T, path string) {
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
