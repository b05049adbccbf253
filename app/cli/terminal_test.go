package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestColoursOnlyOnTerminals(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	})
	if newPainter(file) || newPainter(&bytes.Buffer{}) {
		t.Error("a file and a buffer are coloured")
	}
	if got := painter(false).paint(red, "no"); got != "no" {
		t.Errorf("got %q, want it plain", got)
	}
	if got := painter(true).paint("", "plain"); got != "plain" {
		t.Errorf("got %q, want it plain", got)
	}
	if got := painter(true).paint(red, "no"); got != "\x1b[31mno\x1b[0m" {
		t.Errorf("got %q, want it red", got)
	}
}
