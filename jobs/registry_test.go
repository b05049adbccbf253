package jobs

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The registry and the catalogue of testdata name the same event types.
func TestRegistryIsComplete(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "testdata", "catalogue.json"))
	if err != nil {
		t.Fatal(err)
	}
	var catalogue []struct{ Provider, Generation, Type, Sample string }
	if err := json.Unmarshal(text, &catalogue); err != nil {
		t.Fatal(err)
	}
	registry := NewRegistry()
	want := map[string]bool{}
	for _, c := range catalogue {
		want[registry.key(c.Provider, c.Generation, c.Type)] = true
		if _, err := os.Stat(filepath.Join("..", "testdata", c.Sample)); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(registry.translations))); diff != "" {
		t.Errorf("event types (-catalogue +registry):\n%s", diff)
	}
}

func TestRegistryRefusesMistakes(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{"twice": "acme/v1/a", "without a generation": "acme/a"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() == nil {
					t.Error("it was registered")
				}
			}()
			r := &Registry{translations: map[string]translation{"acme/v1/a": nil}}
			ignore(r, key)
		})
	}
}
