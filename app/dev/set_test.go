package dev

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/payload"
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
		{[]string{"a"}, nil, `"a": want path=value, as in data.status=approved`},
		{nil, []string{"=1"}, `"=1": want path=value, as in data.status=approved`},
		{[]string{"list.1.di=1"}, nil, `the payload has no list.1.di; did you mean list.1.id? (--set-new adds a field)`},
		{nil, []string{"a=1"}, "the payload already has a; --set changes it"},
		{nil, []string{"a.b=1"}, "a is not an object"},
		{nil, []string{"b*=1"}, `"b*" is not the path of one field`},
	} {
		changed, err := assign([]byte(body), c.set, c.setNew)
		got := string(changed)
		if err != nil {
			got = err.Error()
			if _, usage := errors.AsType[app.UsageError](err); !usage {
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
	for field, value := range payload.Paths(body) {
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
	fails(t, run(t, "trigger", sample, "--set", "no_such_field=1"), true, "the payload has no no_such_field (--set-new adds a field)")
}
