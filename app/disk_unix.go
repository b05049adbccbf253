//go:build unix

package app

import "golang.org/x/sys/unix"

// freeBytes is how much this user may still write to the disk of a folder.
func freeBytes(dir string) (free uint64, known bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return uint64(s.Bavail) * uint64(s.Bsize), true //nolint:gosec,unconvert // neither is below zero, and their types depend on the system
}
