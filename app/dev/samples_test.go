package dev

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/app/payload"
)

// trigger without an argument lists every sample and scenario, with a few words, in 80 columns.
func TestTriggerLists(t *testing.T) {
	isolate(t)
	printed := succeed(t, "trigger")
	names, err := sampleNames(samples())
	if err != nil || len(names) < 10 {
		t.Fatalf("%d samples, %v", len(names), err)
	}
	titles, err := scenarios(samples())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(names, sortedKeys(titles)...) {
		if !regexp.MustCompile(`(?m)^  ` + regexp.QuoteMeta(name) + `($| )`).MatchString(printed) {
			t.Errorf("%s is not listed", name)
		}
	}
	for line := range strings.Lines(printed) {
		if n := utf8.RuneCountInString(line); n > 81 {
			t.Errorf("%d characters: %s", n, line)
		}
	}
	sample := verifying(t)
	words, err := meanings(samples())
	if err != nil || words[sample] == "" || !strings.Contains(printed, sample+"  ") || !strings.Contains(printed, words[sample][:10]) {
		t.Errorf("%s is listed without its meaning %q, %v", sample, words[sample], err)
	}
}

func TestFindSample(t *testing.T) {
	t.Parallel()
	sample := verifying(t)
	provider := providerOf(sample)
	files := fstest.MapFS{}
	for _, name := range []string{"a.b", "v1/a.b", "v1/only.old", "variants/a.b.other"} {
		files[provider+"/"+name+".json"] = &fstest.MapFile{Data: []byte(name)}
	}
	for name, want := range map[string]string{"a.b": "a.b", "v1/a.b": "v1/a.b", "only.old": "v1/only.old", "a.b.other": "variants/a.b.other"} {
		if full, body, err := findSample(files, provider+"/"+name); full != provider+"/"+want || string(body) != want || err != nil {
			t.Errorf("%s: got %s %q %v, want %s", name, full, body, err, want)
		}
	}
	_, _, err := findSample(files, provider+"/only.odl")
	fails(t, result{err: err}, true, "did you mean "+provider+"/only.old?")
}

// A renewed sample is another event of the present time about the same person, twice in a row too.
func TestRenew(t *testing.T) {
	t.Parallel()
	names, err := sampleNames(samples())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		p, err := withSecret(providerOf(name), "")
		if err != nil {
			t.Fatal(err)
		}
		sample, err := fs.ReadFile(samples(), name+".json")
		if err != nil {
			t.Fatal(err)
		}
		old, _ := p.Envelope(sample) // one sample is contradictory
		known := []string{old.ExternalID}
		for range 2 {
			now := time.Now()
			body, err := payload.Renew(p, sample, now)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			e, _ := p.Envelope(body)
			if slices.Contains(known, e.ExternalID) || e.Type != old.Type || e.Generation != old.Generation {
				t.Errorf("%s: got the event %+v of %+v", name, e, old)
			}
			known = append(known, e.ExternalID)
			if newest := payload.NewestTime(body); !newest.IsZero() && now.Sub(newest).Abs() > time.Second {
				t.Errorf("%s: the newest time is %s, want %s", name, newest, now)
			}
			if strings.Contains(string(body), "\n") {
				t.Errorf("%s is on several lines", name)
			}
		}
	}
}

// Times of all forms move by the same amount; what only looks like a time stays.
func TestMoveTimes(t *testing.T) {
	t.Parallel()
	body := `{"a":"2026-02-04T15:00:00Z","b":"2026-02-04T15:00:00.25Z","c":"2026-02-04T17:00:00+02:00","created":1770217200,"n":1770217200,` +
		`"d":"2026-02-04","e":"2026-02-31T15:00:00Z"}`
	want := `{"a":"2026-02-04T16:00:00Z","b":"2026-02-04T16:00:00.25Z","c":"2026-02-04T16:00:00Z","created":1770220800,"n":1770217200,` +
		`"d":"2026-02-04","e":"2026-02-31T15:00:00Z"}`
	if got := string(payload.MoveTimes([]byte(body), time.Hour)); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if got := payload.NewestTime([]byte(body)); !got.Equal(time.Date(2026, 2, 4, 15, 0, 0, 250000000, time.UTC)) {
		t.Errorf("the newest is %s", got)
	}
}

// What is proposed is like what was typed, or nothing is.
func TestDidYouMean(t *testing.T) {
	t.Parallel()
	names := []string{"id", "data.status", "data.reason", "x/applicant.reviewed"}
	for typed, want := range map[string]string{
		"status": "data.status", "data.staus": "data.status", "applicant.reviewed": "x/applicant.reviewed", "x/aplicant.reviewd": "x/applicant.reviewed",
		"foo": "", "no_such_field": "", "x/applicant.created": "", "x": "", "": "",
	} {
		if want != "" {
			want = "; did you mean " + want + "?"
		}
		if got := didYouMean(names, typed); got != want {
			t.Errorf("%q: got %q, want %q", typed, got, want)
		}
	}
}

// The shell completes samples, providers, scenarios and the fields of a sample.
func TestTriggerCompletes(t *testing.T) {
	isolate(t)
	offered := func(args ...string) []string {
		var list []string
		for line := range strings.Lines(run(t, append([]string{"__completeNoDesc", "trigger"}, args...)...).stdout) {
			if !strings.HasPrefix(line, ":") {
				list = append(list, strings.TrimSpace(line))
			}
		}
		return list
	}
	sample := verifying(t)
	body, err := os.ReadFile(filepath.Join(testdata, sample+".json"))
	if err != nil {
		t.Fatal(err)
	}
	field := gjson.GetBytes(body, "@keys.0").Str
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{""}, sample},
		{[]string{"--file", "body.json", ""}, providerOf(sample)},
		{[]string{"--scenario", ""}, "green-then-red"},
		{[]string{sample, "--set", ""}, field + "="},
	} {
		if got := offered(c.args...); !slices.Contains(got, c.want) {
			t.Errorf("%q: offered %q, want %s among them", c.args, got, c.want)
		}
	}
	if got := offered(sample, ""); len(got) > 0 {
		t.Errorf("after a sample: offered %q", got)
	}
}
