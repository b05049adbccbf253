package cli

import (
	"fmt"
	"io"
	"strings"

	"example.com/identity-webhooks/models"
)

// fields prints names and values of one thing, a line each. What is empty is left out.
type fields struct {
	table *table
	rows  [][]cell
}

func newFields(w io.Writer) *fields {
	t := newTable(w, "", "")
	t.head, t.most = nil, 0
	return &fields{table: t}
}

func (f *fields) add(name string, value any) {
	text := ""
	switch v := value.(type) {
	case models.Time:
		if !v.IsZero() {
			text = v.Format("2006-01-02T15:04:05.999999Z07:00")
		}
	case models.Strings:
		text = strings.Join(v, ", ")
	case *int:
		if v != nil {
			text = fmt.Sprint(*v)
		}
	case *int64:
		if v != nil {
			text = fmt.Sprint(*v)
		}
	default:
		text = fmt.Sprint(v)
	}
	f.paint(name, cell{text, ""})
}

// paint adds a value with a colour.
func (f *fields) paint(name string, value cell) {
	if value.text != "" {
		f.rows = append(f.rows, []cell{{name, grey}, value})
	}
}

// print prints what was added.
func (f *fields) print() { f.table.rows(f.rows) }
