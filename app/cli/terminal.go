package cli

import (
	"io"
	"os"

	"github.com/mattn/go-isatty"
)

// The colours of what commands print, as ANSI codes.
const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
	grey   = "90"
)

// painter colours text on a terminal, and nowhere else.
type painter bool

// newPainter returns the painter for what is written to w. NO_COLOR, if it is not empty, turns colours off (no-color.org).
func newPainter(w io.Writer) painter {
	f, isFile := w.(*os.File)
	return painter(isFile && isatty.IsTerminal(f.Fd()) && os.Getenv("NO_COLOR") == "")
}

// paint returns text in a colour; none leaves it as it is.
func (p painter) paint(colour, text string) string {
	if !p || text == "" || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}
