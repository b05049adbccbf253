package app

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/jobs"
)

// results are the checks with how they came out, in order.
func results(checks []Check) (list []string) {
	for _, c := range checks {
		list = append(list, c.Name+" "+string(c.Result))
	}
	return list
}

func examine(t *testing.T, c Config, problems error, want ...string) []Check {
	t.Helper()
	checks := Doctor(t.Context(), c, problems)
	if diff := cmp.Diff(want, results(checks)); diff != "" {
		t.Errorf("-want +got:\n%s\n%+v", diff, checks)
	}
	for _, check := range checks {
		if (check.Result == Fine) != (check.Do == "") || check.Says == "" || strings.Contains(check.Says+check.Do, "canary") || strings.Contains(check.Says, "\n") {
			t.Errorf("%+v: want what to do, in one line each, without a secret", check)
		}
	}
	return checks
}

func TestDoctor(t *testing.T) {
	t.Chdir(t.TempDir())
	c, err := ReadConfig([]string{"APP_ENV=production", "TRST_WEBHOOK_SECRET=8d1c0be7f2a94e6db3a5", "DATABASE_URL=sqlite:new/db"})
	if err != nil {
		t.Fatal(err)
	}
	examine(t, c, nil, "configuration ok", "secrets ok", "folder ok", "disk ok", "database ok", "queue ok")
	if _, err := os.Stat("new"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder: %v, want none", err)
	}
	a, err := New(t.Context(), Config{Addr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", DatabaseURL: c.DatabaseURL, Role: RoleAll},
		os.DirFS(filepath.Join(moduleRoot, "testdata")), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	examine(t, c, nil, "configuration ok", "secrets ok", "folder ok", "disk ok", "database ok", "migrations ok", "queue ok")
	if err := a.close(); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile("text", []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	c.DatabaseURL = "sqlite:text"
	examine(t, c, nil, "configuration ok", "secrets ok", "folder ok", "disk ok", "database problem", "queue ok")
	c.DatabaseURL = "sqlite:text/db"
	examine(t, c, nil, "configuration ok", "secrets ok", "folder problem", "database problem", "queue ok")
	c.DatabaseURL = "mysql://me:canary@localhost"
	examine(t, c, nil, "configuration ok", "secrets ok", "database problem", "queue ok")
	c, err = ReadConfig([]string{"ROLE=canteen", "LOG_LEVEL=loud"})
	examine(t, c, err, "configuration problem", "configuration problem", "folder ok", "disk ok", "database ok", "queue ok")
	examine(t, Config{}, errors.New(".env, line 3: want NAME=value"), "configuration problem")
}

// moduleRoot is absolute, since tests change the current folder.
var moduleRoot = func() string {
	dir, err := filepath.Abs("..")
	if err != nil {
		panic(err)
	}
	return dir
}()

func TestDoctorServers(t *testing.T) {
	t.Chdir(t.TempDir())
	c, err := ReadConfig([]string{"TRST_WEBHOOK_SECRET=8d1c0be7f2a94e6db3a5"})
	if err != nil {
		t.Fatal(err)
	}
	c.DatabaseURL, c.RedisURL = testservers.DatabaseURL(t), testservers.RedisURL(t)
	checks := examine(t, c, nil, "configuration ok", "secrets ok", "database ok", "migrations warning", "clock ok", "queue ok")
	if says := checks[3].Says; !strings.HasPrefix(says, "pending: 00001_schema.sql, ") {
		t.Errorf("migrations: %q", says)
	}
	if _, err := Migrate(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	examine(t, c, nil, "configuration ok", "secrets ok", "database ok", "migrations ok", "clock ok", "queue ok")
	c.DatabaseURL, c.RedisURL = "postgres://me:canary@127.0.0.1:1/none", "redis://:canary@127.0.0.1:1"
	examine(t, c, nil, "configuration ok", "secrets ok", "database problem", "queue problem")
}

func TestDoctorSecrets(t *testing.T) {
	t.Chdir(t.TempDir())
	for secret, want := range map[string]string{
		"8d1c0be7f2a94e6db3a5":   "",
		"whsec_MfKQ9r8GKYqrTwjU": "",
		"whsec_MfKQ9r8GKYq":      "is shorter than 16 bytes",
		"short":                  "is shorter than 16 bytes",
		"ChangeMe-in-production": `looks like a placeholder, with "changeme" in it`,
		"your_webhook_token_012": `looks like a placeholder, with "your" in it`,
	} {
		if got := weakness(secret); got != want {
			t.Errorf("%q: %q, want %q", secret, got, want)
		}
	}
	c := Config{Env: Development, Secrets: map[string][]string{"trst": {"canary", "8d1c0be7f2a94e6db3a5"}, "trustist": {"canary"}}, AdminPassword: "canary"}
	if diff := cmp.Diff([]string{"secrets warning", "secrets warning", "secrets warning"}, results(checkSecrets(c))); diff != "" {
		t.Error(diff)
	}
	c.Env = Production
	if diff := cmp.Diff([]string{"secrets problem", "secrets problem", "secrets problem"}, results(checkSecrets(c))); diff != "" {
		t.Error(diff)
	}
}

func TestDoctorModes(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("data", 0o700); err != nil {
		t.Fatal(err)
	}
	for file, mode := range map[string]os.FileMode{".env": 0o600, devSecrets: 0o640} {
		if err := errors.Join(os.WriteFile(file, nil, mode), os.Chmod(file, mode)); err != nil {
			t.Fatal(err)
		}
	}
	want := []Check{
		{"files", Fine, ".env is for its owner only", ""},
		{"files", Warning, devSecrets + " has mode 0640: others can read it", "chmod 600 " + devSecrets},
	}
	if diff := cmp.Diff(want, checkModes()); diff != "" {
		t.Error(diff)
	}
}

func TestDoctorJudges(t *testing.T) {
	t.Parallel()
	if got := judgeSkew(-1500 * time.Millisecond); got.Result != Fine || got.Says != "the database's clock is 1.5s behind ours" {
		t.Errorf("%+v", got)
	}
	if got := judgeSkew(3 * time.Second); got.Result != Warning || got.Says != "the database's clock is 3s ahead of ours" {
		t.Errorf("%+v", got)
	}
	for free, want := range map[uint64]Result{0: Problem, noBytes: Warning, fewBytes - 1: Warning, fewBytes: Fine} {
		if got := judgeFree("data", free); got.Result != want {
			t.Errorf("%d bytes: %s, want %s", free, got.Result, want)
		}
	}
	for r, want := range map[jobs.Redis]string{
		{Version: "7.2.4", Policy: "noeviction"}:  "queue ok",
		{Version: "8", Policy: ""}:                "queue ok",
		{Version: "3.2.1", Policy: "noeviction"}:  "queue problem",
		{Version: "6.0.0", Policy: "allkeys-lru"}: "queue ok, queue warning",
	} {
		if got := strings.Join(results(judgeRedis(r)), ", "); got != want {
			t.Errorf("%+v: %s, want %s", r, got, want)
		}
	}
}
