package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/testservers"
)

// ngrokAPI is a double of the agent's local API. Each tunnel is its public URL and where it leads.
func ngrokAPI(t *testing.T, tunnels ...[2]string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/tunnels" {
			http.NotFound(w, r)
			return
		}
		list := []map[string]any{}
		for _, tunnel := range tunnels {
			list = append(list, map[string]any{
				"name": "command_line", "uri": "/api/tunnels/command_line", "public_url": tunnel[0], "proto": "https",
				"config": map[string]any{"addr": tunnel[1], "inspect": true},
			})
		}
		if err := json.NewEncoder(w).Encode(map[string]any{"tunnels": list, "uri": "/api/tunnels"}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// ngrokScript puts a shell script named ngrok on the PATH, and nothing else.
func ngrokScript(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if script != "" {
		if err := os.WriteFile(filepath.Join(dir, "ngrok"), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

func TestListenNgrok(t *testing.T) {
	server(t)
	c, err := app.LoadConfig()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(os.Getenv("ADDR"), ":")
	agent := ngrokAPI(t,
		[2]string{"https://other.ngrok.app", "http://localhost:1"},
		[2]string{"http://plain.ngrok.app", "http://localhost:" + port},
		[2]string{"https://ours.ngrok.app", "http://localhost:" + port},
	)
	want := func(token string) string {
		return "  legaltalent  https://ours.ngrok.app/webhooks/legaltalent\n" +
			"  trst         https://ours.ngrok.app/webhooks/trst\n" +
			"  trustgate    https://ours.ngrok.app/webhooks/trustgate\n" +
			"  trustist     https://ours.ngrok.app/webhooks/trustist/" + token + "\n\n"
	}
	secret := c.Secrets["trustist"][0]
	for args, token := range map[string]string{"": "<its secret>", "--print-secret": secret} {
		l := launch(t, append([]string{"listen", "--ngrok", "--ngrok-api", agent.URL}, strings.Fields(args)...)...)
		l.waitFor("listening")
		if r := l.end(); r.code != exitOK || !strings.HasPrefix(r.stdout, want(token)) || token != secret && strings.Contains(r.stdout+r.stderr, secret) {
			t.Errorf("%s: got %+v, want %s", args, r, want(token))
		}
	}
	l := launch(t, "listen", "--ngrok", "--ngrok-api", agent.URL, "--json")
	l.waitFor("listening")
	if line := `{"provider":"trustist","url":"https://ours.ngrok.app/webhooks/trustist/<its secret>"}`; !strings.Contains(l.end().stdout, line) {
		t.Errorf("want %s", line)
	}
}

// TestListenStartsNgrok: it is started with our port, and ended with the command.
func TestListenStartsNgrok(t *testing.T) {
	server(t)
	_, port, _ := strings.Cut(os.Getenv("ADDR"), ":")
	called := filepath.Join(t.TempDir(), "called")
	sleep := "exec /bin/sleep 600\n"
	ngrokScript(t, `echo "$$ $*" > `+called+".new\n/bin/mv "+called+".new "+called+"\n"+sleep)
	api := "http://" + testservers.FreeAddress(t)
	l := launch(t, "listen", "--ngrok", "--ngrok-api", api)
	var text []byte
	until(t, func() (found bool) {
		var err error
		text, err = os.ReadFile(called)
		return err == nil
	}, func() string { return "ngrok" })
	id, args, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	if args != "http "+port {
		t.Errorf("called with %q, want http %s", args, port)
	}
	pid, err := strconv.Atoi(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Errorf("it does not run: %v", err)
	}
	if r := l.end(); r.code != exitOK || r.stdout != "" || r.stderr != "" {
		t.Errorf("got %+v, want a quiet end", r)
	}
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("it runs on, %v", err)
	}
}

// TestListenUsesStartedNgrok: the tunnel that opens after the start is used, and an agent that ends is an error.
func TestListenUsesStartedNgrok(t *testing.T) {
	server(t)
	_, port, _ := strings.Cut(os.Getenv("ADDR"), ":")
	listed := ngrokAPI(t, [2]string{"https://ours.ngrok.app", port})
	goOn := filepath.Join(t.TempDir(), "go-on")
	open := filepath.Join(t.TempDir(), "open")
	// It answers once the script has run: before, the connection is cut, as where nobody listens.
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := os.Stat(open); err != nil {
			panic(http.ErrAbortHandler)
		}
		listed.Config.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(agent.Close)
	ngrokScript(t, ": > "+open+"\nwhile [ ! -e "+goOn+" ]; do /bin/sleep 0.01; done\necho 'ERROR:  token canary ERR_NGROK_105' >&2\n")
	l := launch(t, "listen", "--ngrok", "--ngrok-api", agent.URL)
	l.waitFor("https://ours.ngrok.app/webhooks/trst\n")
	l.waitFor("listening")
	if err := os.WriteFile(goOn, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l.waitFor("error: ngrok has ended with ERR_NGROK_105; see what it says: ngrok http " + port + "\n")
	if r := l.end(); r.code != exitError || strings.Contains(r.stderr, "canary") {
		t.Errorf("got %+v", r)
	}
}

func TestListenNgrokProblems(t *testing.T) {
	server(t)
	_, port, _ := strings.Cut(os.Getenv("ADDR"), ":")
	ngrokScript(t, "")
	gone := "http://" + testservers.FreeAddress(t)
	failsWith(t, "no ngrok agent runs, and ngrok is not installed: https://ngrok.com/download says how, then: ngrok config add-authtoken <yours>",
		"listen", "--ngrok", "--ngrok-api", gone)
	ngrokScript(t, "echo 'ERROR:  authentication failed ERR_NGROK_4018'\nexit 1\n")
	failsWith(t, "ngrok has ended with ERR_NGROK_4018; see what it says: ngrok http "+port, "listen", "--ngrok", "--ngrok-api", gone)
	failsWith(t, "the ngrok agent that runs forwards to http://localhost:1; it is to forward to port "+port+" of ADDR: end it, or add a tunnel",
		"listen", "--ngrok", "--ngrok-api", ngrokAPI(t, [2]string{"https://other.ngrok.app", "http://localhost:1"}).URL)
	failsWith(t, "the ngrok agent that runs has no https tunnel; it is to forward to port "+port+" of ADDR: end it, or add a tunnel",
		"listen", "--ngrok", "--ngrok-api", ngrokAPI(t).URL)
	page := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(page.Close)
	failsWith(t, page.URL+" answers 404 Not Found, and not as an ngrok agent does", "listen", "--ngrok", "--ngrok-api", page.URL)
	failsWith(t, "--ngrok-api, --print-secret and --subscribe are for --ngrok", "listen", "--print-secret")
	addr := testservers.FreeAddress(t)
	t.Setenv("ADMIN_ADDR", addr)
	failsWith(t, "ask the admin API: dial tcp "+addr+": connect: connection refused (is the server running? start it with: go run .)",
		"listen", "--ngrok", "--ngrok-api", page.URL)
}

func TestPortOf(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"http://localhost:8080": "8080", "https://127.0.0.1:8443/": "8443", "localhost:80": "80", "8080": "8080", "http://[::1]:81": "81",
		"http://example.com": "example.com",
	} {
		if got := portOf(addr); got != want {
			t.Errorf("portOf(%q) = %q, want %q", addr, got, want)
		}
	}
}
