package app

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"example.com/identity-webhooks/app/subscriptions"
)

// productionEnv and splitEnv are the least that production and split roles need.
var (
	productionEnv = []string{"APP_ENV=production", "TRST_WEBHOOK_SECRET=s"}
	splitEnv      = []string{"DATABASE_URL=postgres://localhost/webhooks", "REDIS_URL=redis://localhost"}
)

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	want := Config{
		Addr:               ":8080",
		AdminAddr:          "127.0.0.1:8081",
		DatabaseURL:        "sqlite:data/webhooks.db",
		Env:                "development",
		Role:               "all",
		TrustGateFallback:  "timestamp.body",
		LegalTalentContent: "either",
		TrustGateSandbox:   "off",
		LogLevel:           slog.LevelInfo,
		LogFormat:          "text",
		Secrets:            map[string][]string{},
		SecretPaths:        map[string]string{},
		API: subscriptions.Config{
			TrustistURL: "https://api.trustistecommerce.com", TrustistPath: "/v1/onboard/webhooks", TrustGateURL: "https://api.bytrustgate.com", TrustGateAuth: "bearer",
			TRSTURL: "https://api.prod.trstinc.ca/v1", LegalTalentURL: "https://kyc.legaltalent.ai", CheckInterval: 5 * time.Minute,
		},
	}
	empty := []string{"HOME=/root", "=odd", "AWAY"}
	for _, name := range envNames {
		empty = append(empty, name+"=")
	}
	for _, environ := range [][]string{nil, empty} {
		if got, err := ReadConfig(environ); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ReadConfig(%q) = %#v, %v\nwant %#v", environ, got, err, want)
		}
	}
}

// envNames are all that are read.
var envNames = []string{
	"ADDR", "ADMIN_ADDR", "ADMIN_PASSWORD", "DATABASE_URL", "REDIS_URL", "APP_ENV", "ROLE", "TRUSTGATE_SIGNATURE_FALLBACK",
	"LEGALTALENT_SIGNED_CONTENT", "TRUSTGATE_SANDBOX", "LOG_LEVEL", "LOG_FORMAT",
	"TRUSTIST_WEBHOOK_SECRET", "TRUSTGATE_WEBHOOK_SECRET", "TRST_WEBHOOK_SECRET", "LEGALTALENT_WEBHOOK_SECRET",
	"TRUSTIST_WEBHOOK_SECRET_FILE", "TRUSTGATE_WEBHOOK_SECRET_FILE", "TRST_WEBHOOK_SECRET_FILE", "LEGALTALENT_WEBHOOK_SECRET_FILE",
	"PUBLIC_URL", "TRUSTIST_API_URL", "TRUSTIST_API_PATH", "TRUSTIST_API_KEY_ID", "TRUSTIST_API_KEY", "TRUSTGATE_API_URL", "TRUSTGATE_API_KEY",
	"TRUSTGATE_API_AUTH", "TRST_API_URL", "TRST_API_KEY_ID", "TRST_API_KEY", "TRST_PROJECT_ID", "LEGALTALENT_API_URL", "LEGALTALENT_API_KEY",
	"SUBSCRIPTION_CHECK_INTERVAL",
}

func TestConfigValues(t *testing.T) {
	t.Parallel()
	got, err := ReadConfig([]string{
		"ADDR=0.0.0.0:80", "ADMIN_ADDR=:81", "ADMIN_PASSWORD=p", "DATABASE_URL=postgres://localhost/webhooks", "REDIS_URL=redis://localhost",
		"APP_ENV=production", "ROLE=receiver", "TRUSTGATE_SIGNATURE_FALLBACK=body", "LEGALTALENT_SIGNED_CONTENT=timestamp.body",
		"TRUSTGATE_SANDBOX=on", "LOG_LEVEL=debug", "LOG_FORMAT=text", "TRUSTIST_WEBHOOK_SECRET=s",
		"PUBLIC_URL=https://a.example", "TRUSTIST_API_URL=https://1.example", "TRUSTIST_API_PATH=/v1/webhooks", "TRUSTIST_API_KEY_ID=i1", "TRUSTIST_API_KEY=k1",
		"TRUSTGATE_API_URL=https://2.example", "TRUSTGATE_API_KEY=k2", "TRUSTGATE_API_AUTH=x-api-key", "TRST_API_URL=http://127.0.0.1:3", "TRST_API_KEY_ID=i3",
		"TRST_API_KEY=k3", "TRST_PROJECT_ID=p3", "LEGALTALENT_API_URL=https://4.example", "LEGALTALENT_API_KEY=k4", "SUBSCRIPTION_CHECK_INTERVAL=0",
	})
	want := Config{
		Addr: "0.0.0.0:80", AdminAddr: ":81", AdminPassword: "p", DatabaseURL: "postgres://localhost/webhooks", RedisURL: "redis://localhost",
		Env: "production", Role: "receiver", TrustGateFallback: "body", LegalTalentContent: "timestamp.body",
		TrustGateSandbox: "on", LogLevel: slog.LevelDebug, LogFormat: "text", Secrets: map[string][]string{"trustist": {"s"}},
		SecretPaths: map[string]string{},
		API: subscriptions.Config{
			PublicURL: "https://a.example", TrustistURL: "https://1.example", TrustistPath: "/v1/webhooks", TrustistKeyID: "i1", TrustistKey: "k1",
			TrustGateURL: "https://2.example", TrustGateKey: "k2", TrustGateAuth: "x-api-key", TRSTURL: "http://127.0.0.1:3", TRSTKeyID: "i3",
			TRSTKey: "k3", TRSTProject: "p3", LegalTalentURL: "https://4.example", LegalTalentKey: "k4",
		},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, %v\nwant %#v", got, err, want)
	}
}

func TestLogFormatFollowsEnvironment(t *testing.T) {
	t.Parallel()
	c, err := ReadConfig(productionEnv)
	if err != nil || c.LogFormat != "json" {
		t.Errorf("in production: %q, %v, want json", c.LogFormat, err)
	}
}

// TestConfigProblems gives each variable a bad value. The message is one line that begins with the variable.
func TestConfigProblems(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		environ []string
		want    string
	}{
		{[]string{"ADDR=8080"}, `ADDR is "8080": want host:port or :port`},
		{[]string{"SUBSCRIPTION_CHECK_INTERVAL=often"}, `SUBSCRIPTION_CHECK_INTERVAL is "often": want a duration such as 5m, or 0 for never`},
		{[]string{"TRST_API_URL=http://api.example"}, `TRST_API_URL is no URL to call: want https: it takes credentials`},
		{[]string{"ADMIN_ADDR=localhost"}, `ADMIN_ADDR is "localhost": want host:port or :port`},
		{[]string{"APP_ENV=prod"}, `APP_ENV is "prod": want development, production`},
		{[]string{"ROLE=Receiver"}, `ROLE is "Receiver": want all, receiver, worker`},
		{[]string{"TRUSTGATE_SIGNATURE_FALLBACK=on"}, `TRUSTGATE_SIGNATURE_FALLBACK is "on": want timestamp.body, body, off`},
		{[]string{"LEGALTALENT_SIGNED_CONTENT=off"}, `LEGALTALENT_SIGNED_CONTENT is "off": want either, body, timestamp.body`},
		{[]string{"TRUSTGATE_SANDBOX=true"}, `TRUSTGATE_SANDBOX is "true": want off, on`},
		{[]string{"LOG_LEVEL=loud"}, `LOG_LEVEL is "loud": want debug, info, warn, error`},
		{[]string{"LOG_FORMAT=xml"}, `LOG_FORMAT is "xml": want text, json`},
		{[]string{"TRST_WEBHOOK_SECRET= , "}, `TRST_WEBHOOK_SECRET holds no secret`},
		{[]string{"APP_ENV=production"}, "no provider has a secret: set at least one of " +
			"LEGALTALENT_WEBHOOK_SECRET, TRST_WEBHOOK_SECRET, TRUSTGATE_WEBHOOK_SECRET, TRUSTIST_WEBHOOK_SECRET"},
	} {
		_, err := ReadConfig(x.environ)
		if got := problemLines(err); len(got) == 0 || got[0] != x.want {
			t.Errorf("%q: got %q, want %q", x.environ, got, x.want)
		}
	}
}

func problemLines(err error) []string {
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

func TestAllConfigProblemsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := ReadConfig([]string{
		"ADDR=8080", "ADMIN_ADDR=0.0.0.0:81", "APP_ENV=prod", "ROLE=worker", "TRUSTGATE_SIGNATURE_FALLBACK=x", "LEGALTALENT_SIGNED_CONTENT=x",
		"TRUSTGATE_SANDBOX=x", "LOG_LEVEL=x", "LOG_FORMAT=x", "TRST_WEBHOOK_SECRET=,", "TRUSTIST_WEBHOOK_SECRET_FILE=/no/such/file",
	})
	got := problemLines(err)
	if len(got) != 11 {
		t.Errorf("got %d lines, want one for each of 11 variables", len(got))
	}
	for _, name := range []string{
		"ADDR", "ADMIN_ADDR", "APP_ENV", "ROLE", "TRUSTGATE_SIGNATURE_FALLBACK", "LEGALTALENT_SIGNED_CONTENT",
		"TRUSTGATE_SANDBOX", "LOG_LEVEL", "LOG_FORMAT", "TRST_WEBHOOK_SECRET", "TRUSTIST_WEBHOOK_SECRET_FILE",
	} {
		if n := countOf(got, func(line string) bool { return strings.FieldsFunc(line, isSpaceOrColon)[0] == name }); n != 1 {
			t.Errorf("%s begins %d lines of %q, want 1", name, n, got)
		}
	}
}

func isSpaceOrColon(r rune) bool { return r == ' ' || r == ':' }

func countOf(all []string, f func(string) bool) (n int) {
	for _, s := range all {
		if f(s) {
			n++
		}
	}
	return n
}

// TestAllObstaclesAtOnce: what only the attempt shows is reported together, too.
func TestAllObstaclesAtOnce(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close() //nolint:errcheck // nobody has connected
	const canary = "canary-password"
	c, err := ReadConfig([]string{
		"ADDR=" + taken.Addr().String(), "ADMIN_ADDR=" + taken.Addr().String(),
		"DATABASE_URL=mysql://u:" + canary + "@localhost/db", "REDIS_URL=http://u:" + canary + "@localhost", "TRST_WEBHOOK_SECRET=s",
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = New(t.Context(), c, os.DirFS(filepath.Join("..", "testdata")), slog.New(slog.DiscardHandler))
	got := problemLines(err)
	if len(got) != 4 {
		t.Fatalf("got %d lines, want 4: %q", len(got), got)
	}
	for i, want := range []string{"ADDR: cannot listen on ", "ADMIN_ADDR: cannot listen on ", "DATABASE_URL: want sqlite:", "REDIS_URL: want redis://"} {
		if !strings.HasPrefix(got[i], want) || strings.Contains(got[i], canary) {
			t.Errorf("line %d is %q, want %s… and no password", i, got[i], want)
		}
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	for _, x := range []struct {
		value, file string // empty: not set
		want        []string
	}{
		{value: "one", want: []string{"one"}},
		{value: "one,two", want: []string{"one", "two"}},
		{value: " one , two two ,, ", want: []string{"one", "two two"}},
		{value: "whsec_a=b+c/d", want: []string{"whsec_a=b+c/d"}},
		{file: "one\n", want: []string{"one"}},
		{file: "one\r\ntwo,three\n\n", want: []string{"one", "two", "three"}},
	} {
		environ := []string{"TRUSTGATE_WEBHOOK_SECRET=" + x.value}
		if x.file != "" {
			writeFile(t, file, x.file)
			environ = append(environ, "TRUSTGATE_WEBHOOK_SECRET_FILE="+file)
		}
		got, err := ReadConfig(environ)
		if want := map[string][]string{"trustgate": x.want}; err != nil || !reflect.DeepEqual(got.Secrets, want) {
			t.Errorf("%q, file %q: got %q, %v, want %q", x.value, x.file, got.Secrets, err, want)
		}
	}
}

func TestSecretProblems(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	full, empty := filepath.Join(dir, "full"), filepath.Join(dir, "empty")
	writeFile(t, full, "canary-file")
	writeFile(t, empty, "\n")
	for _, x := range []struct {
		environ []string
		want    string
	}{
		{[]string{"TRST_WEBHOOK_SECRET=canary", "TRST_WEBHOOK_SECRET_FILE=" + full}, "TRST_WEBHOOK_SECRET and TRST_WEBHOOK_SECRET_FILE are both set: use one"},
		{[]string{"TRST_WEBHOOK_SECRET_FILE=" + dir + "/none"}, "TRST_WEBHOOK_SECRET_FILE: open " + dir + "/none: no such file or directory"},
		{[]string{"TRST_WEBHOOK_SECRET_FILE=" + empty}, "TRST_WEBHOOK_SECRET_FILE holds no secret"},
		{[]string{"TRST_WEBHOOK_SECRET_FILE=" + empty, "APP_ENV=production"}, "TRST_WEBHOOK_SECRET_FILE holds no secret"},
	} {
		_, err := ReadConfig(x.environ)
		if got := problemLines(err); len(got) != 1 || got[0] != x.want {
			t.Errorf("%q: got %q, want %q", x.environ, got, x.want)
		}
	}
}

func TestProductionNeedsSecrets(t *testing.T) {
	t.Parallel()
	worker := append([]string{"APP_ENV=production", "ROLE=worker"}, splitEnv...)
	receiver := append([]string{"APP_ENV=production", "ROLE=receiver"}, splitEnv...)
	for _, x := range []struct {
		environ []string
		ok      bool
	}{
		{[]string{"APP_ENV=production"}, false},
		{receiver, false},
		{worker, true}, // it verifies nothing
		{productionEnv, true},
		{[]string{"APP_ENV=development"}, true},
	} {
		if _, err := ReadConfig(x.environ); (err == nil) != x.ok {
			t.Errorf("%q: %v, want ok %t", x.environ, err, x.ok)
		}
	}
}

func TestSplitRolesNeedPostgresAndRedis(t *testing.T) {
	t.Parallel()
	for _, role := range []string{RoleReceiver, RoleWorker} {
		want := fmt.Sprintf("ROLE is %q: separate roles share their work through Postgres and Redis; set DATABASE_URL and REDIS_URL", role)
		for _, environ := range [][]string{nil, splitEnv[:1], splitEnv[1:]} {
			_, err := ReadConfig(append([]string{"ROLE=" + role}, environ...))
			if got := problemLines(err); len(got) != 1 || got[0] != want {
				t.Errorf("%s with %q: got %q, want %q", role, environ, got, want)
			}
		}
		if _, err := ReadConfig(append([]string{"ROLE=" + role}, splitEnv...)); err != nil {
			t.Errorf("%s with both: %v", role, err)
		}
	}
}

func TestAdminBeyondLoopbackNeedsPassword(t *testing.T) {
	t.Parallel()
	for addr, loopback := range map[string]bool{
		"127.0.0.1:81": true, "127.9.9.9:81": true, "[::1]:81": true, "localhost:81": true,
		":81": false, "0.0.0.0:81": false, "[::]:81": false, "10.0.0.1:81": false, "admin.internal:81": false, "127.0.0.1.example.com:81": false,
	} {
		_, err := ReadConfig([]string{"ADMIN_ADDR=" + addr})
		var want []string
		if !loopback {
			want = []string{fmt.Sprintf("ADMIN_ADDR is %q, which others can reach: set ADMIN_PASSWORD, or use 127.0.0.1", addr)}
		}
		if got := problemLines(err); !reflect.DeepEqual(got, want) {
			t.Errorf("%s without a password: got %q, want %q", addr, got, want)
		}
		if _, err := ReadConfig([]string{"ADMIN_ADDR=" + addr, "ADMIN_PASSWORD=p"}); err != nil {
			t.Errorf("%s with a password: %v", addr, err)
		}
	}
}

// TestConfigHidesSecrets prints the configuration in every way that a line of log could.
func TestConfigHidesSecrets(t *testing.T) {
	t.Parallel()
	const canary = "canary"
	c, err := ReadConfig([]string{
		"ADMIN_PASSWORD=" + canary, "DATABASE_URL=postgres://me:" + canary + "@db/webhooks", "REDIS_URL=redis://:" + canary + "@cache",
		"TRUSTIST_API_KEY_ID=id", "TRUSTIST_API_KEY=" + canary, "TRUSTGATE_API_KEY=" + canary, "LEGALTALENT_API_KEY=" + canary,
		"TRST_API_KEY_ID=id", "TRST_API_KEY=" + canary, "TRST_PROJECT_ID=id",
		"TRUSTIST_WEBHOOK_SECRET=" + canary, "TRUSTGATE_WEBHOOK_SECRET=" + canary + "," + canary,
	})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		log := slog.New(h)
		log.Info("started", "config", c)
		log.Info("started", "config", &c)
		log.With("config", c).WithGroup("g").Info(fmt.Sprintf("%v %+v %s %v", c, c, c, &c))
	}
	if strings.Contains(b.String(), canary) {
		t.Errorf("a secret or password is in the log:\n%s", b.String())
	}
	for _, shown := range []string{"trustgate", "trustist", "127.0.0.1:8081", "development"} {
		if n := strings.Count(b.String(), shown); n < 10 {
			t.Errorf("%s is there %d times, want it each of 10 times:\n%s", shown, n, b.String())
		}
	}
}

func TestProviders(t *testing.T) {
	t.Parallel()
	c, err := ReadConfig([]string{"TRST_WEBHOOK_SECRET=s", "TRUSTIST_WEBHOOK_SECRET=s"})
	if err != nil {
		t.Fatal(err)
	}
	active, err := c.Providers()
	if err != nil || len(active) != 2 || active["trst"] == nil || active["trustist"] == nil {
		t.Errorf("got %v, %v, want trst and trustist", active, err)
	}
}

func writeFile(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
