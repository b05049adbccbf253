package app_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/subscriptions"
	"example.com/identity-webhooks/handlers"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The README's configuration table and .env.example name exactly the variables that are read, with their defaults.
func TestReadmeConfiguration(t *testing.T) {
	t.Parallel()
	want := map[string]string{}
	for _, config := range []reflect.Type{reflect.TypeFor[app.Config](), reflect.TypeFor[subscriptions.Config]()} {
		for field := range config.Fields() {
			if name := field.Tag.Get("env"); name != "" && name != "-" {
				want[name] = field.Tag.Get("envDefault")
			}
		}
	}
	for _, p := range handlers.ProviderNames() {
		want[strings.ToUpper(p)+"_WEBHOOK_SECRET"] = ""
	}
	table := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\| (?:`([^`]*)`)? ?\\|").FindAllStringSubmatch(readme(t), -1) {
		table[row[1]] = row[2]
	}
	if diff := cmp.Diff(want, table); diff != "" {
		t.Errorf("README (-code +table):\n%s", diff)
	}
	text, err := os.ReadFile(filepath.Join("..", ".env.example"))
	if err != nil {
		t.Fatal(err)
	}
	example := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^([A-Z_]+)=(.*)$`).FindAllStringSubmatch(string(text), -1) {
		example[line[1]] = line[2]
	}
	if diff := cmp.Diff(want, example); diff != "" {
		t.Errorf(".env.example (-code +file):\n%s", diff)
	}
}

// Each guarantee in the README names tests that exist.
func TestReadmeGuarantees(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "grep", "-rhoE", "^func Test[A-Za-z0-9]+", "--include=*_test.go", "..").Output()
	if err != nil {
		t.Fatal(err)
	}
	tests := strings.Fields(string(out))
	named := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(readme(t), -1)
	if len(named) < 10 {
		t.Fatalf("only %d tests are named in the README", len(named))
	}
	for _, name := range named {
		if !slices.Contains(tests, name[1]) {
			t.Errorf("the README names %s, which does not exist", name[1])
		}
	}
}
