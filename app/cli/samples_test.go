package cli

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/app/scenario"
	"example.com/identity-webhooks/handlers"
)

// walk lists the samples by another way than sampleNames: all bodies in testdata.
func walk(t *testing.T) (names []string) {
	t.Helper()
	testdata := filepath.Join(root, "testdata")
	for _, pattern := range []string{"*/*.json", "*/*/*.json"} {
		files, err := filepath.Glob(filepath.Join(testdata, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			name, err := filepath.Rel(testdata, strings.TrimSuffix(file, ".json"))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(name, ".want") && !strings.HasPrefix(name, "verify/") {
				names = append(names, filepath.ToSlash(name))
			}
		}
	}
	slices.Sort(names)
	return names
}

func TestTriggerLists(t *testing.T) {
	isolate(t)
	got := strings.Split(strings.TrimSpace(succeed(t, "trigger")), "\n")
	slices.Sort(got)
	if want := walk(t); !slices.Equal(got, want) || len(got) < 80 {
		t.Errorf("got %d samples, want %d\ngot  %q\nwant %q", len(got), len(want), got, want)
	}
	offered := execute(t, "__completeNoDesc", "trigger", "").stdout
	for _, name := range got {
		if !strings.Contains(offered, name+"\n") {
			t.Errorf("the shell is not offered %s", name)
		}
	}
}

func TestFindSample(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"trustgate/case.created":              "trustgate/case.created", // both generations have it: the current one
		"trustgate/v1/case.created":           "trustgate/v1/case.created",
		"trustgate/company.created":           "trustgate/v1/company.created", // only the older one has it
		"trst/variants/webhook.test.toplevel": "trst/variants/webhook.test.toplevel",
	} {
		got, body, err := findSample(samples(), name)
		file, readErr := fs.ReadFile(samples(), want+".json")
		if err = errors.Join(err, readErr); err != nil || got != want || string(body) != string(file) {
			t.Errorf("%s: got %s with %d bytes, %v, want %s with %d", name, got, len(body), err, want, len(file))
		}
	}
	for name, guess := range map[string]string{
		"trustgate/applicant.reviewd":      "; did you mean trustgate/applicant.reviewed?",
		"trustgat/applicant.reviewed":      "; did you mean trustgate/applicant.reviewed?",
		"applicant.reviewed":               "; did you mean trustgate/applicant.reviewed?",
		"trustist/onboard.sesion.complete": "; did you mean trustist/onboard.session.completed?",
		"trustgate/v1/case.craeted":        "; did you mean trustgate/v1/case.created?",
		"trst/webhook.test.json":           "; did you mean trst/webhook.test?",
		"legaltalent":                      "", // nothing is like it
		"zzz":                              "",
		"../catalogue":                     "",
	} {
		_, _, err := findSample(samples(), name)
		want := "there is no sample " + strconv.Quote(name) + guess + " (without an argument, trigger lists them all)"
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// TestRenew: a sample becomes a new event about the same person. Nothing but IDs and times differs, and these only in ways
// that keep their form and their distance.
func TestRenew(t *testing.T) {
	t.Parallel()
	at := time.Date(2031, 2, 3, 4, 5, 6, 123456000, time.UTC)
	for _, name := range walk(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			old, err := os.ReadFile(filepath.Join(root, "testdata", filepath.FromSlash(name)+".json"))
			if err != nil {
				t.Fatal(err)
			}
			first, err := renew(old, at)
			if err != nil {
				t.Fatal(err)
			}
			second, err := renew(old, at.Add(time.Millisecond))
			if err != nil {
				t.Fatal(err)
			}
			compare(t, leaves(old), leaves(first), at)
			ids := map[string]bool{externalID(t, name, old): true, externalID(t, name, first): true, externalID(t, name, second): true}
			if len(ids) != 3 {
				t.Errorf("the sample and two renewed ones are %d events, want 3", len(ids))
			}
			if strings.Contains(string(first), "\n") {
				t.Errorf("it is on several lines: %s", first)
			}
		})
	}
	if _, err := renew([]byte("{"), at); err == nil || err.Error() != "the body is not JSON" {
		t.Errorf("no JSON: got %v", err)
	}
}

// leaf is a value of a body, with where it is.
type leaf struct {
	path  string
	value gjson.Result
}

// leaves lists the values of a body in their order.
func leaves(body []byte) (list []leaf) {
	var walk func(path string, v gjson.Result)
	walk = func(path string, v gjson.Result) {
		if !v.IsObject() && !v.IsArray() {
			list = append(list, leaf{strings.TrimPrefix(path, "."), v})
			return
		}
		v.ForEach(func(key, value gjson.Result) bool {
			walk(path+"."+key.String(), value)
			return true
		})
	}
	walk("", gjson.ParseBytes(body))
	return list
}

// compare checks each value of a renewed body against the old one.
func compare(t *testing.T, old, renewed []leaf, at time.Time) {
	t.Helper()
	if len(old) != len(renewed) {
		t.Fatalf("%d values became %d", len(old), len(renewed))
	}
	var newest time.Time
	moved := map[time.Duration]bool{}
	for i, was := range old {
		is := renewed[i]
		if was.path != is.path {
			t.Fatalf("the order of keys changed: %s stands where %s stood", is.path, was.path)
		}
		before, err := time.Parse(time.RFC3339Nano, was.value.String())
		switch {
		case err == nil:
			after, err := time.Parse(time.RFC3339Nano, is.value.String())
			if err != nil {
				t.Errorf("%s became %s: %v", was.path, is.value.Raw, err)
			}
			moved[after.Sub(before)] = true
			if after.After(newest) {
				newest = after
			}
		case was.path == "created":
			if is.value.Raw != strconv.FormatInt(at.Unix(), 10) {
				t.Errorf("created is %s, want %d", is.value.Raw, at.Unix())
			}
			newest = at
		case slices.Contains(scenario.IDFields, was.path):
			if was.value.Raw == is.value.Raw || form(was.value.Str) != form(is.value.Str) {
				t.Errorf("%s: %s became %s, want a new one of the same form", was.path, was.value.Raw, is.value.Raw)
			}
		case was.value.Raw != is.value.Raw:
			t.Errorf("%s: %s became %s", was.path, was.value.Raw, is.value.Raw)
		}
	}
	if len(moved) > 1 {
		t.Errorf("times moved by different amounts: %v", moved)
	}
	if !newest.Equal(at) {
		t.Errorf("the newest time is %v, want %v", newest, at)
	}
}

var uuidText = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// form is what two IDs of the same kind have in common.
func form(id string) string {
	prefix, _, found := strings.Cut(id, "_")
	switch {
	case uuidText.MatchString(id):
		return "UUID"
	case found:
		return prefix + "_…"
	}
	return id
}

// externalID is the ID under which the inbox stores a body.
func externalID(t *testing.T, name string, body []byte) string {
	t.Helper()
	provider, _, _ := strings.Cut(name, "/")
	p, err := handlers.NewProvider(provider, []string{"s"}, handlers.Settings{
		TrustGateFallback: handlers.FormTimestampBody, LegalTalentContent: handlers.FormEither,
	})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	env, err := p.Verify(handlers.Delivery{Header: p.Sign(body, now).Header, Token: "s", Body: body, ReceivedAt: now})
	if err != nil && !errors.Is(err, handlers.ErrContradictory) || env.ExternalID == "" {
		t.Fatalf("verify: %v, external ID %q", err, env.ExternalID)
	}
	if !json.Valid(body) {
		t.Fatalf("no JSON: %s", body)
	}
	return env.ExternalID
}
