package dev

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/app"
)

// place is one in a new folder, with a file that holds this text; none if it is empty.
func place(t *testing.T, variable, text string) secretPlace {
	t.Helper()
	p := secretPlace{filepath.Join(t.TempDir(), "kept"), variable}
	if text != "" {
		if err := os.WriteFile(p.path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSecretsInEnv: all but the secrets of one variable stays, byte for byte.
func TestSecretsInEnv(t *testing.T) {
	t.Parallel()
	for before, want := range map[string]string{
		"":                                       "NAME=new\n",
		"A=1":                                    "A=1\nNAME=new\n",
		"A=1\nNAME=old\nB=2\n":                   "A=1\nNAME=old,new\nB=2\n",
		"NAME=old # of staging\r\nB=2\r\n":       "NAME=old,new # of staging\r\nB=2\r\n",
		"# the secrets\nexport NAME='old' # 1\n": "# the secrets\nexport NAME=old,new # 1\n",
		"NAME = \"old, older\"\n":                "NAME = old,older,new\n",
		"NAME='a$b #c'\nB=2":                     "NAME='a$b #c,new'\nB=2",
		"NAME=\nB=NAME\n":                        "NAME=new\nB=NAME\n",
		"NAME=first\nNAME=old, older\n":          "NAME=first\nNAME=old,older,new\n",
		"\uFEFFNAME=old\n":                       "\uFEFFNAME=old,new\n",
		"NAMES=x\nMY_NAME=y\n#NAME=z\nNAME=x\n":  "NAMES=x\nMY_NAME=y\n#NAME=z\nNAME=x,new\n",
	} {
		p := place(t, "NAME", before)
		if err := p.add("new"); err != nil {
			t.Errorf("%q: %v", before, err)
			continue
		}
		if diff := cmp.Diff(want, content(t, p.path)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", before, diff)
		}
		if err := p.remove("new"); err != nil || strings.Contains(content(t, p.path), "new") {
			t.Errorf("%q: %v, still in %q", before, err, content(t, p.path))
		}
	}
	for before, want := range map[string]string{
		"NAME=\"a\nb\"\n": "cannot be edited safely",
		"what is this\n":  "a line is not NAME=value",
	} {
		p := place(t, "NAME", before)
		if err := p.add("new"); err == nil || !strings.Contains(err.Error(), want) || content(t, p.path) != before {
			t.Errorf("%q: %v, want %s; now %q", before, err, want, content(t, p.path))
		}
	}
}

func TestSecretsInFile(t *testing.T) {
	t.Parallel()
	p := place(t, "", "old, older\n\nlast")
	for _, step := range []struct {
		do           func(string) error
		secret, want string
	}{
		{p.add, "new", "old\nolder\nlast\nnew\n"}, {p.add, "old", "old\nolder\nlast\nnew\n"}, {p.remove, "old", "older\nlast\nnew\n"},
	} {
		if err := step.do(step.secret); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, content(t, p.path)); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
	for _, secret := range []string{"", "a,b", " a", "a\n", "a'b"} {
		if err := p.add(secret); err == nil {
			t.Errorf("%q is kept", secret)
		}
	}
}

// TestSecretFileKeepsOwnerAndMode: the server must still be able to read a file of its own, and a new one is for its owner only.
func TestSecretFileKeepsOwnerAndMode(t *testing.T) {
	t.Parallel()
	p := place(t, "NAME", "A=1\n")
	if os.Getuid() == 0 {
		if err := os.Chown(p.path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.Stat(p.path)
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(filepath.Dir(p.path), "link")
	if err := os.Symlink(p.path, link); err != nil {
		t.Fatal(err)
	}
	if err := (secretPlace{link, "NAME"}).add("new"); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(p.path)
	if err != nil || os.SameFile(before, after) || after.Mode() != before.Mode() {
		t.Errorf("%v: mode %s, want %s", err, after.Mode(), before.Mode())
	}
	if diff := cmp.Diff(owner(before), owner(after)); diff != "" {
		t.Errorf("owner (-want +got):\n%s", diff)
	}
	fresh := place(t, "NAME", "")
	if err := fresh.add("new"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(fresh.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a new file has the mode %v, %v", info.Mode(), err)
	}
	left, err := fs.Glob(os.DirFS(filepath.Dir(p.path)), "kept.*")
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// TestSecretPlace: what the environment or a file decides must not be written elsewhere, and looking for a place changes nothing.
func TestSecretPlace(t *testing.T) {
	isolate(t)
	writeFile(t, "secrets", "old\n")
	c := app.Config{SecretPaths: map[string]string{"acme": "secrets"}}
	for provider, want := range map[string]string{"acme": "secrets", "other": "OTHER_WEBHOOK_SECRET in .env"} {
		if p, err := placeOf(c, provider); err != nil || p.String() != want {
			t.Errorf("%s: %s, %v; want %s", provider, p, err, want)
		}
	}
	if files, err := filepath.Glob("*"); err != nil || len(files) != 1 || content(t, "secrets") != "old\n" {
		t.Errorf("%v, %q holds %q", err, files, content(t, "secrets"))
	}
	t.Setenv("OTHER_WEBHOOK_SECRET", "x")
	if _, err := placeOf(c, "other"); err == nil || !strings.Contains(err.Error(), "wins over .env") {
		t.Errorf("got %v", err)
	}
	if _, err := placeOf(app.Config{SecretPaths: map[string]string{"acme": "no/folder"}}, "acme"); err == nil {
		t.Error("a secret has a place in a folder that is not there")
	}
}
