package cli

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/app/testservers"
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
		{[]string{"list.1.id=null", "list.0=false"}, nil, `{ "a": 1, "list": [ false, {"id": null} ], "null": null, "dotted.key": true }`},
		{[]string{`dotted\.key=1`}, nil, `{ "a": 1, "list": [ "x", {"id": "y"} ], "null": null, "dotted.key": 1 }`},
		{nil, []string{"list.2=z"}, `{ "a": 1, "list": ["x",{"id": "y"},"z"], "null": null, "dotted.key": true }`},
		{nil, []string{"new.b=1", "null.c=2"}, `{ "a": 1, "list": [ "x", {"id": "y"} ], "null": {"c":2}, "dotted.key": true ,"new":{"b":1}}`},

		{[]string{"a"}, nil, `--set is "a": want path=value, as in data.status=approved`},
		{nil, []string{"=1"}, `--set-new is "=1": want path=value, as in data.status=approved`},
		{[]string{"list.1.di=1"}, nil, `--set: the payload has no list.1.di; the nearest it has is "list.1.id" (--set-new adds a field)`},
		{[]string{"list.2=1"}, nil, `--set: the payload has no list.2; the nearest it has is "list.0" (--set-new adds a field)`},
		{[]string{"lis*=1"}, nil, `--set: the payload has no lis*; the nearest it has is "list" (--set-new adds a field)`},
		{nil, []string{"a=1"}, "--set-new: the payload has a already; --set changes it"},
		{nil, []string{"a.b=1"}, "--set-new: a is no object: it has nothing below it"},
		{nil, []string{"b*=1"}, "--set-new: b* is no path to one field"},
	} {
		list, err := assignments(c.set, c.setNew)
		got := ""
		if err == nil {
			var changed []byte
			changed, err = assign([]byte(body), list)
			got = string(changed)
		}
		if err != nil {
			if _, usage := errors.AsType[usageError](err); !usage {
				t.Errorf("%v is no usage error", err)
			}
			got = err.Error()
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q %q (-want +got):\n%s", c.set, c.setNew, diff)
		}
	}
	for _, body := range []string{"", "[1]", "{", `{"a":1}}`} {
		_, err := assign([]byte(body), []assignment{{flag: "--set", path: "a", value: json.RawMessage("2")}})
		if err == nil || err.Error() != "--set: the body is no JSON object" {
			t.Errorf("%q: got %v", body, err)
		}
	}
}

// TestTriggerSet: the changed payload is what is signed. IDs and times stay new, unless they are set.
func TestTriggerSet(t *testing.T) {
	admin := server(t)
	for _, c := range []struct{ sample, set, field, want string }{
		{"trustgate/applicant.reviewed", "data.status=rejected", "status", "rejected"},
		{"trustgate/v1/applicant.verified", "data.applicant_id=person", "subject_id", "person"},
		{"trustist/onboard.session.completed", "Session.Id=person", "subject_id", "person"},
		{"trst/enrollment.completed", "data.member_id=person", "subject_id", "person"},
		{"legaltalent/kyc.session.processed", "data.status=REJECTED", "status", "failed"},
	} {
		for range 2 {
			out := gjson.Parse(succeed(t, "trigger", c.sample, "--json", "--set", c.set))
			if got := out.Get("customer_after." + c.field).Str; got != c.want || out.Get("answer").Str != "accepted" {
				t.Errorf("%s with %s: %s is %q, want %q: %s", c.sample, c.set, c.field, got, c.want, out.Raw)
			}
		}
	}
	const id, at = "a-1", "2026-01-02T03:04:05Z"
	succeed(t, "trigger", "trustgate/applicant.reviewed", "--set", "event_id="+id, "--set", "timestamp="+at)
	got := events(t, admin, "external_id="+id)
	if len(got) != 1 || got[0].OccurredAt.UTC().Format("2006-01-02T15:04:05Z") != at {
		t.Errorf("got %+v, want one event of %s", got, at)
	}
	out := succeed(t, "trigger", "trustgate/applicant.reviewed", "--set", "event_id="+id, "--set", "data.risk_score=1")
	if want := "  event 12: quarantined: "; !strings.Contains(out, want) {
		t.Errorf("the same ID with another body: got %s, want %s", out, want)
	}
}

// TestTriggerSetInFile: a file's ID and times are not renewed, and its values are not written in another way.
func TestTriggerSetInFile(t *testing.T) {
	isolate(t)
	t.Setenv("ADMIN_ADDR", testservers.FreeAddress(t))
	base, last := recorder(t, http.StatusOK, "{}")
	if err := os.WriteFile("body.json", []byte("{ \"event_id\":\"e\",\n \"timestamp\": \"2026-01-02T03:04:05Z\", \"n\": 1.0e2 }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	succeed(t, "trigger", "trst", "--file", "body.json", "--url", base, "--set", "event_id=f", "--set-new", "data.event_type=webhook.test")
	want := "{ \"event_id\":\"f\",\n \"timestamp\": \"2026-01-02T03:04:05Z\", \"n\": 1.0e2 ,\"data\":{\"event_type\":\"webhook.test\"}}"
	if diff := cmp.Diff(want, string(last.body)); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	failsWith(t, `--set: the payload has no event; the nearest it has is "event_id" (--set-new adds a field)`,
		"trigger", "trst", "--file", "body.json", "--set", "event=f")
}
