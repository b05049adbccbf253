//go:build unix

package dev

import (
	"io/fs"
	"os"
	"syscall"
)

// keepOwner gives a file the owner of an older one.
func keepOwner(path string, old fs.FileInfo) error {
	owner, isUnix := old.Sys().(*syscall.Stat_t)
	if !isUnix {
		return nil
	}
	return os.Chown(path, int(owner.Uid), int(owner.Gid))
}
