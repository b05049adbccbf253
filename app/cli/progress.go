package cli

import (
	"fmt"
	"io"
	"os"
)

// progress shows what goes on, on one line of a terminal. Where there is none it shows nothing.
type progress struct {
	w        io.Writer
	terminal bool
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w}
	if file, ok := w.(*os.File); ok {
		info, err := file.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

// eraseLine goes to the line's beginning and empties it.
const eraseLine = "\r\x1b[K"

// line replaces what is shown.
func (p *progress) line(text string) {
	if p.terminal {
		fmt.Fprint(p.w, eraseLine+text)
	}
}

// clear takes away what is shown.
func (p *progress) clear() { p.line("") }

// warn prints a line that stays.
func (p *progress) warn(text string) { fmt.Fprintln(p.w, "warning:", text) }
