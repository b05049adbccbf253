//go:build unix

package dev

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// terminalWidth is how many characters fit on a line of the terminal that w is; 0 if it is none.
func terminalWidth(w io.Writer) int {
	f, isFile := w.(*os.File)
	if !isFile {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}
