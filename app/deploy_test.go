package app

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// compose is the part of compose.yaml that must agree with other files.
type compose struct {
	Services map[string]struct {
		Environment map[string]string
		Volumes     []string
		Ports       []string
	}
	Secrets map[string]struct{ File string }
}

// TestDeployFiles: the files for deployment and their page agree with the program and with each other.
func TestDeployFiles(t *testing.T) {
	t.Parallel()
	const unit, page = "app/deploy/identity-webhooks.service", "app/deploy/README.md"
	text := map[string]string{}
	for _, name := range []string{"Dockerfile", "compose.yaml", "go.mod", ".gitignore", ".dockerignore", ".github/workflows/ci.yml", ".github/dependabot.yml", "app/deploy/nginx.conf", unit, page} {
		b, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		text[name] = string(b)
		if strings.HasPrefix(filepath.Ext(name), ".y") {
			if err := yaml.Unmarshal(b, new(any)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	var c compose
	if err := yaml.Unmarshal([]byte(text["compose.yaml"]), &c); err != nil {
		t.Fatal(err)
	}
	has := func(name, want string) {
		t.Helper()
		if !strings.Contains(text[name], want) {
			t.Errorf("%s does not have %q", name, want)
		}
	}

	// Each variable is one that the program reads. Names of one word only are other things too.
	variables := map[string][]string{
		"Dockerfile": find(text["Dockerfile"], `(?m)^ENV ([A-Z_]+)=`), unit: find(text[unit], `(?m)^Environment=([A-Z_]+)=`),
		page: find(text[page], `\b([A-Z]+(?:_[A-Z]+)+)\b`),
	}
	for _, role := range []string{RoleReceiver, RoleWorker} {
		vars := c.Services[role].Environment
		for name := range vars {
			variables["compose.yaml"] = append(variables["compose.yaml"], name)
		}
		if vars["ROLE"] != role {
			t.Errorf("compose.yaml: ROLE of %s is %q", role, vars["ROLE"])
		}
	}
	for name, list := range variables {
		if len(list) == 0 {
			t.Errorf("%s has no variables", name)
		}
		for _, v := range list {
			if known := knownVariables(); !slices.Contains(known, v) && !slices.Contains(known, strings.TrimSuffix(v, "_FILE")) {
				t.Errorf("%s names %s, which the program does not read", name, v)
			}
		}
	}

	// Ports and addresses.
	defaults, err := ReadConfig(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, public, _ := net.SplitHostPort(defaults.Addr)
	_, admin, _ := net.SplitHostPort(defaults.AdminAddr)
	has("Dockerfile", "\nEXPOSE "+public+" "+admin+"\n")
	for _, port := range []string{public, admin} {
		has("app/deploy/nginx.conf", "proxy_pass http://$receiver:"+port+";")
		has("app/deploy/nginx.conf", "listen "+port+";")
		if !slices.ContainsFunc(c.Services["nginx"].Ports, func(p string) bool { return strings.HasSuffix(p, ":"+port) }) {
			t.Errorf("compose.yaml does not publish port %s of nginx", port)
		}
	}
	receiver := c.Services[RoleReceiver].Environment
	if receiver["ADMIN_ADDR"] != ":"+admin {
		t.Errorf("compose.yaml: ADMIN_ADDR is %q", receiver["ADMIN_ADDR"])
	}
	for _, proxy := range find(text["compose.yaml"], `ipv4_address: ([0-9.]+)`) {
		if !slices.Contains(strings.Split(receiver["TRUSTED_PROXIES"], ","), proxy) {
			t.Errorf("compose.yaml: TRUSTED_PROXIES does not have %s", proxy)
		}
	}

	// Files, and what the page calls them.
	for _, s := range c.Services {
		for _, v := range s.Volumes {
			if file, _, _ := strings.Cut(v, ":"); strings.HasPrefix(file, "./") {
				if _, err := os.Stat(filepath.Join("..", file)); err != nil {
					t.Errorf("compose.yaml: %v", err)
				}
			}
		}
	}
	for _, s := range c.Secrets {
		has(page, s.File)
		dir, _, _ := strings.Cut(s.File, "/")
		has(".gitignore", "/"+dir+"/")
		has(".dockerignore", "/"+dir+"\n")
	}
	program := find(text["Dockerfile"], `ENTRYPOINT \["(.+)"\]`)
	has("Dockerfile", `CMD ["`+program[0]+`", "healthcheck"]`)
	has("Dockerfile", "/image"+program[0]+" .\n")
	has(page, "receiver "+program[0]+` "$@"`)
	for _, name := range find(text[unit], `(?m)^Environment=.*%d/(\w+)`) {
		has(unit, "\nLoadCredential="+name+":/etc/identity-webhooks/"+name+"\n")
	}

	// The image is built with the version of Go that go.mod asks for.
	version := find(text["go.mod"], `(?m)^go (\d+\.\d+)`)
	has("Dockerfile", "FROM golang:"+version[0]+"-")
}

// find returns the first group of each match.
func find(text, pattern string) (found []string) {
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}
