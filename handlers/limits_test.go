package handlers

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const isTooMany = `{"error":"too_many_unverified"}`

// TestUnverifiedAreLimited: who sends too many unverified deliveries is told so, and a verified delivery from the same
// address is accepted all the while.
func TestUnverifiedAreLimited(t *testing.T) {
	t.Parallel()
	r := newReception(t, openStore(t, sqliteURL(t)), allProviders(t))
	for range refusedBurst {
		r.deliver("trst", trstBody, forged).want(t, 401, isUnverified)
	}
	over := func() {
		t.Helper()
		for _, provider := range ProviderNames() { // none of them has a bucket of its own
			got := r.deliver(provider, bodies[provider], forged)
			got.want(t, 429, isTooMany)
			if after := got.header.Get("Retry-After"); after != "1" {
				t.Errorf("Retry-After %q", after)
			}
		}
	}
	over()
	for provider, body := range bodies {
		r.deliver(provider, body).want(t, 200, isAccepted)
		for range 2 * refusedBurst {
			r.deliver(provider, body).want(t, 200, isDuplicate)
		}
	}
	over()
	r.clock.Add(int64(time.Second))
	for range refusedPerSecond {
		r.deliver("trustist", trustistOlder, forged).want(t, 404, isNotFound)
	}
	over()
	if got := r.rejections.Total(); got != refusedBurst+refusedPerSecond+12 {
		t.Errorf("counted %d rejections", got)
	}
	for _, x := range r.rejections.Newest()[:refusedPerSecond] {
		if x.Reason != WrongToken {
			t.Errorf("remembered %+v, which was one too many", x)
		}
	}
}

// TestRefusalsAreLogged: one by one, and beyond the limit with one line in a while that says how many.
func TestRefusalsAreLogged(t *testing.T) {
	t.Parallel()
	r := newReception(t, openStore(t, sqliteURL(t)), allProviders(t))
	want := func(lines int, summary ...string) {
		t.Helper()
		log := r.log.String()
		if n := strings.Count(log, "delivery rejected"); n != lines {
			t.Errorf("%d lines, want %d", n, lines)
		}
		if n := strings.Count(log, "deliveries refused that were not logged"); n != len(summary) {
			t.Errorf("%d summaries, want %d: %s", n, len(summary), log)
		}
		for _, s := range summary {
			if !strings.Contains(log, s+" remote=127.0.0.1\n") {
				t.Errorf("log without %q", s)
			}
		}
	}
	flood := func() {
		for range refusedBurst + 50 {
			r.deliver("trst", trstBody, forged)
		}
	}
	flood()
	want(refusedBurst, "deliveries=1")
	r.clock.Add(int64(summaryEvery))
	flood()
	want(2*refusedBurst, "deliveries=1", "deliveries=49")
}

// TestRefusedBodiesAreLogged: bodies that are too large or cut short get their own answers always, and a line each only
// within the limit.
func TestRefusedBodiesAreLogged(t *testing.T) {
	t.Parallel()
	r := newReception(t, openStore(t, sqliteURL(t)), allProviders(t))
	tooLarge := strings.Repeat(" ", maxBody+1)
	for range refusedBurst + 50 {
		got, err := overTCP(r.url, r.providers["trst"].Sign(nil, noon), strings.NewReader(tooLarge))
		if err != nil {
			t.Fatal(err)
		}
		got.want(t, 413, `{"error":"body_too_large"}`)
	}
	if n := strings.Count(r.log.String(), "delivery refused"); n != refusedBurst {
		t.Errorf("%d lines, want %d", n, refusedBurst)
	}
	r.deliver("trst", trstBody, forged).want(t, 429, isTooMany)
	r.deliver("trst", trstBody).want(t, 200, isAccepted)
}

// spend charges an address until it is over its limit, and returns how many were within.
func spend(t *testing.T, l *limits, address string, now time.Time) int {
	t.Helper()
	for n := range 10 * refusedBurst {
		if l.charge(address, now).over {
			return n
		}
	}
	t.Fatalf("%s is never over its limit", address)
	return 0
}

func TestAddressesOfOneSender(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		first, second string
		same          bool
	}{
		{"203.0.113.7", "203.0.113.7", true},
		{"203.0.113.7", "203.0.113.8", false},
		{"203.0.113.7", "::ffff:203.0.113.7", true},
		{"::ffff:203.0.113.7", "::ffff:203.0.113.8", false},
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff::1", true},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", false},
		{"fe80::1%eth0", "fe80::1%eth1", true},
		{"", "nonsense", true},
		{"", "0.0.0.0", false},
	} {
		l := newLimits()
		if n := spend(t, l, c.first, noon); n != refusedBurst {
			t.Errorf("%q had %d within its limit", c.first, n)
		}
		if over := l.charge(c.second, noon).over; over != c.same {
			t.Errorf("%q after %q: over is %t", c.second, c.first, over)
		}
	}
}

// TestAddressesAreBounded: beyond the addresses there is room for, all share one bucket, and room comes back from those that
// are quiet.
func TestAddressesAreBounded(t *testing.T) {
	t.Parallel()
	l, now := newLimits(), noon
	address := func(i int) string { return fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255) }
	for i := range maxAddresses {
		l.charge(address(i), now)
	}
	spend(t, l, address(0), now)
	within := 0
	for i := range 1000 {
		if !l.charge(address(maxAddresses+i), now).over {
			within++
		}
	}
	if within != refusedBurst || len(l.addresses) != maxAddresses {
		t.Errorf("%d of those beyond were within the limit, %d addresses kept", within, len(l.addresses))
	}
	if l.charge(address(1), now).over {
		t.Error("an address that is known suffers from those that are not")
	}
	now = now.Add(time.Second) // enough for one refusal to be forgotten, and not for a hundred
	if n := spend(t, l, "198.51.100.1", now); n != refusedBurst {
		t.Errorf("a new address had %d within its limit after others went quiet", n)
	}
	if n := len(l.addresses); n != 2 {
		t.Errorf("%d addresses kept, want the busy one and the new one", n)
	}
	if n := spend(t, l, address(0), now); n != refusedPerSecond {
		t.Errorf("the busy one had %d within its limit, want %d: it was forgotten", n, refusedPerSecond)
	}
}

// TestLinesAreBounded: however many addresses take part.
func TestLinesAreBounded(t *testing.T) {
	t.Parallel()
	l, lines, told, unlogged := newLimits(), 0, 0, 0
	for second := range 11 {
		for i := range 3000 {
			c := l.charge(fmt.Sprintf("10.0.%d.%d", i>>8, i&255), noon.Add(time.Duration(second)*time.Second))
			if c.line {
				lines++
			}
			if c.unlogged > 0 {
				told, unlogged = told+1, unlogged+c.unlogged
			}
		}
	}
	if lines+told != linesBurst+10*linesPerSecond {
		t.Errorf("%d lines and %d summaries, want %d", lines, told, linesBurst+10*linesPerSecond)
	}
	if lines+unlogged > 11*3000 {
		t.Errorf("%d lines tell of %d more: there were %d", lines, unlogged, 11*3000)
	}
}
