package dev

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"
)

func TestAssign(t *testing.T) {
	t.Parallel()
	const body = `{ "a": 1, "list": [ "x", {"id": "y"} ], "null": null, "dotted.key": true }`
	for _, c := range []struct {
		set, setNew []string
		want        string // the body, or the error
	}{
		{[]string{"a=90"}, nil, `{ "a": 90, "list": [ "x", {"id": "y"} ], "null": null, "dotted.key": true }`},
		{[]string{"a=user_7"}, nil, `{ "a": "user_7", "list": [ "x", {"id": "y"} ], "null": null, "dotted.key": true }`},
		{[]string{`a="90"`}, nil, `{ "a": "90", "list": [ "x", {"id": "y"} ], "null": null, "dotted.key": true }`},
		{[]string{`a={"b":[1]}`, "a.b.0=2"}, nil, `{ "a": {"b":[2]}, "list": [ "x", {"id": "y"} ], "null": null, "dotted.key": true }`},
		{[]string{"a=", "null=x=y"}, nil, `{ "a": "", "list": [ "x", {"id": "y"} ], "null": "x=y", "dotted.key": true }`},
		{[]string{`dotted\.key=1`}, nil, `{ "a": 1, "list": [ "x", {"id": "y"} ], "null": null, "dotted.key": 1 }`},
		{nil, []string{"list.2=z"}, `{ "a": 1, "list": ["x",{"id": "y"},"z"], "null": null, "dotted.key": true }`},
		{nil, []string{"new.b=1", "null.c=2"}, `{ "a": 1, "list": [ "x", {"id": "y"} ], "null": {"c":2}, "dotted.key": true ,"new":{"b":1}}`},
		{[]string{"a"}, nil, `--set: "a": want path=value, as in data.status=approved`},
		{nil, []string{"=1"}, `--set-new: "=1": want path=value, as in data.status=approved`},
		{[]string{"list.1.di=1"}, nil, `--set: the payload has no list.1.di; did you mean list.1.id? (--set-new adds a field)`},
		{[]string{"lis*=1"}, nil, `--set: the payload has no lis*; did you mean list? (--set-new adds a field)`},
		{nil, []string{"a=1"}, "--set-new: the payload already has a; --set changes it"},
		{nil, []string{"a.b=1"}, "--set-new: a is not an object"},
		{nil, []string{"b*=1"}, `--set-new: "b*" is not the path of one field`},
	} {
		changed, err := assign([]byte(body), c.set, c.setNew)
		got := string(changed)
		if err != nil {
			got = err.Error()
			if _, usage := errors.AsType[UsageError](err); !usage {
				t.Errorf("%v is not a usage error", err)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q %q (-want +got):\n%s", c.set, c.setNew, diff)
		}
	}
	for _, body := range []string{"", "[1]", "{", `{"a":1}}`} {
		if _, err := assign([]byte(body), []string{"a=2"}, nil); err == nil || !strings.Contains(err.Error(), "need a body that is a JSON object") {
			t.Errorf("%q: %v", body, err)
		}
	}
}

// The changed payload is what is signed, and what is set stays, be it an ID or a time.
func TestTriggerSet(t *testing.T) {
	a := server(t)
	sample := verifying(t)
	body, err := os.ReadFile(testdata + "/" + sample + ".json")
	if err != nil {
		t.Fatal(err)
	}
	p, err := withSecret(providerOf(sample), "")
	if err != nil {
		t.Fatal(err)
	}
	env, err := p.Envelope(body)
	if err != nil {
		t.Fatal(err)
	}
	subject := gjson.Parse(succeed(t, "trigger", sample, "--json")).Get("customer_after.subject_id").Str
	for field, value := range paths(body) {
		switch value.Str {
		case env.ExternalID:
			succeed(t, "trigger", sample, "--set", field+"=my_id")
			if got := events(t, a, "external_id=my_id"); len(got) != 1 {
				t.Errorf("--set %s=my_id led to %d events of that ID", field, len(got))
			}
		case subject:
			out := gjson.Parse(succeed(t, "trigger", sample, "--json", "--set", field+"=somebody"))
			if got := out.Get("customer_after.subject_id").Str; got != "somebody" {
				t.Errorf("--set %s=somebody led to the customer %q", field, got)
			}
		}
	}
	fails(t, run(t, "trigger", sample, "--set", "no_such_field=1"), true, "the payload has no no_such_field; did you mean")
}

// The body of a file is sent byte for byte, except for what is set.
func TestTriggerSetInFile(t *testing.T) {
	isolate(t)
	t.Setenv("ADMIN_ADDR", "127.0.0.1:1")
	f := newFake(t, says(200, "{}"))
	provider := providerOf(verifying(t))
	if err := os.WriteFile("body.json", []byte("{ \"a\":\"e\",\n \"at\": \"2026-01-02T03:04:05Z\", \"n\": 1.0e2 }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "trigger", provider, "--file", "body.json", "--url", f.url, "--set", "a=f", "--set-new", "b.c=d")
	_, _, body := f.received()
	if diff := cmp.Diff("{ \"a\":\"f\",\n \"at\": \"2026-01-02T03:04:05Z\", \"n\": 1.0e2 ,\"b\":{\"c\":\"d\"}}", string(body)); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
}
