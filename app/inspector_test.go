package app_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/jobs"
	"example.com/identity-webhooks/models"
)

// TestInspectorCopiesCommands: the curl command that the inspector offers delivers the event again, so that the receiver knows it. A shell
// reads the command, with a function in place of curl.
func TestInspectorCopiesCommands(t *testing.T) {
	t.Parallel()
	r := start(t, sqlite(t))
	samples := os.DirFS(filepath.Join("..", "testdata"))
	catalogue, err := jobs.Catalogue(samples)
	if err != nil {
		t.Fatal(err)
	}
	tried := map[string]bool{}
	for _, c := range catalogue {
		if tried[c.Provider] {
			continue
		}
		tried[c.Provider] = true
		body, err := os.ReadFile(filepath.Join("..", "testdata", c.File))
		if err != nil {
			t.Fatal(err)
		}
		body = []byte(strings.Replace(string(body), "{", `{"note": "it's $HOME \\ `+"`x`"+`", `, 1)) // what a shell might take for its own
		r.accept(c.Provider, body)
		sent := slices.DeleteFunc(r.events("provider="+c.Provider), models.Event.WasRead) // what was read about it was not sent
		id := sent[0].ID
		status, command, err := request(t.Context(), http.MethodPost, fmt.Sprintf("http://%s/events/%d/copy?as=curl", r.adminAddr, id), nil, nil)
		if err != nil || status != http.StatusOK {
			t.Fatal(status, command, err)
		}
		shell := exec.CommandContext(t.Context(), "sh", "-c", `curl() { printf '%s\0' "$@"; }`+"\n"+command)
		shell.Env = []string{app.SecretName(c.Provider) + "=" + secret}
		output, err := shell.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, command)
		}
		args := strings.Split(string(output), "\x00") // -X POST <URL>, a -H for each header, --data-binary <body>
		header := http.Header{}
		for n := 3; args[n] == "-H"; n += 2 {
			name, value, _ := strings.Cut(args[n+1], ": ")
			header.Set(name, value)
		}
		status, answer, err := request(context.Background(), args[1], args[2], header, []byte(args[len(args)-2]))
		if err != nil || status != http.StatusOK || answer != duplicate {
			t.Errorf("%s: the copied command is answered %d %s %v, want a duplicate", c.Provider, status, answer, err)
		}
	}
}

// TestInspectorSendsSamples sends every sample of the catalogue as its button does, twice: each must be accepted as a new event.
func TestInspectorSendsSamples(t *testing.T) {
	t.Parallel()
	r := start(t, sqlite(t))
	catalogue, err := jobs.Catalogue(os.DirFS(filepath.Join("..", "testdata")))
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for range 2 {
		for _, c := range catalogue {
			form := fmt.Sprintf("provider=%s&generation=%s&type=%s", c.Provider, c.Generation, c.Type)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.adminAddr+"/catalogue/send", strings.NewReader(form))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if err := resp.Body.Close(); err != nil {
				t.Fatal(err)
			}
			if to := resp.Header.Get("Location"); resp.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, "/events/") {
				t.Errorf("%s: %d to %q, want the event", form, resp.StatusCode, to)
			}
		}
	}
	r.settle()
	sent := slices.DeleteFunc(r.events(""), models.Event.WasRead)
	if n, failed := len(sent), len(r.events("status=failed")); n != 2*len(catalogue) || failed > 0 {
		t.Errorf("%d events, %d of them failed; want %d", n, failed, 2*len(catalogue))
	}
}
