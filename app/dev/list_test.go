package dev

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/models"
)

// fill sends events of several kinds: two that verify a person, one that is ignored and one that cannot be read.
func fill(t *testing.T) {
	t.Helper()
	succeed(t, "trigger", verifying(t), "--count", "2")
	succeed(t, "trigger", ignored(t))
	run(t, "trigger", providerOf(verifying(t)), "--file", unreadableFile(t))
}

// narrow fails if a line is longer than 80 characters.
func narrow(t *testing.T, printed string) {
	t.Helper()
	for line := range strings.Lines(printed) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d characters: %s", n, line)
		}
	}
}

// testFilters: each filter selects the rows that have the value, and no others, and --limit the newest ones.
func testFilters(t *testing.T, a admin, command string, filters []filter) {
	all, err := newest[json.RawMessage](t.Context(), a, command, nil, 1000)
	if err != nil || len(all) < 3 {
		t.Fatalf("%s: %d, %v", command, len(all), err)
	}
	want, newestTwo := map[string][]int64{}, []int64(nil) // by flag and value
	for _, row := range all {
		id := gjson.GetBytes(row, "id").Int()
		newestTwo = append(newestTwo, id)[max(0, len(newestTwo)-1):]
		for _, f := range filters {
			if value := gjson.GetBytes(row, f.param).String(); value != "" {
				flag := fmt.Sprintf("--%s=%s", f.flag, value)
				want[flag] = append(want[flag], id)
			}
		}
	}
	want["--limit=2"] = newestTwo
	for flag, want := range want {
		if got := ids(t, succeed(t, command, "--json", "--limit=1000", flag)); !slices.Equal(got, want) {
			t.Errorf("%s %s: got %v, want %v", command, flag, got, want)
		}
	}
}

// TestCustomers: each customer is shown with all that is known, and with --json as the admin API has it.
func TestCustomers(t *testing.T) {
	a := server(t)
	names, err := sampleNames(samples())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		run(t, "trigger", name)
	}
	testFilters(t, a, "customers", customerList().filters)
	if got, want := succeed(t, "customers", "--aml-hold"), succeed(t, "customers", "--aml-hold=true"); got != want {
		t.Errorf("--aml-hold: got %s, want %s", got, want)
	}
	narrow(t, succeed(t, "customers")+succeed(t, "events"))
	all, everything := ids(t, succeed(t, "customers", "--json", "--limit=1000")), ""
	for _, id := range all {
		printed := succeed(t, "customers", fmt.Sprint(id))
		_, tables, _ := strings.Cut(printed, "\n\n")
		narrow(t, tables)
		everything += printed
		want, err := a.call(t.Context(), "GET", fmt.Sprintf("/api/customers/%d", id))
		if got := succeed(t, "customers", fmt.Sprint(id), "--json"); err != nil || got != string(bytes.TrimSpace(want))+"\n" {
			t.Errorf("customer %d: got %s, want %s, %v", id, got, want, err)
		}
	}
	for _, text := range []string{"\nsubject_id ", "\ndecisions\n", "\nchecks\n", "\nevents\n", "\nfollow-ups\n"} {
		if !strings.Contains(everything, text) {
			t.Errorf("no customer shows %q", text)
		}
	}
}

// TestEvents: the table shows the outcome of each event, and one event is shown with its payload and follow-ups.
func TestEvents(t *testing.T) {
	a := server(t)
	fill(t)
	testFilters(t, a, "events", eventFilters())
	reason := events(t, a, "outcome=ignored")[0].Reason
	for command, want := range map[string][]string{
		"events":          {"applied", "customer 1", "ignored", "failed", "unreadable body"},
		"events 1":        {"outcome ", "applied", "customer_id ", "\nfollow-ups\n", "\n{\n  \""},
		"events 3":        {"ignored", reason},
		"events 4":        {"failed", "11 bytes that are not JSON: \"canary\\x1b[31m\"\n"},
		"events 1 --json": {"{\"id\":1,", "\"payload\":{"},
	} {
		got := succeed(t, strings.Fields(command)...)
		for _, text := range want {
			if !strings.Contains(got, text) {
				t.Errorf("%s does not show %q:\n%s", command, text, got)
			}
		}
	}
}

func TestListsUsage(t *testing.T) {
	isolate(t)
	fails(t, run(t, "customers"), false, "is the server running? Start it with: go run .")
	server(t)
	fails(t, run(t, "events", "99"), false, "there is no event 99")
	fails(t, run(t, "customers", "99"), false, "there is no customer 99")
	for command, want := range map[string]string{
		"events x":                   `"x" is not an ID`,
		"events 1 --limit 2":         "the only flag is --json",
		"events --limit 0":           "--limit is 0",
		"events --type=":             "--type is empty",
		"events --status done":       "want received, queued, processed",
		"events --customer x":        "customer_id must be an id",
		"events 1 2":                 "at most 1 arg",
		"events --sort":              "unknown flag: --sort",
		"customers --aml-hold=maybe": "want true, false",
		"customers -f":               "unknown shorthand flag",
	} {
		fails(t, run(t, strings.Fields(command)...), true, want)
	}
	t.Setenv("LOG_LEVEL", "loud")
	fails(t, run(t, "events"), true, "LOG_LEVEL")
}

// TestEventsFollow: events -f prints the newest events and then each that comes, once.
func TestEventsFollow(t *testing.T) {
	server(t)
	fill(t)
	l := launch(t, Env{}, "events", "-f", "--json", "--limit", "2")
	l.waitFor(`"id":4,`)
	succeed(t, "trigger", verifying(t))
	l.waitFor(`"id":5,`)
	succeed(t, "trigger", ignored(t))
	l.waitFor(`"id":6,`)
	r := l.end()
	if got := ids(t, r.stdout); r.err != nil || !slices.Equal(got, []int64{3, 4, 5, 6}) {
		t.Errorf("got %v, %v", got, r.err)
	}
}

// TestSendersCannotReachTheTerminal: control characters in a payload do not reach the terminal.
func TestSendersCannotReachTheTerminal(t *testing.T) {
	a, sample := server(t), ignored(t)
	body, err := os.ReadFile(testdata + "/" + sample + ".json")
	if err != nil {
		t.Fatal(err)
	}
	const attack = "x\x1b]0;owned\x07\u009b2J"
	value, err := json.Marshal(attack)
	if err != nil {
		t.Fatal(err)
	}
	attacked := bytes.Replace(body, []byte(`"`+path.Base(sample)+`"`), value, 1) // the type
	if err := os.WriteFile("attack.json", attacked, 0o600); err != nil {
		t.Fatal(err)
	}
	l := launch(t, Env{}, "listen")
	l.waitFor("listening")
	printed := succeed(t, "trigger", providerOf(sample), "--file", "attack.json")
	if e := events(t, a, "")[0]; e.Type != attack {
		t.Skipf("the type is %q: it is not in the payload as it is", e.Type)
	}
	l.waitFor("ignored")
	for _, args := range [][]string{{"events"}, {"events", "1"}, {"resend", "1"}, {"resend", "1", "--dry-run"}} {
		printed += succeed(t, args...)
	}
	if printed += l.end().stdout; strings.ContainsAny(printed, "\x1b\x07\u009b") {
		t.Errorf("printed %q", printed)
	}
}

// TestFollower: a follower notices new and repeated events, also if more have come than it compares, and if the database was replaced.
func TestFollower(t *testing.T) {
	t.Parallel()
	var stored []models.Event // the newest first
	at := models.At(testTime)
	add := func(n int64) {
		for range n {
			stored = slices.Insert(stored, 0, models.Event{ID: int64(len(stored)) + 1, ReceivedAt: at, Deliveries: 1})
		}
	}
	add(window + 50)
	follow := &follower{admin: admin{base: newFake(t, listOf(&stored)).url}}
	step := func(name string, wantFresh, wantRepeated int, wantLast int64) {
		t.Helper()
		fresh, repeated, err := follow.next(t.Context())
		last := int64(0)
		if len(fresh) > 0 {
			last = gjson.GetBytes(fresh[len(fresh)-1], "id").Int()
		}
		if err != nil || len(fresh) != wantFresh || len(repeated) != wantRepeated || last != wantLast {
			t.Errorf("%s: %d new, the last is %d, %d repeated, %v; want %d, %d, %d",
				name, len(fresh), last, len(repeated), err, wantFresh, wantLast, wantRepeated)
		}
	}
	step("start", window, 0, window+50)
	step("nothing", 0, 0, 0)
	stored[3].Deliveries++
	add(1)
	step("one new, one repeated", 1, 1, window+51)
	add(2 * window)
	step("a flood", 2*window, 0, 3*window+51)
	stored, at = nil, models.At(at.Add(patience))
	add(1)
	step("another database", 1, 0, 1)
	step("nothing again", 0, 0, 0)
}
