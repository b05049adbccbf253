package cli

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

// people sends what makes two people with facts of all kinds.
func people(t *testing.T) {
	t.Helper()
	fill(t)
	for _, name := range []string{"trustgate/v1/screening.hit", "trustgate/v1/case.assigned", "trustgate/applicant.verification_complete"} {
		succeed(t, "trigger", name, "--repeat")
	}
}

func TestCustomersTable(t *testing.T) {
	server(t)
	golden(t, "customers-none", succeed(t, "customers"))
	people(t)
	golden(t, "customers", succeed(t, "customers"))
	golden(t, "customers-one", succeed(t, "customers", "1"))
	golden(t, "customers-held", succeed(t, "customers", "2"))
}

func TestCustomersFilters(t *testing.T) {
	server(t)
	people(t)
	for args, want := range map[string]string{
		"--provider trst": "[3]",
		"--subject 46eb1142-45e4-41d4-bf05-df64f5785904": "[1]",
		"--external-id acct-20417":                       "[1]",
		"--status verified":                              "[1]",
		"--aml-hold":                                     "[2]",
		"--aml-hold=false":                               "[1 3]",
		"--limit 2":                                      "[2 3]",
	} {
		var ids []int64
		for line := range strings.Lines(succeed(t, append([]string{"customers", "--json"}, strings.Fields(args)...)...)) {
			ids = append(ids, gjson.Get(line, "id").Int())
		}
		if got := fmt.Sprint(ids); got != want {
			t.Errorf("%s: got %s, want %s", args, got, want)
		}
	}
}

// TestCustomersJSON: one customer comes as the admin API gives it.
func TestCustomersJSON(t *testing.T) {
	admin := server(t)
	people(t)
	want, err := admin.call(t.Context(), "GET", "/api/customers/2")
	if err != nil {
		t.Fatal(err)
	}
	if got := succeed(t, "customers", "2", "--json"); got != string(bytes.TrimSpace(want))+"\n" {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCustomersProblems(t *testing.T) {
	server(t)
	failsWith(t, "there is no customer 99", "customers", "99")
	failsWith(t, `"bob" is no id: want a number, as customers lists them`, "customers", "bob")
	failsWith(t, "with the id of one customer, the only flag is --json", "customers", "1", "--aml-hold")
	failsWith(t, "--limit is -1: want 1 or more", "customers", "--limit", "-1")
	failsWith(t, "--subject is empty", "customers", "--subject", "")
	failsWith(t, `--status is "ok": want pending, in_progress, in_review, verified, failed, rejected, withdrawn`, "customers", "--status", "ok")
	failsWith(t, `--provider is "acme": want legaltalent, trst, trustgate, trustist`, "customers", "--provider", "acme")
}

// TestCustomersFollow: who is new and who changes, once each.
func TestCustomersFollow(t *testing.T) {
	server(t)
	succeed(t, "trigger", "trst/enrollment.completed")
	l := launch(t, "customers", "-f", "--json")
	l.waitFor(`{"id":1,`)
	succeed(t, "trigger", "trustgate/applicant.submitted")
	l.waitFor(`"status":"in_progress"`)
	succeed(t, "trigger", "trustgate/applicant.reviewed")
	l.waitFor(`"status":"verified"`)
	r := l.end()
	if r.code != exitOK || r.stderr != "" || strings.Count(r.stdout, "\n") != 3 || strings.Count(r.stdout, `{"id":2,`) != 2 {
		t.Errorf("exit code %d, stderr %q, want customer 1 once and customer 2 twice:\n%s", r.code, r.stderr, r.stdout)
	}
	failsWith(t, "-f is for the list, not for one customer", "customers", "1", "-f")
}
