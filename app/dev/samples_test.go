package dev

import (
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
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
	narrow(t, printed)
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

// The shell completes samples and scenarios.
func TestTriggerCompletes(t *testing.T) {
	isolate(t)
	sample := verifying(t)
	holds(t, succeed(t, "__completeNoDesc", "trigger", ""), sample+"\n")
	holds(t, succeed(t, "__completeNoDesc", "trigger", "--scenario", ""), "green-then-red\n")
	if printed := succeed(t, "__completeNoDesc", "trigger", sample, ""); strings.Contains(printed, "/") {
		t.Errorf("after a sample: offered %q", printed)
	}
}
