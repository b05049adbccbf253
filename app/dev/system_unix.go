//go:build unix

package dev

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// keepOwner gives a file the owner of an older one.
func keepOwner(path string, old fs.FileInfo) error {
	now, err := os.Stat(path)
	if err != nil {
		return err
	}
	was, isUnix := old.Sys().(*syscall.Stat_t)
	is, _ := now.Sys().(*syscall.Stat_t)
	if !isUnix || was.Uid == is.Uid && was.Gid == is.Gid {
		return nil
	}
	return os.Chown(path, int(was.Uid), int(was.Gid))
}

// freeBytes is how much this user may still write to the disk of a folder.
func freeBytes(dir string) (free uint64, known bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return uint64(s.Bavail) * uint64(s.Bsize), true //nolint:gosec,unconvert // neither is below zero, and their types depend on the system
}
