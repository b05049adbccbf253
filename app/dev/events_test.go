package dev

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
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

// Each filter selects the events that have the value, and no others.
func TestEventsFilters(t *testing.T) {
	a := server(t)
	fill(t)
	all := events(t, a, "")
	for flag, field := range map[string]func(models.Event) string{
		"provider":    func(e models.Event) string { return e.Provider },
		"type":        func(e models.Event) string { return e.Type },
		"status":      func(e models.Event) string { return string(e.Status) },
		"outcome":     func(e models.Event) string { return string(e.Outcome) },
		"external-id": func(e models.Event) string { return e.ExternalID },
		"customer":    func(e models.Event) string { return fmt.Sprint(*cmp.Or(e.CustomerID, new(int64))) },
	} {
		for _, e := range all {
			value := field(e)
			if value == "" || value == "0" {
				continue
			}
			var want []int64
			for _, other := range slices.Backward(all) {
				if field(other) == value {
					want = append(want, other.ID)
				}
			}
			if got := ids(t, succeed(t, "events", "--json", "--"+flag, value)); !slices.Equal(got, want) {
				t.Errorf("--%s %s: got %v, want %v", flag, value, got, want)
			}
		}
	}
	if got := ids(t, succeed(t, "events", "--json", "--limit", "2")); !slices.Equal(got, []int64{3, 4}) {
		t.Errorf("--limit 2: got %v, want the newest two, the newest last", got)
	}
}

// The table says what became of each event, and fits 80 columns.
func TestEventsTable(t *testing.T) {
	server(t)
	if got := succeed(t, "events"); strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, "TIME (UTC)  ID  PROVIDER") {
		t.Errorf("no events: %q", got)
	}
	fill(t)
	lines := strings.Split(succeed(t, "events"), "\n")
	for i, want := range map[int][]string{1: {"applied", "customer 1"}, 3: {"ignored"}, 4: {"failed", "unreadable body"}} {
		for _, text := range want {
			if !strings.Contains(lines[i], text) {
				t.Errorf("event %d does not say %q: %s", i, text, lines[i])
			}
		}
	}
	for _, line := range lines {
		if n := utf8.RuneCountInString(line); n > 80 {
			t.Errorf("%d characters: %s", n, line)
		}
	}
}

// One event is shown with its payload and its follow-ups, and with --json as the admin API has it.
func TestEventsShowsOne(t *testing.T) {
	a := server(t)
	fill(t)
	got := succeed(t, "events", "1")
	for _, text := range []string{"outcome", "applied", "customer_id", "\nfollow-ups\n", "{\n  \""} {
		if !strings.Contains(got, text) {
			t.Errorf("event 1 does not show %q:\n%s", text, got)
		}
	}
	if got, reason := succeed(t, "events", "3"), events(t, a, "outcome=ignored")[0].Reason; reason == "" || !strings.Contains(got, reason) {
		t.Errorf("the ignored event does not show why (%q):\n%s", reason, got)
	}
	if got, want := succeed(t, "events", "4"), "11 bytes that are not JSON: \"canary\\x1b[31m\"\n"; !strings.HasSuffix(got, want) {
		t.Errorf("the unreadable event does not end in %q:\n%s", want, got)
	}
	want, err := a.call(t.Context(), "GET", "/api/events/1")
	if got := succeed(t, "events", "1", "--json"); err != nil || got != string(bytes.TrimSpace(want))+"\n" {
		t.Errorf("got %s, want %s, %v", got, want, err)
	}
}

func TestEventsUsage(t *testing.T) {
	server(t)
	fails(t, run(t, "events", "99"), false, "there is no event 99")
	for want, args := range map[string][]string{
		`"x" is not an ID: want a number`:                      {"x"},
		"with the ID of one event, the only flag is --json":    {"1", "--limit", "2"},
		"--limit is 0: want 1 or more":                         {"--limit", "0"},
		"--type is empty":                                      {"--type", ""},
		`--status is "done": want received, queued, processed`: {"--status", "done"},
		"customer_id must be an id":                            {"--customer", "x"},
		"accepts at most 1 arg":                                {"1", "2"},
		"unknown flag: --sort":                                 {"--sort"},
	} {
		fails(t, run(t, append([]string{"events"}, args...)...), true, want)
	}
	t.Setenv("LOG_LEVEL", "loud")
	fails(t, run(t, "events"), true, "LOG_LEVEL")
}

// events -f lists the newest events and then each that comes, once.
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

// What a sender writes does not change the terminal of who looks at it.
func TestSendersCannotReachTheTerminal(t *testing.T) {
	a := server(t)
	body, err := os.ReadFile(testdata + "/" + ignored(t) + ".json")
	if err != nil {
		t.Fatal(err)
	}
	const attack = "x\x1b]0;owned\x07\u009b2J"
	kind := ""
	for field, value := range paths(body) {
		if value.Str != "" && strings.HasSuffix(ignored(t), value.Str) {
			kind = field
		}
	}
	if kind == "" {
		t.Skip("the type is not in the payload as it is")
	}
	l := launch(t, Env{}, "listen")
	l.waitFor("listening")
	value, err := json.Marshal(attack)
	if err != nil {
		t.Fatal(err)
	}
	printed := succeed(t, "trigger", ignored(t), "--set", kind+"="+string(value))
	e := events(t, a, "")[0]
	if !strings.Contains(e.Type, attack) {
		t.Fatalf("the type is %q", e.Type)
	}
	l.waitFor("ignored")
	for _, args := range [][]string{{"events"}, {"events", "1"}, {"resend", "1"}, {"resend", "1", "--dry-run"}} {
		printed += succeed(t, args...)
	}
	if printed += l.end().stdout; strings.ContainsAny(printed, "\x1b\x07\u009b") {
		t.Errorf("printed %q", printed)
	}
}

// A follower notices what is new and what is delivered again, also if more has come than it compares, and if the database is
// another one.
func TestFollower(t *testing.T) {
	t.Parallel()
	var stored []models.Event // the newest first
	f := newFake(t, listOf(&stored))
	at := models.At(testTime)
	for id := range int64(window + 50) {
		stored = append([]models.Event{{ID: id + 1, ReceivedAt: at, Deliveries: 1}}, stored...)
	}
	follow := &follower{admin: admin{base: f.url}}
	if _, _, err := follow.next(t.Context()); err != nil {
		t.Fatal(err)
	}
	step := func(name string, wantFresh, wantRepeated int, wantLast int64) {
		t.Helper()
		fresh, repeated, err := follow.next(t.Context())
		last := int64(0)
		if len(fresh) > 0 {
			last = gjson.GetBytes(fresh[len(fresh)-1], "id").Int()
		}
		if err != nil || len(fresh) != wantFresh || len(repeated) != wantRepeated || last != wantLast {
			t.Errorf("%s: %d new, the last is %d, %d repeated, %v; want %d, %d, %d", name, len(fresh), last, len(repeated), err, wantFresh, wantLast, wantRepeated)
		}
	}
	step("nothing", 0, 0, 0)
	stored[3].Deliveries++
	stored = append([]models.Event{{ID: window + 51, ReceivedAt: at}}, stored...)
	step("one new, one repeated", 1, 1, window+51)
	for id := range int64(2 * window) {
		stored = append([]models.Event{{ID: window + 52 + id, ReceivedAt: at}}, stored...)
	}
	step("a flood", 2*window, 0, 3*window+51)
	stored = []models.Event{{ID: 1, ReceivedAt: models.At(at.Add(patience))}}
	step("another database", 1, 0, 1)
	step("nothing again", 0, 0, 0)
}
