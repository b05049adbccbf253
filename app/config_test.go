package app

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/handlers"
)

const (
	strong        = "b6f0c1d29a7e4835" // a secret of 16 bytes, which is long enough
	encryptionKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
)

var (
	// provider is any provider.
	provider = handlers.ProviderNames()[0]
	secret   = SecretName(provider)
	// splitEnv is what separate roles need.
	splitEnv = []string{"DATABASE_URL=postgres://localhost/webhooks", "REDIS_URL=redis://localhost"}
)

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	empty := []string{"HOME=/root", "=odd", "AWAY"}
	for _, name := range knownVariables() {
		empty = append(empty, name+"= \n")
	}
	for _, environ := range [][]string{nil, empty, exampleEnv(t)} {
		c, err := ReadConfig(environ)
		if err != nil {
			t.Fatalf("%q: %v", environ, err)
		}
		got := []string{c.Addr, c.AdminAddr, c.DatabaseURL, c.RedisURL, c.QueuePrefix, c.Env, c.Role, c.LogLevel.String(), c.LogFormat, c.PayloadRetention.String()}
		want := []string{":8080", "127.0.0.1:8081", "sqlite:data/webhooks.db", "", "", "development", "all", "INFO", "text", "720h0m0s"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", environ, diff)
		}
		if len(c.Secrets)+len(c.Warnings)+len(c.ApplySandbox)+len(c.TrustedProxies) > 0 {
			t.Errorf("%q: %+v, want no secrets, warnings, sandboxes or proxies", environ, c)
		}
		for _, o := range handlers.ProviderOptions(provider) {
			if c.Options[o.Name] != o.Default {
				t.Errorf("%s is %q, want its default", o.Name, c.Options[o.Name])
			}
		}
	}
}

// exampleEnv is .env.example: whoever copies it as it is gets the defaults.
func exampleEnv(t *testing.T) (environ []string) {
	t.Helper()
	vars, err := readEnv(filepath.Join("..", ".env.example"))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range vars {
		environ = append(environ, name+"="+value)
	}
	return environ
}

func TestConfigValues(t *testing.T) {
	t.Parallel()
	c, err := ReadConfig([]string{
		"APP_ENV=production", "ADMIN_PASSWORD=\t" + strong + "\n", "TRUSTED_PROXIES=10.1.2.3/8, 192.0.2.7,", "QUEUE_PREFIX=kyc:blue-2",
		secret + "=" + strong + "1," + strong + "2", secret + "_SANDBOX=" + strong + "3", sandboxOption(provider).Name + "=on",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		LogFormat: "json", AdminPassword: strong, QueuePrefix: "kyc:blue-2", ApplySandbox: map[string]bool{provider: true},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32")},
		Secrets:        map[string][]handlers.Secret{provider: {{Value: strong + "1"}, {Value: strong + "2"}, {Value: strong + "3", Sandbox: true}}},
	}
	got := Config{
		LogFormat: c.LogFormat, AdminPassword: c.AdminPassword, QueuePrefix: c.QueuePrefix, ApplySandbox: c.ApplySandbox,
		TrustedProxies: c.TrustedProxies, Secrets: c.Secrets,
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if active, err := c.Providers(); err != nil || len(active) != 1 || active[provider] == nil {
		t.Errorf("providers %v, %v, want %s", active, err, provider)
	}
}

// TestConfigProblems: each problem is one line that begins with the variable and shows no password.
func TestConfigProblems(t *testing.T) {
	t.Parallel()
	production := []string{"APP_ENV=production", secret + "=" + strong}
	noURL := "special characters in the user and the password must be percent-encoded, such as %40 for @ and %2F for /"
	for _, x := range []struct {
		environ []string
		want    string
	}{
		{[]string{"ADDR=8080"}, `ADDR is "8080": want host:port or :port`},
		{[]string{"ADMIN_ADDR=localhost"}, `ADMIN_ADDR is "localhost": want host:port or :port`},
		{[]string{"ADMIN_ADDR=:81"}, `ADMIN_ADDR is ":81", which others can reach: set ADMIN_PASSWORD, or use 127.0.0.1`},
		{[]string{"ADMIN_ADDR=0.0.0.0:81", "ADMIN_PASSWORD= "}, `ADMIN_ADDR is "0.0.0.0:81", which others can reach: set ADMIN_PASSWORD, or use 127.0.0.1`},
		{[]string{"ADMIN_ADDR=127.0.0.1.example.com:81"}, `ADMIN_ADDR is "127.0.0.1.example.com:81", which others can reach: set ADMIN_PASSWORD, or use 127.0.0.1`},
		{[]string{"TRUSTED_PROXIES=10.0.0.0/8,proxy"}, `TRUSTED_PROXIES holds "proxy": want networks such as 10.0.0.0/8, separated by commas`},
		{[]string{"PUBLIC_URL=foo"}, "PUBLIC_URL is not a URL: want https://host"},
		{[]string{"SUBSCRIPTION_CHECK_INTERVAL=often"}, `SUBSCRIPTION_CHECK_INTERVAL is "often": want a duration such as 5m, or 0 for never`},
		{[]string{"APP_ENV=prod"}, `APP_ENV is "prod": want development, production`},
		{[]string{"ROLE=Receiver"}, `ROLE is "Receiver": want all, receiver, worker`},
		{[]string{"LOG_LEVEL=loud"}, `LOG_LEVEL is "loud": want debug, info, warn, error`},
		{[]string{"LOG_FORMAT=xml"}, `LOG_FORMAT is "xml": want text, json`},
		{[]string{"QUEUE_PREFIX=Our Queue"}, `QUEUE_PREFIX is "Our Queue": want up to 50 of a-z, 0-9, - _ and :`},
		{[]string{sandboxOption(provider).Name + "=true"}, sandboxOption(provider).Name + ` is "true": want off, on`},
		{[]string{"PAYLOAD_RETENTION=30m"}, `PAYLOAD_RETENTION is "30m": want 1h to 36500d, such as 30d, or off to keep payloads forever`},
		{[]string{"PAYLOAD_RETENTION=-1d"}, `PAYLOAD_RETENTION is "-1d": want 1h to 36500d`},
		{[]string{"PAYLOAD_RETENTION=0"}, `PAYLOAD_RETENTION is "0": want 1h to 36500d`},
		{[]string{"PAYLOAD_RETENTION=36501d"}, `PAYLOAD_RETENTION is "36501d": want 1h to 36500d`},
		{[]string{"ENCRYPTION_KEYS=,"}, "ENCRYPTION_KEYS holds no key"},
		{[]string{"ENCRYPTION_KEYS=CANARY"}, "ENCRYPTION_KEYS, key 1: want 32 bytes in base64: openssl rand -base64 32"},
		{[]string{"ENCRYPTION_KEYS=" + encryptionKey + "," + strings.Repeat("A", 43) + "="}, "ENCRYPTION_KEYS, key 2: is not random, so it can be guessed"},
		{[]string{"ENCRYPTION_KEYS=" + encryptionKey + "," + encryptionKey}, "ENCRYPTION_KEYS, key 2: is there twice"},
		{[]string{"DATABASE_URL=mysql://u:CANARY@localhost/db"}, "DATABASE_URL: want sqlite:<path> or postgres://<user>:<password>@<host>/<database>"},
		{[]string{"DATABASE_URL=postgres://app:CANARY@pw@host/app"}, "DATABASE_URL: " + noURL},
		{[]string{"DATABASE_URL=postgres://app:CANARY/pw@host/app"}, "DATABASE_URL: " + noURL},
		{[]string{"DATABASE_URL=postgres://app:12#CANARY@host/app"}, "DATABASE_URL: " + noURL},
		{[]string{"REDIS_URL=redis://:CANARY/pw@host"}, "REDIS_URL: " + noURL},
		{[]string{"REDIS_URL=redis://app:hunter2CANARY#x@host"}, "REDIS_URL: " + noURL},
		{[]string{"REDIS_URL=http://u:CANARY@localhost"}, "REDIS_URL: want redis://, rediss://, redis-sentinel:// or redis-cluster://"},
		{[]string{"CALLBACK_URL=https://a.example", "CALLBACK_SECRET=CANARY"}, "CALLBACK_SECRET"},
		{[]string{"CALLBACK_URL=https://a.example", "CALLBACK_SECRET=whsec_Q0FOQVJZ"}, "CALLBACK_SECRET"}, // too short
		{[]string{"SMTP_URL=smtp://app:CANARY/pw@host", "MAIL_FROM=a@b.example"}, "SMTP_URL"},
		{[]string{"SLACK_WEBHOOK_URL=CANARY"}, "SLACK_WEBHOOK_URL"},
		{[]string{secret + "= , "}, secret + " holds no secret"},
		{[]string{secret + "=CANARY", secret + "_FILE=/CANARY"}, secret + " and " + secret + "_FILE are both set: use one"},
		{append(production, secret+"_SANDBOX=CANARY"), secret + "_SANDBOX is shorter than 16 bytes, so it can be guessed"},
		{append(production, "ADMIN_PASSWORD=CANARY"), "ADMIN_PASSWORD is shorter than 16 bytes, so it can be guessed"},
		{append(production, "ADMIN_PASSWORD=please-changeme-soon"), "ADMIN_PASSWORD looks like a placeholder, so it can be guessed"},
		{append(production, "ADMIN_PASSWORD=abcabcabcabcabcabc"), "ADMIN_PASSWORD has fewer than 5 different characters, so it can be guessed"},
		{append(production, "ADMIN_PASSWORD=1234567890123456"), "ADMIN_PASSWORD is a sequence, so it can be guessed"},
		{append(production, "CALLBACK_URL=https://a.example", "CALLBACK_SECRET=whsec_q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s="),
			"CALLBACK_SECRET has fewer than 5 different characters, so it can be guessed"},
		{append(production, "SLACK_WEBHOOK_URL=http://slack.example/CANARY"), "SLACK_WEBHOOK_URL is http://, and its host is not private"},
		{append(production, "CALLBACK_URL=http://192.0.2.1/CANARY", "CALLBACK_SECRET=whsec_"+strings.Repeat(strong, 3)), "CALLBACK_URL is http://, and its host is not private"},
		{[]string{"APP_ENV=production"}, "no provider has a secret: set at least one of "},
		{append(splitEnv[:1:1], "ROLE=worker"), `ROLE is "worker": separate roles share their work through Postgres and Redis; set DATABASE_URL and REDIS_URL`},
		{append(splitEnv[1:2:2], "ROLE=receiver", secret+"="+strong), `ROLE is "receiver": separate roles share their work through Postgres and Redis; set DATABASE_URL and REDIS_URL`},
	} {
		_, err := ReadConfig(x.environ)
		if got := lines(err); len(got) != 1 || !strings.HasPrefix(got[0], x.want) || strings.Contains(got[0], "CANARY") {
			t.Errorf("%q:\n got %q\nwant %q", x.environ, got, x.want)
		}
	}
}

func TestValidConfigs(t *testing.T) {
	t.Parallel()
	for _, environ := range [][]string{
		append([]string{"APP_ENV=production", "ROLE=worker"}, splitEnv...), // a worker verifies nothing
		append([]string{"ROLE=receiver"}, splitEnv...),
		{"ADMIN_ADDR=127.9.9.9:81"}, {"ADMIN_ADDR=[::1]:81"}, {"ADMIN_ADDR=localhost:81"}, {"ADMIN_ADDR=:81", "ADMIN_PASSWORD=" + strong},
		{"DATABASE_URL=postgres://app:p%40w@a:5432,b:5432/app?sslmode=disable"}, {"DATABASE_URL=sqlite:data/@home#1.db"},
		{"APP_ENV=production", secret + "=" + strong, "CALLBACK_URL=http://10.0.0.1", "CALLBACK_SECRET=whsec_" + strings.Repeat(strong, 3), "SLACK_WEBHOOK_URL=http://chat.internal"},
		{"APP_ENV=production", secret + "=" + strong, "SLACK_WEBHOOK_URL=http://localhost:1", "DATABASE_URL=postgres://u:u@db/x"}, // only a warning
		{"REDIS_URL=redis-sentinel://a:1?master_name=m&addr=b:2"}, {"PUBLIC_URL=https://kyc.example"},
	} {
		if _, err := ReadConfig(environ); err != nil {
			t.Errorf("%q: %v", environ, err)
		}
	}
}

// TestRetentionCoversRetries: payloads are kept at least as long as an active provider sends the same delivery again. A worker without
// secrets does not know which providers are active.
func TestRetentionCoversRetries(t *testing.T) {
	t.Parallel()
	known, longest := 0, time.Duration(0)
	for _, provider := range handlers.ProviderNames() {
		retries := handlers.RetriesFor(provider)
		if retries < time.Hour { // not known, or shorter than any retention
			continue
		}
		known, longest = known+1, max(longest, retries)
		for keep, refused := range map[time.Duration]bool{retries - time.Hour: true, retries: false} {
			_, err := ReadConfig([]string{SecretName(provider) + "=" + "whsec_aWRlbnRpdHktd2ViaG9va3MtdGVzdHMh", "PAYLOAD_RETENTION=" + keep.String()})
			if got := lines(err); (len(got) == 1 && strings.Contains(got[0], handlers.ProviderTitle(provider))) != refused {
				t.Errorf("%s with %s: %q, want it refused: %v", provider, keep, got, refused)
			}
		}
	}
	for keep, refused := range map[time.Duration]bool{longest - time.Hour: true, longest: false} {
		_, err := ReadConfig(append([]string{"APP_ENV=production", "ROLE=worker", "PAYLOAD_RETENTION=" + keep.String()}, splitEnv...))
		if (err != nil) != refused {
			t.Errorf("a worker with %s: %v, want it refused: %v", keep, err, refused)
		}
	}
	for text, want := range map[string]time.Duration{"off": 0, "45d": 45 * day, "36h": 36 * time.Hour} {
		if c, err := ReadConfig([]string{"PAYLOAD_RETENTION=" + text}); err != nil || c.PayloadRetention != want {
			t.Errorf("%s is %s %v, want %s", text, c.PayloadRetention, err, want)
		}
	}
	if known == 0 {
		t.Error("no provider retries")
	}
}

func lines(err error) []string {
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

func TestAllConfigProblemsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := ReadConfig([]string{
		"PAYLOAD_RETENTION=x", "ENCRYPTION_KEYS=x,y",
		"ADDR=8080", "ADMIN_ADDR=0.0.0.0:81", "APP_ENV=prod", "ROLE=x", "LOG_LEVEL=x", "LOG_FORMAT=x", "QUEUE_PREFIX=X",
		"DATABASE_URL=x", "REDIS_URL=x", "PUBLIC_URL=x", "TRUSTED_PROXIES=x", "SLACK_WEBHOOK_URL=x",
		sandboxOption(provider).Name + "=x", secret + "_FILE=/no/such/file",
	})
	if got := lines(err); len(got) != 17 {
		t.Errorf("%d lines, want one for each of 16 variables and one more:\n%v", len(got), err)
	}
}

// TestMisspeltVariables: a variable that is nearly one of ours is reported. Others are not our business.
func TestMisspeltVariables(t *testing.T) {
	t.Parallel()
	typo := strings.Replace(secret, "SECRET", "SECRT", 1)
	c, err := ReadConfig([]string{typo + "=CANARY", "DATABSE_URL=CANARY", "HOME=/root", "ROLL=x", "LANG=C", "TEST_REDIS_URL=x", "HTTP_URL=x", "PGUSER=x"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"DATABSE_URL is not read: did you mean DATABASE_URL?", typo + " is not read: did you mean " + secret + "?"}
	slices.Sort(want)
	slices.Sort(c.Warnings)
	if diff := cmp.Diff(want, c.Warnings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWeakSecretsInDevelopment(t *testing.T) {
	t.Parallel()
	c, err := ReadConfig([]string{secret + "=short,<your-secret-from-the-dashboard>", "ADMIN_PASSWORD=a"})
	want := []string{
		"ADMIN_PASSWORD is shorter than 16 bytes, so it can be guessed",
		secret + " is shorter than 16 bytes, so it can be guessed", secret + " looks like a placeholder, so it can be guessed",
	}
	if diff := cmp.Diff(want, c.Warnings); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for env, want := range map[string][]string{
		Production: {"DATABASE_URL: the password is shorter than 16 bytes, so it can be guessed"}, Development: nil,
	} {
		c, err := ReadConfig([]string{"APP_ENV=" + env, secret + "=" + strong, "DATABASE_URL=postgres://postgres:postgres@localhost/x", "REDIS_URL=redis://cache"})
		if diff := cmp.Diff(want, c.Warnings); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", env, err, diff)
		}
	}
}

// TestConfigHidesSecrets prints the configuration in every way that a line of log could.
func TestConfigHidesSecrets(t *testing.T) {
	t.Parallel()
	c, err := ReadConfig([]string{
		"ADMIN_PASSWORD=CANARY", "DATABASE_URL=postgres://me:CANARY@db/webhooks", "REDIS_URL=redis://:CANARY@cache", secret + "=CANARY,CANARY",
		"CALLBACK_URL=https://a.example", "CALLBACK_SECRET=whsec_CANARYCANARYCANARYCANARYCANARYCANARY", "SMTP_URL=smtp://me:CANARY@mail", "MAIL_FROM=a@b.example",
		"SLACK_WEBHOOK_URL=https://hooks.slack.example/CANARY",
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
	if strings.Contains(b.String(), "CANARY") {
		t.Errorf("a secret or password is in the log:\n%s", b.String())
	}
	if n := strings.Count(b.String(), provider); n < 10 {
		t.Errorf("%s is there %d times, want it each of 10 times:\n%s", provider, n, b.String())
	}
}

// TestAllObstaclesAtOnce: what only the attempt shows is reported together as well, each in one line.
func TestAllObstaclesAtOnce(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close() //nolint:errcheck // nobody has connected
	addr := taken.Addr().String()
	c, err := ReadConfig([]string{"ADDR=" + addr, "ADMIN_ADDR=" + addr, "DATABASE_URL=postgres://u:CANARY@127.0.0.1:1,127.0.0.1:2/db"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = New(t.Context(), c, os.DirFS(filepath.Join("..", "testdata")), slog.New(slog.DiscardHandler))
	got := lines(err)
	want := []string{"ADDR: cannot listen on ", "ADMIN_ADDR: cannot listen on ", "DATABASE_URL: cannot connect to Postgres ("}
	if len(got) != len(want) {
		t.Fatalf("got %d lines, want %d: %q", len(got), len(want), got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) || strings.Contains(got[i], "CANARY") {
			t.Errorf("line %d is %q, want %s… and no password", i, got[i], want[i])
		}
	}
	if _, usage := errors.AsType[UsageError](err); usage {
		t.Error("a port that is taken is reported as a mistake in the configuration")
	}
}
