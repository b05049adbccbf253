//go:build !unix

package app

// freeBytes is not known.
func freeBytes(string) (free uint64, known bool) { return 0, false }
