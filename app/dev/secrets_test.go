package dev

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/app"
)

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSecretsInEnv: only the secrets of one variable change.
func TestSecretsInEnv(t *testing.T) {
	t.Parallel()
	p := secretPlace{filepath.Join(t.TempDir(), "env"), "NAME"}
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
		"\uFEFFNAME=old\n":                       "NAME=old,new\n",
		"NAMES=x\nMY_NAME=y\n#NAME=z\nNAME=x\n":  "NAMES=x\nMY_NAME=y\n#NAME=z\nNAME=x,new\n",
	} {
		writeFile(t, p.path, before)
		if err := p.add("new"); err != nil || content(t, p.path) != want {
			t.Errorf("%q: got %q, %v; want %q", before, content(t, p.path), err, want)
		}
		if err := p.remove("new"); err != nil || strings.Contains(content(t, p.path), "new") {
			t.Errorf("%q: %v, still in %q", before, err, content(t, p.path))
		}
	}
	for before, want := range map[string]string{
		"NAME=\"a\nb\"\n": "cannot be edited safely",
		"what is this\n":  "a line is not NAME=value",
	} {
		writeFile(t, p.path, before)
		if err := p.add("new"); err == nil || !strings.Contains(err.Error(), want) || content(t, p.path) != before {
			t.Errorf("%q: %v, want %s; now %q", before, err, want, content(t, p.path))
		}
	}
}

func TestSecretsInFile(t *testing.T) {
	t.Parallel()
	p := secretPlace{path: filepath.Join(t.TempDir(), "secrets")}
	writeFile(t, p.path, "\uFEFFold, older\n\nlast")
	if err := p.add("new"); err != nil || content(t, p.path) != "old\nolder\nlast\nnew\n" {
		t.Errorf("%v, %q", err, content(t, p.path))
	}
	if err := p.remove("old"); err != nil || content(t, p.path) != "older\nlast\nnew\n" {
		t.Errorf("%v, %q", err, content(t, p.path))
	}
	for _, secret := range []string{"", "a,b", " a", "a\n", "a'b"} {
		if err := p.add(secret); err == nil {
			t.Errorf("%q is saved", secret)
		}
	}
}

// TestSecretFileKeepsOwnerAndMode: the server must still be able to read a file of its own, and a new one is for its
// owner only.
func TestSecretFileKeepsOwnerAndMode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, link := filepath.Join(dir, "kept"), filepath.Join(dir, "link")
	writeFile(t, path, "A=1\n")
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		if err := os.Chown(path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := (secretPlace{link, "NAME"}).add("new"); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(path)
	if err != nil || os.SameFile(before, after) || after.Mode() != before.Mode() {
		t.Errorf("%v: mode %s, want %s", err, after.Mode(), before.Mode())
	}
	if diff := cmp.Diff(owner(before), owner(after)); diff != "" {
		t.Errorf("owner (-want +got):\n%s", diff)
	}
	fresh := filepath.Join(dir, "fresh")
	if err := (secretPlace{path: fresh}).add("new"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(fresh); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a new file has the mode %v, %v", info.Mode(), err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 3 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

// TestSecretPlace: a secret is not written where the server would not read it.
func TestSecretPlace(t *testing.T) {
	isolate(t)
	writeFile(t, "secrets", "old\n")
	c := app.Config{SecretPaths: map[string]string{"ACME_WEBHOOK_SECRET": "secrets", "LOST_WEBHOOK_SECRET": "no/folder"}}
	for provider, want := range map[string]string{"acme": "secrets", "other": "OTHER_WEBHOOK_SECRET in .env"} {
		if p, err := placeOf(c, provider); err != nil || p.String() != want {
			t.Errorf("%s: %s, %v; want %s", provider, p, err, want)
		}
	}
	t.Setenv("OTHER_WEBHOOK_SECRET", "x")
	if _, err := placeOf(c, "other"); err == nil || !strings.Contains(err.Error(), "wins over .env") {
		t.Errorf("got %v", err)
	}
	if _, err := placeOf(c, "lost"); err == nil {
		t.Error("a secret has a place in a folder that does not exist")
	}
}
