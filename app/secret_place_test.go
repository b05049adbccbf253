package app

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func add(s string) func([]string) []string {
	return func(have []string) []string { return append(have, s) }
}

func without(s string) func([]string) []string {
	return func(have []string) []string {
		return slices.DeleteFunc(have, func(h string) bool { return h == s })
	}
}

func TestEditVariable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		before string
		f      func([]string) []string
		want   string
	}{
		{"", add("new"), "S=new\n"},
		{"A=1", add("new"), "A=1\nS=new\n"},
		{"# S=old\nS=\n\nA='x # y'  # why\n", add("new"), "# S=old\nS=new\n\nA='x # y'  # why\n"},
		{"A=1\r\nS=old\r\nB = 2\r\n", add("new"), "A=1\r\nS=old,new\r\nB = 2\r\n"},
		{"export S='old'\nA=1", add("new"), "export S=old,new\nA=1"},
		{"S=first\nS=old\n", add("new"), "S=first\nS=old,new\n"},
		{"SS=1\nS=\"old\"", add("$x#"), "SS=1\nS='old,$x#'"},
		{"S=old,new\nA=1\n", without("old"), "S=new\nA=1\n"},
		{"S=old\n", without("old"), "S=\n"},
		{"S = 'old'  # kept\n", without("other"), "S = 'old'  # kept\n"},
	} {
		if got, err := editVariable(c.before, "S", c.f); err != nil || got != c.want {
			t.Errorf("%q: %q, %v; want %q", c.before, got, err, c.want)
		}
	}
	for _, text := range []string{"A=1\nwhat is this\n", "S=\"old,\nolder\"\n", "A='x\nS=old\n'\n"} {
		if got, err := editVariable(text, "S", add("new")); err == nil && !strings.HasSuffix(got, "\nS=new\n") {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestEditList(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		before string
		f      func([]string) []string
		want   string
	}{
		{"", add("new"), "new\n"},
		{"old", add("new"), "old\nnew\n"},
		{" a , b\r\nold\n", add("new"), " a , b\r\nold\nnew\n"},
		{" a , b\r\nold\n", without("old"), " a , b\r\n"},
		{" a , b\r\nold\n", without("a"), "b\r\nold\n"},
		{"old", without("old"), ""},
	} {
		if got := editList(c.before, c.f); got != c.want {
			t.Errorf("%q: %q, want %q", c.before, got, c.want)
		}
	}
}

// TestSecretPlace keeps and forgets secrets in files, and reads them as the server does.
func TestSecretPlace(t *testing.T) {
	elsewhere(t)
	writeFile(t, ".env", "LOG_LEVEL=warn\nTRUSTIST_WEBHOOK_SECRET_FILE=tokens\n")
	writeFile(t, "real", "one")
	if err := os.Symlink("real", "tokens"); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{"trustist": {"one"}}
	for _, provider := range []string{"trst", "trustist"} {
		for _, secret := range []string{"two", "three"} {
			c, err := LoadConfig()
			if err != nil {
				t.Fatal(err)
			}
			place, err := c.SecretPlace(provider)
			if err != nil {
				t.Fatal(err)
			}
			if err := place.Check(); err != nil {
				t.Error(err)
			}
			if err := place.Add(secret); err != nil {
				t.Error(err)
			}
			want[provider] = append(want[provider], secret)
			if c, err = LoadConfig(); err != nil || !cmp.Equal(want, c.Secrets) {
				t.Errorf("%v: %v, want %v", err, c.Secrets, want)
			}
		}
	}
	if err := (SecretPlace{Path: "tokens"}).Remove("one", "two"); err != nil {
		t.Error(err)
	}
	if err := (SecretPlace{".env", "TRST_WEBHOOK_SECRET"}).Remove("two"); err != nil {
		t.Error(err)
	}
	for file, want := range map[string]string{
		"real": "three\n", ".env": "LOG_LEVEL=warn\nTRUSTIST_WEBHOOK_SECRET_FILE=tokens\nTRST_WEBHOOK_SECRET=three\n",
	} {
		text, err := os.ReadFile(file)
		if err != nil || string(text) != want {
			t.Errorf("%s: %q, %v; want %q", file, text, err, want)
		}
		if info, err := os.Stat(file); err != nil || info.Mode() != fs.FileMode(0o600) {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
	}
	if info, err := os.Lstat("tokens"); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("tokens is no link any more: %v, %v", info.Mode(), err)
	}
	if left, err := filepath.Glob("*.*"); err != nil || !cmp.Equal(left, []string{".env"}) {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestNoSecretPlace(t *testing.T) {
	elsewhere(t)
	t.Setenv("TRST_WEBHOOK_SECRET", "in the environment")
	c, err := LoadConfig()
	if err != nil {
		t.Fatal(err)
	}
	want := "TRST_WEBHOOK_SECRET is set in the environment, which wins over .env: unset it, or set TRST_WEBHOOK_SECRET_FILE to a file to keep secrets in"
	if _, err := c.SecretPlace("trst"); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if err := (SecretPlace{".env", "TRST_WEBHOOK_SECRET"}).Check(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(".env"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a check made the file: %v", err)
	}
	if err := (SecretPlace{Path: filepath.Join("no", "such", "folder")}).Check(); err == nil {
		t.Error("a folder that does not exist can keep secrets")
	}
	for _, secret := range []string{"", "a,b", "a\nb", " a", "a'b"} {
		if err := (SecretPlace{Path: "f"}).Add(secret); err == nil {
			t.Errorf("%q was kept", secret)
		}
	}
}
