package app_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caarlos0/env/v11"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/jobs"
)

// readme returns what is documented: the README, and the details beside this package.
func readme(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, name := range []string{filepath.Join("..", "README.md"), "README.md"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// .env.example has every variable that is read, with its default, and no other. A table in a README that gives a default gives that one.
func TestDocumentedConfiguration(t *testing.T) {
	t.Parallel()
	defaults := map[string]string{}
	fields, err := env.GetFieldParams(&app.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		if f.Key != "" && f.Key != "-" {
			defaults[f.Key] = f.DefaultValue
		}
	}
	for _, p := range handlers.ProviderNames() {
		defaults[app.SecretName(p)] = ""
		for _, o := range handlers.ProviderOptions(p) {
			defaults[o.Name] = o.Default
		}
	}
	for provider, api := range jobs.NewRegistry().APIs() {
		defaults[strings.ToUpper(provider)+"_API_URL"] = api.URL
		for _, credential := range api.Credentials {
			defaults[credential] = ""
		}
	}
	text, err := os.ReadFile(filepath.Join("..", ".env.example"))
	if err != nil {
		t.Fatal(err)
	}
	example := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^([A-Z0-9_]+)=(.*)$`).FindAllStringSubmatch(string(text), -1) {
		example[line[1]] = line[2]
	}
	for name, want := range defaults {
		if got, there := example[name]; !there || got != want {
			t.Errorf(".env.example: %s=%s (there: %t), want %q", name, got, there, want)
		}
	}
	for name := range example {
		provider, _, _ := strings.Cut(name, "_")
		_, hasSecret := example[provider+"_WEBHOOK_SECRET"]
		removed := hasSecret && !slices.Contains(handlers.ProviderNames(), strings.ToLower(provider)) // lines of such a one do no harm
		if _, known := defaults[name]; !known && !removed && !strings.HasSuffix(name, "_SANDBOX") {
			t.Errorf(".env.example names %s, which is not read", name)
		}
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\| `([^`]*)` \\|").FindAllStringSubmatch(readme(t), -1) {
		if want, known := defaults[row[1]]; known && row[2] != want {
			t.Errorf("README: the default of %s is %q, want %q", row[1], row[2], want)
		}
	}
}

// Each guarantee that is documented names tests that exist.
func TestDocumentedGuarantees(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "grep", "-rhoE", "^func Test[A-Za-z0-9]+", "--include=*_test.go", "..").Output()
	if err != nil {
		t.Fatal(err)
	}
	tests := strings.Fields(string(out))
	named := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(readme(t), -1)
	if len(named) < 10 {
		t.Fatalf("only %d tests are named", len(named))
	}
	for _, name := range named {
		if !slices.Contains(tests, name[1]) {
			t.Errorf("%s is documented and does not exist", name[1])
		}
	}
}
