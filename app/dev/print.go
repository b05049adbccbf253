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

	"github.com/mattn/go-isatty"
	"github.com/tidwall/gjson"
)

// defaultWidth is how wide lines are where nothing says how wide the terminal is.
const defaultWidth = 80

// The colours of what commands print, as ANSI codes.
const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
	grey   = "90"
)

// colours are those of the words for a status, an outcome or a result, whatever they are about.
var colours = map[string]string{
	"processed": green, "applied": green, "accepted": green, "verified": green, "passed": green, "clear": green, "done": green,
	"false_positive": green, "ok": green,
	"failed": red, "rejected": red, "quarantined": red, "hit": red, "hold": red, "error": red, "true_positive": red,
	"received": yellow, "queued": yellow, "waiting": yellow, "pending": yellow, "in_progress": yellow, "in_review": yellow, "open": yellow,
	"warning": yellow,
	"ignored": grey, "stale": grey, "sandbox": grey, "duplicate": grey, "withdrawn": grey, "not_run": grey, "overtaken": grey, "logged": grey,
}

// painter colours text on a terminal, and nowhere else.
type painter bool

// newPainter returns the painter for what is written to w. A NO_COLOR that is not empty turns colours off (no-color.org).
func newPainter(w io.Writer) painter {
	f, isFile := w.(*os.File)
	return painter(isFile && isatty.IsTerminal(f.Fd()) && os.Getenv("NO_COLOR") == "")
}

// paint returns text in a colour. The empty colour leaves it as it is.
func (p painter) paint(colour, text string) string {
	if !p || text == "" || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// word returns a status word in its colour.
func (p painter) word(text string) string { return p.paint(colours[text], text) }

// clean replaces line breaks and all characters that could change the terminal by spaces. Senders choose some of what is
// printed.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}

// shorten cuts a text to n characters, and shows that it did.
func shorten(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:max(n-1, 0)]) + "…"
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

// indent returns JSON on several lines, with what could change the terminal escaped.
func indent(raw []byte) (string, error) {
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return "", err
	}
	var escaped strings.Builder
	for _, r := range b.String() {
		if r != '\n' && !unicode.IsPrint(r) && r <= 0xffff {
			fmt.Fprintf(&escaped, `\u%04x`, r)
		} else {
			escaped.WriteRune(r)
		}
	}
	return escaped.String(), nil
}

// column is a column of a table. Where a line is too long, the columns with the greatest rank are left out first if there is
// no room even for their min, and then shortened first. A column of rank 0 stays as it is.
type column struct {
	title  string
	member string // of a JSON row, as printRows shows it; empty if it is the title. Of "a/b" the first that is not empty
	rank   int
	min    int // characters that it needs at least; 0 if it cannot be shortened
	width  int // characters that it takes from the start, so that later rows are in line with the first
}

// table prints rows in columns. Rows may come later: the columns grow with what they hold.
type table struct {
	w        io.Writer
	painter  painter
	columns  []column
	most     int  // characters in a line
	indent   int  // spaces before each line
	headless bool // no titles are to be printed
}

// lineWidth is how long lines may be: as wide as the terminal that w is, or defaultWidth.
func lineWidth(w io.Writer) int { return cmp.Or(terminalWidth(w), defaultWidth) }

// newTable returns a table whose lines fit w.
func newTable(w io.Writer, columns ...column) *table {
	t := &table{w: w, painter: newPainter(w), columns: slices.Clone(columns), most: lineWidth(w)}
	for i, c := range t.columns {
		t.columns[i].width = max(c.width, utf8.RuneCountInString(c.title))
	}
	return t
}

// print prints rows, before the first of them the titles. Status words get their colour.
func (t *table) print(rows ...[]string) {
	for _, row := range rows {
		for i, text := range row {
			row[i] = clean(text)
			t.columns[i].width = max(t.columns[i].width, utf8.RuneCountInString(row[i]))
		}
	}
	widths := t.fit()
	if !t.headless {
		t.headless = true
		titles := make([]string, len(t.columns))
		for i, c := range t.columns {
			titles[i] = c.title
		}
		t.line(titles, widths, func(text string) string { return t.painter.paint(bold, text) })
	}
	for _, row := range rows {
		t.line(row, widths, t.painter.word)
	}
}

// printRows prints rows of the admin API.
func (t *table) printRows(rows []gjson.Result) {
	var all [][]string
	for _, row := range rows {
		var cells []string
		for _, c := range t.columns {
			value := ""
			for member := range strings.SplitSeq(cmp.Or(c.member, c.title), "/") {
				value = cmp.Or(value, cell(member, row.Get(member)))
			}
			cells = append(cells, value)
		}
		all = append(all, cells)
	}
	t.print(all...)
}

// cell is a member of a row as tables show it.
func cell(member string, v gjson.Result) string {
	t, err := time.Parse(time.RFC3339Nano, v.Str)
	switch {
	case err == nil:
		return t.UTC().Format("01-02 15:04:05")
	case member == "customer_id" && v.Int() > 0:
		return "customer " + v.Raw
	case member == "aml_hold":
		return map[bool]string{true: "hold"}[v.Bool()]
	}
	return text(v)
}

// text is a JSON value as people read it: empty for null and for an empty list.
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

// fit returns how wide each column is to be; 0 for those that are left out.
func (t *table) fit() []int {
	widths, least := make([]int, len(t.columns)), make([]int, len(t.columns))
	var order []int // the columns that give way, the first ones first
	for i, c := range t.columns {
		widths[i], least[i] = c.width, c.width
		if c.min > 0 {
			least[i] = min(c.width, c.min)
		}
		if c.rank > 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return t.columns[b].rank - t.columns[a].rank })
	for _, i := range order {
		if t.total(least) > t.most {
			widths[i], least[i] = 0, 0
		}
	}
	for _, i := range order {
		widths[i] -= min(widths[i]-least[i], max(t.total(widths)-t.most, 0))
	}
	return widths
}

// total is how long a line of columns of these widths is.
func (t *table) total(widths []int) int {
	n := t.indent - 2
	for _, w := range widths {
		if w > 0 {
			n += w + 2
		}
	}
	return n
}

func (t *table) line(row []string, widths []int, paint func(string) string) {
	var b strings.Builder
	gap := t.indent
	for i, text := range row {
		if widths[i] == 0 || text == "" {
			gap += widths[i] + min(widths[i], 1)*2
			continue
		}
		text = shorten(text, widths[i])
		b.WriteString(strings.Repeat(" ", gap) + paint(text))
		gap = widths[i] - utf8.RuneCountInString(text) + 2
	}
	fmt.Fprintln(t.w, b.String())
}

// fields prints names and values, one pair a line. Pairs with an empty value are left out.
func fields(w io.Writer, pairs ...[2]string) {
	painter, widest := newPainter(w), 0
	pairs = slices.DeleteFunc(slices.Clone(pairs), func(p [2]string) bool { return p[1] == "" })
	for _, p := range pairs {
		widest = max(widest, utf8.RuneCountInString(p[0]))
	}
	for _, p := range pairs {
		space := strings.Repeat(" ", widest-utf8.RuneCountInString(p[0])+2)
		fmt.Fprintln(w, painter.paint(grey, p[0])+space+painter.word(clean(p[1])))
	}
}
