//go:build !unix

package cli

import "io"

// terminalWidth is 0: lines may be of any length.
func terminalWidth(io.Writer) int { return 0 }
