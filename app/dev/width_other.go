//go:build !unix

package dev

import "io"

// terminalWidth is 0: it is not known.
func terminalWidth(io.Writer) int { return 0 }
