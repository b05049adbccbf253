package app

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/handlers"
)

// emptyFolder makes an empty folder the current one, and takes all our variables out of the environment. Empty variables would hide what
// .env says.
func emptyFolder(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range knownVariables() {
		t.Setenv(name, "") // restores it at the end
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
}

func writeFile(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSecretFiles(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	for text, want := range map[string][]string{
		"one\n":                     {"one"},
		"one \r\ntwo,three two\n\n": {"one", "two", "three two"},
		"\uFEFFone\n":               {"one"},
		"whsec_a=b+c/d":             {"whsec_a=b+c/d"},
	} {
		writeFile(t, file, text)
		c, err := ReadConfig([]string{secret + "_FILE=" + file})
		var got []string
		for _, s := range c.Secrets[provider] {
			got = append(got, s.Value)
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v (-want +got):\n%s", text, err, diff)
		}
		if c.SecretPaths[secret] != file {
			t.Errorf("paths %v, want %s", c.SecretPaths, file)
		}
	}
	for text, want := range map[string]string{
		"\n":                      ": " + file + " is empty",
		"\xff\xfeC\x00A\x00N\x00": ": " + file + " is not UTF-8 text: UTF-16 must be saved as UTF-8",
		"C\x00A\x00":              ": " + file + " is not UTF-8 text: UTF-16 must be saved as UTF-8",
	} {
		writeFile(t, file, text)
		_, err := ReadConfig([]string{secret + "_FILE=" + file, "APP_ENV=production"})
		if diff := cmp.Diff([]string{secret + "_FILE" + want}, lines(err)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

// TestSandboxSecrets: the secrets of each provider's sandbox can be rotated, given as a file and refused like the others, and a real one
// cannot be among them.
func TestSandboxSecrets(t *testing.T) {
	t.Parallel()
	for _, provider := range handlers.ProviderNames() {
		if _, hasKeys := handlers.KeyAPIOf(provider); hasKeys {
			continue // its secrets are for development only
		}
		live, sandbox := SecretName(provider)+"=", SandboxSecretName(provider)
		a, b, c := RandomSecret(), RandomSecret(), RandomSecret()
		file := filepath.Join(t.TempDir(), "secrets")
		writeFile(t, file, b+"\n"+c+"\n")
		want := []handlers.Secret{{Value: a}, {Value: b, Sandbox: true}, {Value: c, Sandbox: true}}
		for _, variable := range []string{sandbox + "=" + b + "," + c, sandbox + "_FILE=" + file} {
			config, err := ReadConfig([]string{"APP_ENV=production", live + a, variable})
			if diff := cmp.Diff(want, config.Secrets[provider]); diff != "" || err != nil {
				t.Errorf("%s: %v (-want +got):\n%s", provider, err, diff)
			}
		}
		for value, problem := range map[string]string{
			"whsec_" + strings.Repeat("q6ur", 9): " has fewer than 5 different characters, so it can be guessed",
			b + "," + a:                          " holds a secret of " + SecretName(provider) + ": its events would not count",
		} {
			_, err := ReadConfig([]string{"APP_ENV=production", live + a, sandbox + "=" + value})
			if diff := cmp.Diff([]string{sandbox + problem}, lines(err)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", provider, diff)
			}
		}
	}
}

// TestEverySecretCanBeInAFile: each variable that may hold a secret is read from the file that <NAME>_FILE names, and errors never quote
// the file. Other variables, such as TLS_KEY_FILE, have no such form.
func TestEverySecretCanBeInAFile(t *testing.T) {
	t.Parallel()
	want := []string{
		"ADMIN_PASSWORD=" + strong, "DATABASE_URL=postgres://u:" + strong + "@db/x", "REDIS_URL=redis://:" + strong + "@cache", "SMTP_URL=smtp://u:" + strong + "@mail",
		"MAIL_FROM=a@b.example", "CALLBACK_URL=https://a.example/" + strong, "CALLBACK_SECRET=whsec_" + strings.Repeat(strong, 3),
		"SLACK_WEBHOOK_URL=https://slack.example/" + strong, secret + "=" + strong, secret + "_SANDBOX=" + strong + "1", "APP_ENV=production",
	}
	for _, name := range knownVariables() {
		if strings.Contains(name, "_API_KEY") || strings.HasSuffix(name, "_API_TOKEN") || name == "TRST_PROJECT_ID" {
			want = append(want, name+"="+strong)
		}
	}
	var environ []string
	dir, inFiles := t.TempDir(), 0
	for _, variable := range want {
		name, value, _ := strings.Cut(variable, "=")
		if !strings.Contains(value, strong) || name == "TRST_PROJECT_ID" {
			environ = append(environ, variable)
			continue
		}
		writeFile(t, filepath.Join(dir, name), value+"\n")
		environ, inFiles = append(environ, name+"_FILE="+filepath.Join(dir, name)), inFiles+1
	}
	fromEnv, err1 := ReadConfig(want)
	fromFiles, err2 := ReadConfig(environ)
	if err := errors.Join(err1, err2); err != nil || len(fromFiles.SecretPaths) != inFiles || inFiles < 10 {
		t.Fatalf("%v; %d variables in files, %d files", err, inFiles, len(fromFiles.SecretPaths))
	}
	if fromFiles.SecretPaths = fromEnv.SecretPaths; !reflect.DeepEqual(fromEnv, fromFiles) { // cmp would print them through String
		t.Errorf("got another configuration from files than from variables:\n%#v\n%#v", fromFiles, fromEnv)
	}
	for _, name := range []string{"LOG_LEVEL", "APP_ENV"} {
		if c, err := ReadConfig([]string{name + "_FILE=/no/such/file"}); err != nil || len(c.SecretPaths) > 0 {
			t.Errorf("%s_FILE is read: %v", name, err)
		}
	}
	broken := filepath.Join(dir, "broken")
	writeFile(t, broken, "CANARY://u:CANARY@CANARY")
	for _, variable := range environ {
		name, isFile := strings.CutSuffix(strings.SplitN(variable, "=", 2)[0], "_FILE")
		if !isFile {
			continue
		}
		_, err1 := ReadConfig([]string{name + "_FILE=" + broken})
		_, err2 := ReadConfig([]string{name + "_FILE=" + broken, name + "=CANARY"})
		_, err3 := ReadConfig([]string{name + "_FILE=/no/such/file"})
		if err1 != nil && strings.Contains(err1.Error(), "CANARY") || err2 == nil || strings.Contains(err2.Error(), "CANARY") || err3 == nil {
			t.Errorf("%s: %v; both set: %v; no file: %v", name, err1, err2, err3)
		}
	}
}

// TestSecretPipe: a pipe, as a shell's <(…) makes one, is read if somebody writes to it. One without a writer does not hold up the start.
func TestSecretPipe(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if out, err := exec.Command("mkfifo", pipe).CombinedOutput(); err != nil {
		t.Skipf("mkfifo: %v %s", err, out)
	}
	if _, err := ReadConfig([]string{secret + "_FILE=" + pipe}); err == nil || err.Error() != secret+"_FILE: "+pipe+" is empty" {
		t.Errorf("nobody writes: %v", err)
	}
	writer, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadConfig([]string{secret + "_FILE=" + pipe}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a writer that stays silent: %v", err)
	}
	if _, err := writer.WriteString("one\n"); err != nil {
		t.Fatal(err)
	}
	reader, err := os.Open(pipe) // holds what is written until it is read below
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close() //nolint:errcheck // it is only read
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := ReadConfig([]string{secret + "_FILE=" + pipe})
	if diff := cmp.Diff([]handlers.Secret{{Value: "one"}}, c.Secrets[provider]); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestDevelopmentSecrets(t *testing.T) {
	emptyFolder(t)
	first, err := LoadConfig()
	if err != nil {
		t.Fatal(err)
	}
	different := map[string]bool{}
	for _, name := range handlers.ProviderNames() {
		ss := first.Secrets[name]
		if len(ss) != 1 || len(ss[0].Value) < 26 { // 26 letters of base32 are 130 bits
			t.Fatalf("%s has the secrets %v, want a long one", name, ss)
		}
		different[ss[0].Value] = true
	}
	if n := len(handlers.ProviderNames()); len(different) != n {
		t.Errorf("%d different secrets, want %d", len(different), n)
	}
	if active, err := first.Providers(); err != nil || len(active) != len(different) {
		t.Errorf("%d providers, %v", len(active), err)
	}
	info, err := os.Stat(first.SecretsFile)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, %v, want 0600", info.Mode(), err)
	}
	second, err := LoadConfig()
	if diff := cmp.Diff(first.Secrets, second.Secrets); err != nil || diff != "" {
		t.Errorf("the second call: %v (-first +second):\n%s", err, diff)
	}
}

// TestDevelopmentSecretsForNewProvider: a provider that is added later gets a secret too, and the others keep theirs.
func TestDevelopmentSecretsForNewProvider(t *testing.T) {
	emptyFolder(t)
	if err := os.Mkdir("data", 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, devSecrets, "# mine\n"+secret+"=kept") // without a final newline
	c, err := LoadConfig()
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Secrets) != len(handlers.ProviderNames()) || c.Secrets[provider][0].Value != "kept" {
		t.Errorf("secrets of %d providers, %s has %v", len(c.Secrets), provider, c.Secrets[provider])
	}
	if text, err := os.ReadFile(devSecrets); err != nil || !strings.HasPrefix(string(text), "# mine\n"+secret+"=kept\n") {
		t.Errorf("the file is %s, %v", text, err)
	}
}

func TestConcurrentStartsAgreeOnSecrets(t *testing.T) {
	emptyFolder(t)
	var configs [16]Config
	var errs [16]error
	var all sync.WaitGroup
	for i := range configs {
		all.Go(func() { configs[i], errs[i] = LoadConfig() })
	}
	all.Wait()
	for i, c := range configs {
		if diff := cmp.Diff(configs[0].Secrets, c.Secrets); errs[i] != nil || diff != "" {
			t.Errorf("start %d: %v (-first +this):\n%s", i, errs[i], diff)
		}
	}
}

// TestNoDevelopmentSecrets: if there is a secret, or must be one, none are made.
func TestNoDevelopmentSecrets(t *testing.T) {
	for _, vars := range []map[string]string{
		{secret: "mine"},
		{secret: strong, "APP_ENV": "production"},
		{"APP_ENV": "production"}, // an error
	} {
		emptyFolder(t)
		for name, value := range vars {
			t.Setenv(name, value)
		}
		c, err := LoadConfig()
		if _, usage := errors.AsType[UsageError](err); usage != (vars[secret] == "") {
			t.Errorf("%v: %v", vars, err)
		}
		if _, err := os.Stat("data"); !os.IsNotExist(err) || c.SecretsFile != "" {
			t.Errorf("%v: secrets were made: %v, %q", vars, err, c.SecretsFile)
		}
	}
}

func TestDotEnv(t *testing.T) {
	emptyFolder(t)
	writeFile(t, ".env", "\uFEFF# ours\r\nADDR=:1111\nexport ADMIN_ADDR=127.0.0.1:2222 # local\n\nREDIS_URL=redis://localhost\n"+secret+"='a$b,c#d'\n")
	t.Setenv("ADDR", ":3333\n")
	t.Setenv("REDIS_URL", "")
	c, err := LoadConfig()
	if err != nil {
		t.Fatal(err)
	}
	if c.Addr != ":3333" || c.RedisURL != "" {
		t.Errorf("ADDR is %q, REDIS_URL %q: want those of the environment, :3333 and none", c.Addr, c.RedisURL)
	}
	want := map[string][]handlers.Secret{provider: {{Value: "a$b"}, {Value: "c#d"}}}
	if diff := cmp.Diff(want, c.Secrets); c.AdminAddr != "127.0.0.1:2222" || diff != "" {
		t.Errorf("ADMIN_ADDR is %q, want that of .env; secrets (-want +got):\n%s", c.AdminAddr, diff)
	}
}

// TestUnreadableDotEnv: the only error is about .env, and does not quote it.
func TestUnreadableDotEnv(t *testing.T) {
	for text, want := range map[string]string{
		"ADDR=:1\nA+B=canary\n":                        ".env, line 2: want NAME=value",
		"A=canary\nREDIS_URL\nADDR=:1\n":               ".env, line 2: want NAME=value",
		"A='ca\nna\nry'\n\nADDR=\"canary\nROLE=x":      ".env, line 5: want NAME=value",
		"A=canary\nADDR":                               ".env, line 2: want NAME=value",
		"=canary\n":                                    ".env, line 1: want NAME=value",
		"A=canary\r\n# fine\r\n!canary!\r\nADDR=\n":    ".env, line 3: want NAME=value",
		"\xfe\xff\x00A\x00=\x00c\x00a\x00n\x00a\x00\n": ".env is not UTF-8 text: UTF-16 must be saved as UTF-8",
	} {
		emptyFolder(t)
		writeFile(t, ".env", text)
		_, err := LoadConfig()
		if _, usage := errors.AsType[UsageError](err); !usage || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	emptyFolder(t)
	if err := os.Mkdir(".env", 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadConfig(); err == nil || err.Error() != "read .env: is a directory" {
		t.Errorf("a folder: got %v", err)
	}
}
