//go:build !unix

package dev

import "io/fs"

// keepOwner does nothing: files have no owner that matters.
func keepOwner(string, fs.FileInfo) error { return nil }
