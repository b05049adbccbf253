package dev

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tidwall/gjson"
	"golang.org/x/term"
)

// defaultWidth is how wide lines are if the width of the terminal is not known.
const defaultWidth = 80

// The colours of what commands print, as ANSI codes.
const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
	grey   = "90"
)

// colours has the colour of each word for a status, an outcome or a result.
var colours = map[string]string{
	"processed": green, "applied": green, "accepted": green, "verified": green, "passed": green, "clear": green, "done": green,
	"false_positive": green, "ok": green,
	"failed": red, "rejected": red, "quarantined": red, "hit": red, "hold": red, "error": red, "true_positive": red,
	"received": yellow, "queued": yellow, "waiting": yellow, "pending": yellow, "in_progress": yellow, "in_review": yellow,
	"open": yellow, "warning": yellow,
	"ignored": grey, "stale": grey, "sandbox": grey, "duplicate": grey, "withdrawn": grey, "not_run": grey, "overtaken": grey,
	"logged": grey,
}

// painter colours text on a terminal, and nowhere else.
type painter bool

// newPainter returns the painter for what is written to w. A NO_COLOR that is not empty turns colours off (no-color.org).
func newPainter(w io.Writer) painter { return painter(isTerminal(w) && os.Getenv("NO_COLOR") == "") }

// paint returns text in a colour. The empty colour leaves it as it is.
func (p painter) paint(colour, text string) string {
	if !p || text == "" || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// word returns a status word in its colour.
func (p painter) word(text string) string { return p.paint(colours[text], text) }

// isTerminal reports whether a reader or writer is a terminal.
func isTerminal(stream any) bool {
	f, isFile := stream.(*os.File)
	return isFile && term.IsTerminal(int(f.Fd()))
}

// lineWidth is how long lines may be: as wide as the terminal that w is, or defaultWidth.
func lineWidth(w io.Writer) int {
	if f, isFile := w.(*os.File); isFile {
		width, _, _ := term.GetSize(int(f.Fd())) // 0 if it is not a terminal
		return cmp.Or(width, defaultWidth)
	}
	return defaultWidth
}

// clean replaces line breaks and control characters by spaces. Some of what is printed comes from senders, and they must not
// control the terminal.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}

// shorten cuts a text to n characters. A text that was cut ends in "…".
func shorten(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:max(n-1, 0)]) + "…"
}

// wrap breaks a text into lines of at most defaultWidth characters. The first line begins with start, and the others are
// indented by its width.
func wrap(start, text string) string {
	indent := strings.Repeat(" ", utf8.RuneCountInString(start))
	lines, line := []string{}, start
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
			line += word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > defaultWidth:
			lines, line = append(lines, line), indent+word
		default:
			line += " " + word
		}
	}
	return strings.Join(append(lines, line), "\n")
}

// printJSON prints a value as one line of JSON.
func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// indent returns JSON on several lines, for people to read.
func indent(raw []byte) (string, error) {
	var b bytes.Buffer
	err := json.Indent(&b, raw, "", "  ")
	lines := strings.Split(b.String(), "\n")
	for i, line := range lines {
		lines[i] = clean(line)
	}
	return strings.Join(lines, "\n"), err
}

// text returns a JSON value as text for people: empty for null and for an empty list.
func text(v gjson.Result) string {
	if !v.IsArray() {
		return v.String()
	}
	var all []string
	for _, x := range v.Array() {
		all = append(all, x.String())
	}
	return strings.Join(all, ", ")
}

// column is a column of a table. If a line is too long, the columns with the highest rank are shortened first. If that is
// not enough, columns are left out, again the highest rank first. A column of rank 0 stays as it is.
type column struct {
	title  string
	member string // the member of a JSON row to show: "a/b" is a, or b if a is empty. The default is the title
	rank   int
	min    int // the fewest characters that it can be shortened to; 0 if it cannot be shortened
	width  int // the initial width; it keeps rows that are printed later aligned with the first ones
}

// gap is how many spaces are between two columns.
const gap = 2

// table prints rows in columns. print can be called again with more rows: the columns grow with their content.
type table struct {
	w        io.Writer
	painter  painter
	columns  []column
	most     int  // the most characters in a line
	indent   int  // spaces before each line
	headless bool // there are no titles to print, or they are printed already
}

// newTable returns a table whose lines fit w.
func newTable(w io.Writer, columns ...column) *table {
	return &table{w: w, painter: newPainter(w), columns: slices.Clone(columns), most: lineWidth(w)}
}

// print prints rows. The first call prints the titles above them. Status words get their colour.
func (t *table) print(rows ...[]string) {
	var titles []string
	for i := range t.columns {
		c := &t.columns[i]
		titles = append(titles, c.title)
		c.width = max(c.width, utf8.RuneCountInString(c.title))
		for _, row := range rows {
			row[i] = clean(row[i])
			c.width = max(c.width, utf8.RuneCountInString(row[i]))
		}
	}
	widths := t.fit()
	if !t.headless {
		t.headless = true
		t.line(titles, widths, func(text string) string { return t.painter.paint(bold, text) })
	}
	for _, row := range rows {
		t.line(row, widths, t.painter.word)
	}
}

// fit returns the width of each column; 0 for those that are left out.
func (t *table) fit() []int {
	var widths, byRank []int    // byRank has the indices of the columns that can be narrowed
	excess := t.indent - t.most // how many characters are too many
	for i, c := range t.columns {
		widths = append(widths, c.width)
		excess += c.width + gap
		if c.rank > 0 {
			byRank = append(byRank, i)
		}
	}
	excess -= gap // none after the last column
	slices.SortStableFunc(byRank, func(a, b int) int { return t.columns[b].rank - t.columns[a].rank })
	for _, i := range byRank {
		if least := t.columns[i].min; least > 0 {
			cut := max(0, min(excess, widths[i]-least))
			widths[i] -= cut
			excess -= cut
		}
	}
	for _, i := range byRank {
		if excess > 0 {
			excess -= widths[i] + gap
			widths[i] = 0
		}
	}
	return widths
}

func (t *table) line(row []string, widths []int, paint func(string) string) {
	line := strings.Repeat(" ", t.indent)
	for i, text := range row {
		if widths[i] > 0 {
			text = shorten(text, widths[i])
			line += paint(text) + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)+gap)
		}
	}
	fmt.Fprintln(t.w, strings.TrimRight(line, " "))
}

// printRows prints rows of the admin API.
func (t *table) printRows(rows []gjson.Result) {
	var all [][]string
	for _, row := range rows {
		var cells []string
		for _, c := range t.columns {
			cells = append(cells, c.text(row))
		}
		all = append(all, cells)
	}
	t.print(all...)
}

// text returns what the column shows of a row.
func (c column) text(row gjson.Result) string {
	for member := range strings.SplitSeq(cmp.Or(c.member, c.title), "/") {
		v := row.Get(member)
		t, err := time.Parse(time.RFC3339Nano, v.Str)
		switch {
		case err == nil:
			return t.UTC().Format("01-02 15:04:05")
		case member == "customer_id" && v.Int() > 0:
			return "customer " + v.Raw
		case member == "aml_hold" && v.Bool():
			return "hold"
		case member != "aml_hold" && text(v) != "":
			return text(v)
		}
	}
	return ""
}

// fields prints names and values, one pair a line. Pairs with an empty value are left out.
func fields(w io.Writer, pairs ...[2]string) {
	painter, widest := newPainter(w), 0
	pairs = slices.DeleteFunc(slices.Clone(pairs), func(p [2]string) bool { return p[1] == "" })
	for _, p := range pairs {
		widest = max(widest, len(p[0]))
	}
	for _, p := range pairs {
		name := fmt.Sprintf("%-*s", widest, p[0])
		fmt.Fprintln(w, painter.paint(grey, name)+"  "+painter.word(clean(p[1])))
	}
}
