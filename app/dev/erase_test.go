package dev

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/models"
)

// erase needs a terminal or --yes, removes a customer once, and can be repeated. export writes a file that only its owner can read.
func TestEraseAndExport(t *testing.T) {
	a := server(t)
	succeed(t, "trigger", verifying(t))
	customers, err := find(t.Context(), a, "customers", nil)
	if err != nil || len(customers) != 1 {
		t.Fatalf("%d customers, %v", len(customers), err)
	}
	id, subject := customers[0].Get("id").String(), customers[0].Get("subject_id").Str

	succeed(t, "export", id, "--output", "person.json")
	exported, err := os.ReadFile("person.json")
	info, err2 := os.Stat("person.json")
	printed := gjson.Parse(succeed(t, "export", id)) // a follow-up may be tried meanwhile, so not all is the same
	if err != nil || err2 != nil || info.Mode().Perm() != 0o600 || gjson.GetBytes(exported, "customer.subject_id").Str != subject ||
		gjson.GetBytes(exported, "events.0.payload").Raw == "" || gjson.GetBytes(exported, "events").Raw != printed.Get("events").Raw {
		t.Errorf("exported %s, %v %v %v", exported, info.Mode(), err, err2)
	}
	fails(t, run(t, "export", id, "--output", "person.json"), false, "exists")
	fails(t, run(t, "export", "98", "--output", "nobody.json"), false, "there is no customer 98")
	if _, err := os.Stat("nobody.json"); err == nil {
		t.Error("a file for nobody is left")
	}

	fails(t, run(t, "erase", id), true, "not a terminal", "--yes")
	fails(t, run(t, "erase", "x", "--yes"), true, "not an ID")
	fails(t, run(t, "erase", "98", "--yes"), false, "there is no customer 98")
	for range 2 {
		if got := flat(succeed(t, "erase", id, "--yes")); !strings.HasPrefix(got, fmt.Sprintf("customer %s of %s is erased. Removed: event bodies 1, facts ", id, providerOf(verifying(t)))) {
			t.Errorf("printed %q", got)
		}
	}
	fails(t, run(t, "customers", id), false, "there is no customer")

	succeed(t, "trigger", verifying(t))
	if again, err := find(t.Context(), a, "customers", nil); err != nil || len(again) != 1 || again[0].Get("id").String() == id {
		t.Errorf("a new customer: %v, %v, want an ID other than %s", again, err, id)
	}
}

// The question shows whom, and only yes is a yes.
func TestConfirmErase(t *testing.T) {
	t.Parallel()
	customer := gjson.Parse(`{"provider":"unlisted","subject_id":"subject-1","status":"verified","events":[{},{}]}`)
	for answer, ok := range map[string]bool{"yes\n": true, "y\n": false, "\n": false, "": false, "no\n": false} {
		var printed strings.Builder
		err := confirmErase(&printed, strings.NewReader(answer), customer)
		for _, want := range []string{"unlisted", "subject-1", string(models.StatusVerified), "2"} {
			if (err == nil) != ok || !strings.Contains(printed.String(), want) {
				t.Errorf("%q: %v after %q", answer, err, printed.String())
			}
		}
	}
}
