//go:build unix

package dev

import (
	"io/fs"
	"syscall"
)

// owner is the user and the group of a file.
func owner(info fs.FileInfo) [2]uint32 {
	s := info.Sys().(*syscall.Stat_t)
	return [2]uint32{s.Uid, s.Gid}
}
