package app_test

import (
	"encoding/json"
	"flag"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite testdata/**/*.want.json and testdata/*/README.md; read them before you commit them")

// TestSamples delivers each payload of testdata to an empty system, twice, and compares the rows it leads to with the
// .want.json beside it. That each event type has a sample, and each sample an event type, is tested in package jobs.
func TestSamples(t *testing.T) {
	t.Parallel()
	known := providers(t)
	root := filepath.Join("..", "testdata")
	folders, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		provider := folder.Name()
		if !folder.IsDir() || provider == "api" || provider == "scenarios" || provider == "verify" {
			continue
		}
		if known[provider] == nil {
			t.Errorf("testdata/%s holds the samples of no provider in handlers/provider.go", provider)
			continue
		}
		err := filepath.WalkDir(filepath.Join(root, provider), func(path string, _ fs.DirEntry, err error) error {
			name, isSample := strings.CutSuffix(path, ".json")
			if err != nil || !isSample {
				return err
			}
			if payload, isWant := strings.CutSuffix(name, ".want"); isWant {
				_, err := os.Stat(payload + ".json")
				return err // a result without its payload
			}
			t.Run(strings.TrimPrefix(name, root+"/"), func(t *testing.T) {
				t.Parallel()
				testSample(t, provider, name)
			})
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func testSample(t *testing.T, provider, name string) {
	t.Helper()
	body, err := os.ReadFile(name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, sqlite(t))
	deliver := func() []byte {
		if status, answer := r.send(provider, body); status != http.StatusOK {
			t.Fatalf("answered %d %s", status, answer)
		}
		r.settle()
		return r.rows()
	}
	first := deliver()
	if diff := cmp.Diff(string(first), string(deliver())); diff != "" {
		t.Errorf("the second delivery changed something (-first +second):\n%s", diff)
	}
	compare(t, name+".want.json", first)
}

// compare compares a generated file with what is generated now, or rewrites it.
func compare(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; make it with: go test ./app -run 'TestSamples|TestDecisions' -update", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// rows shows all that the admin API shows, but for row IDs, our own clock, our test's secret and the number of deliveries.
func (r *running) rows() []byte {
	r.t.Helper()
	all := map[string]any{}
	r.get("/api/events", &all)
	r.get("/api/cases", &all)
	r.get("/api/companies", &all)
	var customers []any
	for _, c := range r.customers("") {
		var full any
		r.get("/api/customers/"+strconv.FormatInt(c.ID, 10), &full)
		customers = append(customers, full)
	}
	all["customers"] = customers
	mask(all)
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		r.t.Fatal(err)
	}
	return append(b, '\n')
}

// mask removes what differs from run to run, and zeroes times of arrival, which stand in for the time of an event
// whose body has none.
func mask(v any) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			mask(item)
		}
	case map[string]any:
		for _, key := range []string{
			"id", "customer_id", "created_at", "updated_at", "received_at", "processed_at", "attempts", "deliveries", "next_cursor", "secret",
			"follow_ups",
		} {
			delete(v, key)
		}
		for name, item := range v {
			text, _ := item.(string)
			if at, err := time.Parse(time.RFC3339, text); err == nil && time.Since(at).Abs() < time.Hour {
				v[name] = time.Time{}
			}
			mask(item)
		}
	}
}
