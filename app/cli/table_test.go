package cli

import (
	"bytes"
	"testing"
)

// TestTable: lines fit the terminal, and what senders chose stays on its line.
func TestTable(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	table := newTable(&b, "A", "B")
	table.most = 20
	table.rows([][]cell{{{"né", ""}, {"a long error that goes on", ""}}, {{"x\x1b[2J", ""}, {"y\nz", ""}}, {{"w", ""}, {"", ""}}})
	table.painter = true
	table.rows([][]cell{{{"red", red}, {"r", green}}})
	want := "A      B\n" +
		"né     a long error…\n" +
		"x [2J  y z\n" +
		"w\n" +
		"\x1b[31mred\x1b[0m    \x1b[32mr\x1b[0m\n"
	if b.String() != want {
		t.Errorf("got\n%q, want\n%q", b.String(), want)
	}
}
