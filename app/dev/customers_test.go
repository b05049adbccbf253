package dev

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"example.com/identity-webhooks/models"
)

// customers asks for all customers, newest first.
func customers(t *testing.T, a admin) []models.Customer {
	t.Helper()
	list, err := get[struct{ Customers []models.Customer }](t.Context(), a, "/api/customers")
	if err != nil {
		t.Fatal(err)
	}
	return list.Customers
}

// everySample sends each sample once.
func everySample(t *testing.T) {
	t.Helper()
	names, err := sampleNames(samples())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		run(t, "trigger", name)
	}
}

func TestCustomers(t *testing.T) {
	a := server(t)
	everySample(t)
	t.Run("filters", func(t *testing.T) { testCustomersFilters(t, a) })
	t.Run("one", func(t *testing.T) { testCustomersShowsOne(t, a) })
}

// Each filter selects the customers that have the value, and no others.
func testCustomersFilters(t *testing.T, a admin) {
	all := customers(t, a)
	for flag, field := range map[string]func(models.Customer) string{
		"provider":    func(c models.Customer) string { return c.Provider },
		"subject":     func(c models.Customer) string { return c.SubjectID },
		"external-id": func(c models.Customer) string { return c.ExternalID },
		"status":      func(c models.Customer) string { return string(c.Status) },
		"aml-hold":    func(c models.Customer) string { return fmt.Sprint(c.AMLHold) },
	} {
		for _, c := range all {
			value := field(c)
			if value == "" {
				continue
			}
			var want []int64
			for _, other := range slices.Backward(all) {
				if field(other) == value {
					want = append(want, other.ID)
				}
			}
			if got := ids(t, succeed(t, "customers", "--json", fmt.Sprintf("--%s=%s", flag, value))); !slices.Equal(got, want) {
				t.Errorf("--%s=%s: got %v, want %v", flag, value, got, want)
			}
		}
	}
	if got, want := succeed(t, "customers", "--aml-hold"), succeed(t, "customers", "--aml-hold=true"); got != want {
		t.Errorf("--aml-hold: got %s, want %s", got, want)
	}
}

// One customer is shown with all that is known, in 80 columns, and with --json as the admin API has it.
func testCustomersShowsOne(t *testing.T, a admin) {
	shown := map[string]bool{}
	for _, c := range customers(t, a) {
		id := fmt.Sprint(c.ID)
		printed := succeed(t, "customers", id)
		if !strings.Contains(printed, c.SubjectID) || !strings.Contains(printed, "\nevents\n") {
			t.Errorf("customer %d:\n%s", c.ID, printed)
		}
		for _, s := range append(slices.Clone(customerSections), followUpSection) {
			title := strings.ReplaceAll(s.name, "_", "-")
			shown[s.name] = shown[s.name] || strings.Contains(printed, "\n"+title+"\n  ")
		}
		_, tables, _ := strings.Cut(printed, "\n\n")
		for line := range strings.Lines(tables) {
			if n := len([]rune(line)); n > 81 {
				t.Errorf("customer %d: a line of %d characters: %s", c.ID, n, line)
			}
		}
		want, err := a.call(t.Context(), "GET", "/api/customers/"+id)
		if got := succeed(t, "customers", id, "--json"); err != nil || got != string(bytes.TrimSpace(want))+"\n" {
			t.Errorf("customer %d: got %s, want %s, %v", c.ID, got, want, err)
		}
	}
	for _, name := range []string{"decisions", "checks", "events", "follow_ups"} {
		if !shown[name] {
			t.Errorf("no customer shows %s", name)
		}
	}
}

func TestCustomersUsage(t *testing.T) {
	server(t)
	fails(t, run(t, "customers", "99"), false, "there is no customer 99")
	for want, args := range map[string][]string{
		`"bob" is not an ID: want a number`:                    {"bob"},
		"with the ID of one customer, the only flag is --json": {"1", "--aml-hold"},
		"--subject is empty":                                   {"--subject", ""},
		`--aml-hold is "maybe": want true, false`:              {"--aml-hold=maybe"},
		`--provider is "nobody": want`:                         {"--provider", "nobody"},
	} {
		fails(t, run(t, append([]string{"customers"}, args...)...), true, want)
	}
}

// Without a server, the error says how to start one.
func TestCustomersWithoutServer(t *testing.T) {
	isolate(t)
	t.Setenv("ADMIN_ADDR", "127.0.0.1:1")
	fails(t, run(t, "customers"), false, "is the server running? Start it with: go run .")
}
