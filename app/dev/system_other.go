//go:build !unix

package dev

import "io/fs"

// keepOwner does nothing: only on Unix do files have an owner to keep.
func keepOwner(string, fs.FileInfo) error { return nil }
