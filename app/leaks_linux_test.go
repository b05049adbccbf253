package app_test

import (
	"compress/gzip"
	"context"
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/jobs"
)

// leak is a part of every secret in TestSecretsAreNowhere.
const leak = "Kq7ZvNaryX9"

// secretFor returns a strong secret of the form that all variables accept.
func secretFor(name string) string {
	text := leak + strings.ReplaceAll(name, "_", "") + "0J4mWp2Lr8sTbE6uHd3gQyFc5nAiVo1kRx7zUj9w"
	return "whsec_" + text[:48] // also valid base64
}

// secretSettings returns a canary for each variable that may hold a secret. Whatever is sent outside goes to a URL that answers with an
// error and all it got.
func secretSettings(b backend, outside string) map[string]string {
	settings := map[string]string{
		"DATABASE_URL": b.databaseURL, "REDIS_URL": b.redisURL, "ADMIN_PASSWORD": secretFor("ADMIN_PASSWORD"),
		"CALLBACK_URL": outside + "/callback/" + secretFor("CALLBACK_URL"), "CALLBACK_SECRET": secretFor("CALLBACK_SECRET"),
		"SLACK_WEBHOOK_URL": outside + "/slack/" + secretFor("SLACK"), "SMTP_URL": "smtp://me:" + secretFor("SMTP_URL") + "@127.0.0.1:1",
	}
	for _, name := range handlers.ProviderNames() {
		settings[app.SecretName(name)], settings[app.SecretName(name)+"_SANDBOX"] = secretFor(name), secretFor(name+"SANDBOX")
	}
	for _, name := range []string{"LEGALTALENT", "TRST", "TRUSTGATE", "TRUSTIST"} {
		settings[name+"_API_URL"], settings[name+"_API_KEY"] = outside, secretFor(name+"API")
	}
	for provider, api := range jobs.NewRegistry().APIs() {
		settings[strings.ToUpper(provider)+"_API_URL"] = outside
		for _, credential := range api.Credentials {
			settings[credential] = secretFor(credential)
		}
	}
	settings["TRST_API_KEY_ID"], settings["TRUSTIST_API_KEY_ID"] = secretFor("TRSTID"), secretFor("TRUSTISTID")
	return settings
}

// inFiles gives the settings as <NAME>_FILE.
func inFiles(t *testing.T, settings map[string]string) map[string]string {
	t.Helper()
	dir, files := t.TempDir(), map[string]string{}
	for name, value := range settings {
		path := filepath.Join(dir, strings.ToLower(name))
		if err := os.WriteFile(path, []byte(value+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		files[name], files[name+"_FILE"] = "", path
	}
	return files
}

func environOf(settings map[string]string, more ...string) []string {
	for name, value := range settings {
		more = append(more, name+"="+value)
	}
	return more
}

// TestSecretsAreNowhere runs the program with a canary in every secret, once from variables and once from files. No canary is in its
// arguments, log, admin API, inspector, profiles or stack traces, nor in the error of a wrong setting.
func TestSecretsAreNowhere(t *testing.T) {
	onBothBackends(t, func(t *testing.T, b backend) {
		echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprintf(w, `{"error":"no access to %s with %v"}`, r.URL, r.Header) // whoever reads it notices what is missing
		}))
		t.Cleanup(echo.Close)
		if b.redisURL != "" {
			server, password := testservers.NewRedis(t), secretFor("REDIS_URL")
			server.Do("ACL SETUSER canary on >" + password + " ~* &* +@all")
			b.redisURL = strings.Replace(server.URL(), "://", "://canary:"+password+"@", 1)
			u, err := url.Parse(b.databaseURL)
			if err != nil {
				t.Fatal(err)
			}
			if _, isSet := u.User.Password(); !isSet { // a private server trusts whoever can reach it
				u.User = url.UserPassword(u.User.Username(), secretFor("DATABASE_URL"))
				b.databaseURL = u.String()
			}
		}
		settings, fixed := secretSettings(b, echo.URL), []string{
			"LOG_LEVEL=debug", "TRST_PROJECT_ID=p", "SUBSCRIPTION_CHECK_INTERVAL=1s", "MAIL_FROM=a@b.example", "PUBLIC_URL=https://kyc.example",
		}
		if b.redisURL != "" {
			settings = inFiles(t, settings)
		}
		p := launch(t, build(t), app.RoleAll, b, environOf(settings, fixed...)...)
		for name := range p.providers {
			provider, err := handlers.NewProvider(name, handlers.Settings{Secrets: []handlers.Secret{{Value: secretFor(name)}}})
			if err != nil {
				t.Fatal(err)
			}
			p.providers[name] = provider
		}
		admin := http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("admin:"+secretFor("ADMIN_PASSWORD")))}}
		get := func(method, path string) string {
			t.Helper()
			status, body, err := request(context.Background(), method, "http://"+p.adminAddr+path, admin.Clone(), nil)
			if err != nil || status >= http.StatusInternalServerError || status == http.StatusUnauthorized {
				t.Errorf("%s: %d, %v", path, status, err)
			}
			nowhere(t, path, body, admin)
			return body
		}

		p.deliverAll()
		p.eventually("follow-ups have failed, and the subscriptions were checked", func() bool {
			followUps, stats := get(http.MethodGet, "/api/follow_ups?limit=500"), get(http.MethodGet, "/api/stats")
			return strings.Contains(followUps, "answered 403") && strings.Contains(followUps, "send mail") && strings.Contains(stats, `"problem":"`)
		})
		for _, path := range []string{"events", "events/1", "customers", "customers/1", "cases", "companies", "rejections"} {
			get(http.MethodGet, "/api/"+path)
		}
		get(http.MethodPost, "/events/1/copy?as=curl")
		get(http.MethodPost, "/api/replay?status=processed")
		crawl(t, func(path string) string { return get(http.MethodGet, path) })
		for _, name := range []string{"heap", "goroutine", "allocs", "block", "mutex", "threadcreate"} {
			for debug := range 3 {
				get(http.MethodGet, fmt.Sprintf("/debug/pprof/%s?debug=%d", name, debug))
			}
		}
		for _, name := range []string{"", "cmdline", "symbol", "profile?seconds=1", "trace?seconds=0.1"} {
			get(http.MethodGet, "/debug/pprof/"+name)
		}

		p.mu.Lock()
		arguments, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.process.Process.Pid))
		p.mu.Unlock()
		if err != nil || len(arguments) == 0 {
			t.Fatalf("arguments: %q, %v", arguments, err)
		}
		nowhere(t, "the arguments", string(arguments), admin)
		p.signal(syscall.SIGQUIT) // prints what a panic prints, of every goroutine
		p.eventually("all goroutines are printed", func() bool { return strings.Contains(p.log.String(), "(ended: exit status 2)") })
		p.end(syscall.SIGTERM)
		log := p.log.String()
		if !strings.Contains(log, "goroutine 1 ") || !strings.Contains(log, "delivery rejected") {
			t.Errorf("the log is not what this test expects:\n%s", log)
		}
		nowhere(t, "the log", log, admin)
	})
}

// deliverAll delivers a sample of each provider, and also in ways that are refused.
func (p *program) deliverAll() {
	p.t.Helper()
	sent := map[string]bool{}
	for _, s := range allTemplates(p.t) {
		body := s.event(uuid.NewString(), uuid.NewString(), now)
		if status, answer := p.send(s.provider, body); status != http.StatusOK {
			p.t.Errorf("%s: %d %s", s.provider, status, answer)
		}
		if sent[s.provider] {
			continue
		}
		sent[s.provider] = true
		p.send(s.provider, body[:len(body)-1])
		signed := p.providers[s.provider].Sign(body, time.Now())
		for _, wrong := range []string{"POST /webhooks/%s", "POST /webhooks/%s/", "POST /webhooks/%s/x", "GET /webhooks/%s", "POST /Webhooks/%s", "POST /%s", "POST /webhooks/%sx"} {
			method, path, _ := strings.Cut(fmt.Sprintf(wrong, signed.Path), " ")
			if _, _, err := request(context.Background(), method, "http://"+p.addr+path, http.Header{"X-Signature": {"x"}}, body); err != nil {
				p.t.Error(err)
			}
		}
	}
}

// link matches a link to another page of the inspector.
var link = regexp.MustCompile(`href="(/[^"]*)"`)

// crawl opens the pages of the inspector and those that they lead to.
func crawl(t *testing.T, open func(path string) string) {
	t.Helper()
	seen, queue := map[string]bool{"/": true}, []string{"/"}
	for n := 0; n < len(queue) && n < 80; n++ {
		for _, found := range link.FindAllStringSubmatch(open(queue[n]), -1) {
			if path := html.UnescapeString(found[1]); !seen[path] {
				seen[path] = true
				queue = append(queue, path)
			}
		}
	}
	if len(queue) < 20 {
		t.Errorf("only %d pages: %q", len(queue), queue)
	}
}

// nowhere fails if a text, which may be compressed, contains a canary or the password as browsers send it.
func nowhere(t *testing.T, where, text string, admin http.Header) {
	t.Helper()
	if r, err := gzip.NewReader(strings.NewReader(text)); err == nil {
		plain, err := io.ReadAll(r)
		if err != nil {
			t.Errorf("%s: %v", where, err)
		}
		text = string(plain)
	}
	for _, secret := range []string{leak, strings.TrimPrefix(admin.Get("Authorization"), "Basic ")} {
		if i := strings.Index(text, secret); i >= 0 && secret != "" {
			t.Errorf("a secret is in %s: …%s…", where, text[max(0, i-300):min(len(text), i+100)])
		}
	}
}

// ofRemovedProvider reports whether a variable is for the API of a provider that a fork has removed.
func ofRemovedProvider(variable string) bool {
	name, _, isAPI := strings.Cut(variable, "_API_")
	return isAPI && !slices.Contains(handlers.ProviderNames(), strings.ToLower(name))
}

// TestWrongSettingsShowNoSecret: the program does not start, and says why without a part of the setting.
func TestWrongSettingsShowNoSecret(t *testing.T) {
	t.Parallel()
	canary := secretFor("")
	for i, settings := range []map[string]string{
		{"DATABASE_URL": "postgres://me:" + canary + "@127.0.0.1:1/db"}, {"DATABASE_URL": "postgres://me:" + canary + "@127.0.0.1:" + canary + "/db"},
		{"DATABASE_URL": "postgres://me:%" + canary + "@127.0.0.1:1/db"}, {"DATABASE_URL": "postgres://me:" + canary + "@127.0.0.1:1/db?sslmode=" + canary},
		{"DATABASE_URL": "postgres://me:" + canary + "@127.0.0.1:1/db?password=" + canary + "&sslrootcert=/no/" + canary}, {"DATABASE_URL": canary},
		{"REDIS_URL": "redis://:" + canary + "@127.0.0.1:" + canary}, {"REDIS_URL": "redis://:" + canary + "@127.0.0.1:1/" + canary},
		{"REDIS_URL": "redis-sentinel://:" + canary + "@127.0.0.1:1"}, {"REDIS_URL": "redis-cluster://:" + canary + "@127.0.0.1:1?" + canary + "=1"}, {"REDIS_URL": canary},
		{"SMTP_URL": "smtp://me:" + canary + "@127.0.0.1:1/" + canary}, {"SMTP_URL": canary}, {"SLACK_WEBHOOK_URL": canary}, {"SLACK_WEBHOOK_URL": "https://%" + canary},
		{"CALLBACK_URL": canary, "CALLBACK_SECRET": canary}, {"CALLBACK_URL": "https://a.example", "CALLBACK_SECRET": canary + "!"},
		{"LEGALTALENT_API_URL": "http://me:" + canary + "@api.example"}, {"TRST_API_KEY": canary}, {app.SecretName(handlers.ProviderNames()[0]): ","},
	} {
		if slices.ContainsFunc(slices.Collect(maps.Keys(settings)), ofRemovedProvider) {
			continue
		}
		for _, settings := range []map[string]string{settings, inFiles(t, settings)} {
			c, err := app.ReadConfig(environOf(settings, "ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0"))
			if err == nil {
				_, err = app.New(t.Context(), c, os.DirFS(filepath.Join("..", "testdata")), slog.New(slog.DiscardHandler))
			}
			if err == nil {
				t.Fatalf("setting %d: it starts", i)
			}
			nowhere(t, fmt.Sprintf("the error of setting %d", i), err.Error(), nil)
		}
	}
}
