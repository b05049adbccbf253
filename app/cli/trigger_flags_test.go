package cli

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/identity-webhooks/app/scenario"
	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/handlers"
)

func TestTriggerUsage(t *testing.T) {
	isolate(t)
	const sample = "trst/webhook.test"
	for _, c := range []struct {
		want string
		args []string
	}{
		{"--file and --scenario exclude each other", []string{"--file", "a", "--scenario", "b"}},
		{"--set and --scenario exclude each other", []string{"--set", "a=b", "--scenario", "b"}},
		{"--count and --scenario exclude each other", []string{"--count", "1", "--scenario", "b"}},
		{"--bad-signature and --stale exclude each other", []string{sample, "--stale", "--bad-signature"}},
		{"--bad-signature and --secret exclude each other", []string{sample, "--secret", "s", "--bad-signature"}},
		{"--verbose and --json exclude each other", []string{sample, "--json", "--verbose"}},
		{"--repeat and --shuffle exclude each other", []string{sample, "--repeat", "--shuffle", "--count", "2"}},
		{"--scenario says itself what is sent: want no " + sample, []string{sample, "--scenario", "b"}},
		{"--count is 0: want 1 or more", []string{sample, "--count", "0"}},
		{"--dup is -1: want 1 or more", []string{sample, "--dup", "-1"}},
		{"--delay is -1s: want 0s or more", []string{sample, "--delay", "-1s"}},
		{"--shuffle wants several events: --count or --scenario makes them", []string{sample, "--shuffle"}},
		{"--seed is the order of --shuffle, which is not there", []string{sample, "--seed", "1"}},
		{"--seed is 0: want 1 or more", []string{sample, "--count", "2", "--shuffle", "--seed", "0"}},
		{"--json wants to know of what: trigger <provider>/<event type> --json", []string{"--json"}},
	} {
		args := append([]string{"trigger"}, c.args...)
		failsWith(t, c.want, args...)
		if r := execute(t, args...); r.code != exitUsage {
			t.Errorf("%q: exit code %d, want %d", args, r.code, exitUsage)
		}
	}
}

func TestTriggerCompletes(t *testing.T) {
	isolate(t)
	stories, err := scenario.Names(samples())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, want []string }{
		{[]string{"--scenario", ""}, stories},
		{[]string{"--file", "body.json", ""}, handlers.ProviderNames()},
		{[]string{"trst/webhook.test", "--set", ""}, []string{"event_id=", "timestamp=", "project_id=", "data=", "data.event_type="}},
		{[]string{"trst/webhook.test", ""}, nil},
	} {
		var got []string
		for line := range strings.Lines(execute(t, append([]string{"__completeNoDesc", "trigger"}, c.args...)...).stdout) {
			if !strings.HasPrefix(line, ":") {
				got = append(got, strings.TrimSpace(line))
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q: the shell is offered %q, want %q", c.args, got, c.want)
		}
	}
}

// TestTriggerDup: of deliveries at once, one is accepted, and there is one event.
func TestTriggerDup(t *testing.T) {
	admin := server(t)
	for _, name := range []string{"trst/webhook.test", "trustgate/test.ping", "trustist/payment.created", "legaltalent/kyc.session.created"} {
		out := succeed(t, "trigger", name, "--dup", "5")
		if want := name + " → 200 OK {\"status\":\"accepted\"}\n" + name + " → 200 OK {\"status\":\"duplicate\"} × 4\n"; !strings.HasPrefix(out, want) {
			t.Errorf("got %s, want %s", out, want)
		}
	}
	succeed(t, "trigger", "trst/variants/webhook.test.conflicting", "--dup", "5") // quarantined, and accepted each time
	for _, e := range events(t, admin, "") {
		if e.Deliveries != 5 {
			t.Errorf("%s has %d deliveries, want 5", e.Type, e.Deliveries)
		}
	}
}

// TestTriggerDupAcceptedTwice: a server that takes a repeat for another event is found out.
func TestTriggerDupAcceptedTwice(t *testing.T) {
	isolate(t)
	t.Setenv("ADMIN_ADDR", testservers.FreeAddress(t))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, err := w.Write([]byte(`{"status":"accepted"}`)); err != nil {
			t.Errorf("answer: %v", err)
		}
	}))
	t.Cleanup(srv.Close)
	r := execute(t, "trigger", "trst/webhook.test", "--dup", "2", "--url", srv.URL)
	want := "error: 2 of 2 deliveries of one event were accepted, want at most 1\n"
	if r.code != exitError || r.stderr != want || !strings.HasPrefix(r.stdout, "trst/webhook.test → 200 OK {\"status\":\"accepted\"} × 2\n") {
		t.Errorf("got %+v, want %s", r, want)
	}
}

// TestTriggerShuffle: a seed is an order, and what happened last counts in any.
func TestTriggerShuffle(t *testing.T) {
	server(t)
	order := func(args ...string) (seed string, numbers []string) {
		out := succeed(t, append([]string{"trigger", "trustgate/applicant.reviewed", "--count", "6", "--shuffle"}, args...)...)
		for line := range strings.Lines(out) {
			if rest, found := strings.CutPrefix(line, "a random order; --seed "); found {
				seed, _, _ = strings.Cut(rest, " ")
			}
			if rest, found := strings.CutPrefix(line, "trustgate/applicant.reviewed #"); found {
				numbers = append(numbers, rest[:1])
			}
		}
		return seed, numbers
	}
	seed, first := order()
	again, second := order("--seed", seed)
	if again != seed || !slices.Equal(first, second) {
		t.Errorf("seed %s led to %q, and then to %q", seed, first, second)
	}
	if slices.Sort(first); strings.Join(first, "") != "123456" {
		t.Errorf("sent %q, want each of six once", first)
	}
}

func TestTriggerDelay(t *testing.T) {
	server(t)
	start := time.Now()
	succeed(t, "trigger", "trst/webhook.test", "--count", "3", "--delay", "50ms")
	if took := time.Since(start); took < 100*time.Millisecond {
		t.Errorf("three events took %s, want 100ms or more between them", took)
	}
}
