package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// cell is a text of a table, and its colour; empty for none.
type cell struct{ text, colour string }

// table prints rows in columns. Rows may come later: the columns grow with what they hold.
type table struct {
	w       io.Writer
	painter painter
	head    []cell // to be printed before the first row
	widths  []int  // of the columns, in characters
	most    int    // of a line; 0 where it may be of any length
}

// newTable returns a table that begins with the names of its columns. On a terminal no line is longer than that is wide.
func newTable(w io.Writer, columns ...string) *table {
	t := &table{w: w, painter: newPainter(w), most: terminalWidth(w), widths: make([]int, len(columns))}
	for _, name := range columns {
		t.head = append(t.head, cell{name, bold})
	}
	return t
}

// rows prints some rows. Only the last column is shortened to fit.
func (t *table) rows(rows [][]cell) {
	if t.head != nil {
		rows, t.head = append([][]cell{t.head}, rows...), nil
	}
	for _, row := range rows {
		for i, c := range row {
			t.widths[i] = max(t.widths[i], utf8.RuneCountInString(c.text))
		}
	}
	for _, row := range rows {
		fmt.Fprintln(t.w, t.line(row))
	}
}

func (t *table) line(row []cell) string {
	var b strings.Builder
	last := len(row) - 1
	for last > 0 && row[last].text == "" {
		last-- // no spaces at the end
	}
	used := 0
	for i, c := range row[:last+1] {
		text := oneLine(c.text)
		if i == len(row)-1 && t.most > 0 {
			text = shorten(text, t.most-used)
		}
		b.WriteString(t.painter.paint(c.colour, text))
		if i < last {
			b.WriteString(strings.Repeat(" ", t.widths[i]-utf8.RuneCountInString(text)+2))
			used += t.widths[i] + 2
		}
	}
	return b.String()
}

// oneLine takes out what would leave the line or change the terminal: senders choose some of what is shown.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}

// shorten cuts a text to so many characters, at least 10, and shows that it did.
func shorten(text string, most int) string {
	most = max(most, 10)
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}
