package app

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"example.com/identity-webhooks/handlers"
)

// elsewhere makes an empty folder the current one, and takes all variables out of the environment. An empty one would do for
// ReadConfig, but hides what .env says.
func elsewhere(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range envNames {
		t.Setenv(name, "") // restores it at the end
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDevelopmentSecrets(t *testing.T) {
	elsewhere(t)
	first, err := LoadConfig()
	if err != nil {
		t.Fatal(err)
	}
	different := map[string]bool{}
	for _, name := range handlers.ProviderNames() {
		if ss := first.Secrets[name]; len(ss) != 1 || len(ss[0]) < 26 { // 26 letters of base32 are 130 bits
			t.Errorf("%s has the secrets %q, want a long one", name, ss)
		} else {
			different[ss[0]] = true
		}
	}
	if n := len(handlers.ProviderNames()); len(different) != n {
		t.Errorf("%d different secrets, want %d", len(different), n)
	}
	if want := filepath.Join("data", "secrets.env"); first.SecretsFile != want {
		t.Errorf("SecretsFile is %q, want %q", first.SecretsFile, want)
	}
	info, err := os.Stat(first.SecretsFile)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, %v, want 0600", info.Mode(), err)
	}
	second, err := LoadConfig()
	if err != nil || !reflect.DeepEqual(first, second) {
		t.Errorf("the second call: %v; its secrets are %q, want %q", err, second.Secrets, first.Secrets)
	}
	leftAlone(t, "data", "secrets.env")
}

// leftAlone checks that a folder holds one file and nothing temporary.
func leftAlone(t *testing.T, dir, file string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != file {
		t.Errorf("%s holds %v, %v, want %s alone", dir, entries, err, file)
	}
}

func TestConcurrentStartsAgreeOnSecrets(t *testing.T) {
	elsewhere(t)
	const starts = 16
	var configs [starts]Config
	var errs [starts]error
	var all sync.WaitGroup
	for i := range starts {
		all.Go(func() { configs[i], errs[i] = LoadConfig() })
	}
	all.Wait()
	for i := range starts {
		if errs[i] != nil || !reflect.DeepEqual(configs[i], configs[0]) {
			t.Errorf("start %d: %v, secrets %q, want %q", i, errs[i], configs[i].Secrets, configs[0].Secrets)
		}
	}
	leftAlone(t, "data", "secrets.env")
}

// TestNoDevelopmentSecrets: where there is a secret, or must be one, none are made.
func TestNoDevelopmentSecrets(t *testing.T) {
	for _, vars := range []map[string]string{
		{"TRST_WEBHOOK_SECRET": "mine"},
		{"TRST_WEBHOOK_SECRET": "mine", "APP_ENV": "production"},
		{"APP_ENV": "production"}, // an error
		{"APP_ENV": "production", "ROLE": "worker", "DATABASE_URL": "postgres://localhost/webhooks", "REDIS_URL": "redis://localhost"},
	} {
		elsewhere(t)
		for name, value := range vars {
			t.Setenv(name, value)
		}
		c, err := LoadConfig()
		if fails := len(vars) == 1 && vars["APP_ENV"] != ""; (err != nil) != fails {
			t.Errorf("%v: %v, want an error: %t", vars, err, fails)
		}
		if secret := vars["TRST_WEBHOOK_SECRET"]; secret != "" && !reflect.DeepEqual(c.Secrets, map[string][]string{"trst": {secret}}) {
			t.Errorf("%v: secrets are %q", vars, c.Secrets)
		}
		if _, err := os.Stat("data"); !os.IsNotExist(err) || c.SecretsFile != "" {
			t.Errorf("%v: secrets were made: %v, %q", vars, err, c.SecretsFile)
		}
	}
}

func TestUnusableDevelopmentSecrets(t *testing.T) {
	for text, want := range map[string]string{
		"TRST_WEBHOOK_SECRET=\"canary\n": "development secrets: data/secrets.env, line 1: want NAME=value",
		"# nothing\n":                    "development secrets: data/secrets.env holds none: delete it, and new ones are made",
	} {
		elsewhere(t)
		if err := os.Mkdir("data", 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, "data/secrets.env", text)
		if _, err := LoadConfig(); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func TestDotEnv(t *testing.T) {
	elsewhere(t)
	writeFile(t, ".env", "# ours\nADDR=:1111\nexport ADMIN_ADDR=127.0.0.1:2222 # local\n\nREDIS_URL=redis://localhost\nTRST_WEBHOOK_SECRET='a$b,c#d'\n")
	t.Setenv("ADDR", ":3333")
	t.Setenv("REDIS_URL", "")
	c, err := LoadConfig()
	if err != nil {
		t.Fatal(err)
	}
	if c.Addr != ":3333" || c.RedisURL != "" {
		t.Errorf("ADDR is %q, REDIS_URL %q: want those of the environment, :3333 and none", c.Addr, c.RedisURL)
	}
	if c.AdminAddr != "127.0.0.1:2222" || !reflect.DeepEqual(c.Secrets, map[string][]string{"trst": {"a$b", "c#d"}}) {
		t.Errorf("ADMIN_ADDR is %q, secrets %q: want those of .env", c.AdminAddr, c.Secrets)
	}
}

func TestUnreadableDotEnv(t *testing.T) {
	for text, want := range map[string]string{
		"ADDR=:1\nTRST+WEBHOOK_SECRET=canary\n":                       ".env, line 2: want NAME=value",
		"TRST_WEBHOOK_SECRET=canary\nREDIS_URL\nADDR=:1\n":            ".env, line 2: want NAME=value",
		"TRST_WEBHOOK_SECRET='ca\nna\nry'\n\nADDR=\"canary\nROLE=x":   ".env, line 5: want NAME=value",
		"TRST_WEBHOOK_SECRET=canary\nADDR":                            ".env, line 2: want NAME=value",
		"=canary\n":                                                   ".env, line 1: want NAME=value",
		"TRST_WEBHOOK_SECRET=canary\r\n# fine\r\n!canary!\r\nADDR=\n": ".env, line 3: want NAME=value",
	} {
		elsewhere(t)
		writeFile(t, ".env", text)
		if _, err := LoadConfig(); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	elsewhere(t)
	if err := os.Mkdir(".env", 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadConfig(); err == nil || !strings.Contains(err.Error(), ".env: is a directory") {
		t.Errorf("a folder: got %v, want it said", err)
	}
}
