package dev

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// TestTable: a table that is too wide shortens and leaves out the columns that matter least, and never the others. Rows that come
// later are in line with the earlier ones.
func TestTable(t *testing.T) {
	t.Parallel()
	columns := []column{{title: "ID"}, {title: "NAME", rank: 1, min: 6}, {title: "WHEN", rank: 3}, {title: "DETAIL", rank: 2, min: 8}}
	for most, want := range map[int]string{
		80: "ID  NAME           WHEN       DETAIL\n12  somebody else  yesterday  a long story about nothing\n3   x\n",
		50: "ID  NAME           WHEN       DETAIL\n12  somebody else  yesterday  a long story about …\n3   x\n",
		36: "ID  NAME         WHEN       DETAIL\n12  somebody e…  yesterday  a long …\n3   x\n",
		24: "ID  NAME    DETAIL\n12  someb…  a long …\n3   x\n",
		14: "ID  NAME\n12  someb…\n3   x\n",
		3:  "ID\n12\n3\n",
	} {
		var b strings.Builder
		table := newTable(&b, columns...)
		table.most = most
		table.print([]string{"12", "somebody else", "yesterday", "a long story about nothing"})
		table.print([]string{"3", "x", "", ""})
		if diff := cmp.Diff(want, b.String()); diff != "" {
			t.Errorf("%d characters (-want +got):\n%s", most, diff)
		}
	}
}

func TestControlCharactersAreStripped(t *testing.T) {
	t.Parallel()
	if got, want := clean("a\x1b]0;t\x07b\nc\u200bd\u009b1mé"), "a ]0;t b c d 1mé"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var b strings.Builder
	fields(&b, [2]string{"name", "x\x1b[2J\ny"}, [2]string{"none", ""})
	if got, want := b.String(), "name  x [2J y\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	got, err := indent([]byte("{\"a\":\"\u009b\u200b\"}"))
	if want := "{\n  \"a\": \"  \"\n}"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestColoursAreForTerminals(t *testing.T) {
	t.Parallel()
	for p, want := range map[painter]string{newPainter(io.Discard): "failed", true: "\x1b[31mfailed\x1b[0m"} {
		if got := p.word("failed"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestHelpIsNarrow: every help text fits a terminal of 80 columns.
func TestHelpIsNarrow(t *testing.T) {
	var check func(cmd *cobra.Command, path ...string)
	check = func(cmd *cobra.Command, path ...string) {
		path = append(slices.Clone(path), cmd.Name())
		narrow(t, succeed(t, append(path, "--help")...))
		for _, sub := range cmd.Commands() {
			check(sub, path...)
		}
	}
	for _, cmd := range Commands(Env{}) {
		check(cmd)
	}
}
