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

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite testdata/**/*.want.json; read them before you commit them")

// TestSamples delivers each payload of testdata to an empty system, twice, and compares the rows it leads to with the
// .want.json beside it.
func TestSamples(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "testdata")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		name, isSample := strings.CutSuffix(path, ".json")
		if err != nil || d.IsDir() || !isSample || strings.HasSuffix(path, ".want.json") || filepath.Dir(path) == root || filepath.Base(filepath.Dir(path)) == "verify" {
			return err
		}
		provider, _, _ := strings.Cut(strings.TrimPrefix(name, root+"/"), "/")
		t.Run(strings.TrimPrefix(name, root+"/"), func(t *testing.T) {
			t.Parallel()
			r := start(t, sqlite(t))
			body := sample(t, strings.TrimPrefix(name, root+"/"))
			if status, answer := r.send(provider, body); status != http.StatusOK {
				t.Fatalf("answered %d %s", status, answer)
			}
			r.settle()
			got := r.rows()
			if status, answer := r.send(provider, body); status != http.StatusOK {
				t.Fatalf("the second time answered %d %s", status, answer)
			}
			r.settle()
			if diff := cmp.Diff(string(got), string(r.rows())); diff != "" {
				t.Errorf("the second delivery changed something (-first +second):\n%s", diff)
			}
			compare(t, name+".want.json", got)
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

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
		t.Fatalf("%v; make it with: go test ./app -run TestSamples -update", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// rows shows all that the admin API shows, but for row IDs, our own clock and the number of deliveries.
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

// mask removes what differs from run to run.
func mask(v any) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			mask(item)
		}
	case map[string]any:
		for _, key := range []string{
			"id", "customer_id", "created_at", "updated_at", "received_at", "processed_at", "attempts", "deliveries", "next_cursor",
		} {
			delete(v, key)
		}
		for _, item := range v {
			mask(item)
		}
	}
}
