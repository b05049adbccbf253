package handlers

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const isTooMany = `{"error":"too_many_unverified"}`

// TestUnverifiedAreLimited: who sends too many unverified deliveries is told so, and a verified delivery from the same address is accepted
// all the while.
func TestUnverifiedAreLimited(t *testing.T) {
	t.Parallel()
	r := newReception(t, openStore(t, sqliteURL(t)), nil)
	for range refusedBurst {
		r.deliver(testBody, forged).want(t, 401, isUnverified)
	}
	over := func() {
		t.Helper()
		for _, path := range []string{"testprovider", "testprovider/", "nowhere"} { // they share one limit
			got := r.deliver(testBody, forged, func(q *Request) { q.Path = path })
			got.want(t, 429, isTooMany)
			if after := got.header.Get("Retry-After"); after != "1" || !got.closed {
				t.Errorf("Retry-After %q, connection closed: %t", after, got.closed)
			}
		}
	}
	over()
	r.deliver(testBody).want(t, 200, isAccepted)
	for range 2 * refusedBurst {
		r.deliver(testBody).want(t, 200, isDuplicate)
	}
	over()
	r.clock.Add(int64(time.Second))
	for range refusedPerSecond {
		r.deliver(testBody, func(q *Request) { q.Header.Del("X-Test-Signature") }).want(t, 401, isUnverified)
	}
	over()
	if got := r.rejections.Total(); got != refusedBurst+refusedPerSecond+9 {
		t.Errorf("counted %d rejections", got)
	}
	for _, x := range r.rejections.Newest()[:refusedPerSecond] {
		if x.Reason != MissingSignature {
			t.Errorf("kept %+v, which was one too many", x)
		}
	}
}

// TestRefusalsAreLogged: one by one, and beyond the limit with one line now and then that says how many.
func TestRefusalsAreLogged(t *testing.T) {
	t.Parallel()
	r := newReception(t, openStore(t, sqliteURL(t)), nil)
	flood := func() {
		for range refusedBurst + 50 {
			r.deliver(testBody, forged)
		}
	}
	want := func(lines int, summaries ...string) {
		t.Helper()
		log := r.log.String()
		if got := strings.Count(log, "delivery rejected"); got != lines {
			t.Errorf("%d lines, want %d", got, lines)
		}
		if got := strings.Count(log, "deliveries="); got != len(summaries) {
			t.Errorf("%d summaries, want %d: %s", got, len(summaries), log)
		}
		for _, s := range summaries {
			if !strings.Contains(log, s+" remote=127.0.0.1\n") {
				t.Errorf("log without %q", s)
			}
		}
	}
	flood()
	want(refusedBurst, "deliveries=1")
	r.clock.Add(int64(summaryEvery))
	flood()
	want(2*refusedBurst, "deliveries=1", "deliveries=49")
}

// spend charges an address until it is over its limit, and returns how many were within.
func spend(t *testing.T, l *limits, address string, now time.Time) int {
	t.Helper()
	for n := range 10 * refusedBurst {
		if over, _, _ := l.charge(address, now); over {
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
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff::1", true},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", false},
		{"fe80::1%eth0", "fe80::1%eth1", true},
		{"", "nonsense", true},
		{"", "0.0.0.0", false},
	} {
		if same := network(c.first) == network(c.second); same != c.same {
			t.Errorf("%q and %q: same is %t", c.first, c.second, same)
		}
	}
}

// TestManyAddresses: however many addresses send too much, nearly all others have a limit of their own.
func TestManyAddresses(t *testing.T) {
	t.Parallel()
	l, over := newLimits(), 0
	for i := range 100 {
		spend(t, l, fmt.Sprint("10.0.0.", i), noon)
	}
	for i := range 1000 {
		if tooMany, _, _ := l.charge(fmt.Sprintf("10.1.%d.%d", i>>8, i&255), noon); tooMany {
			over++
		}
	}
	if over > 50 { // about 6 are expected
		t.Errorf("%d of 1000 other addresses are over their limit", over)
	}
	if n := spend(t, l, "10.0.0.1", noon.Add(time.Second)); n > refusedPerSecond {
		t.Errorf("%d more within the limit after a second", n)
	}
}

// TestLinesAreBounded: however many addresses take part, and no refusal goes unmentioned.
func TestLinesAreBounded(t *testing.T) {
	t.Parallel()
	l, lines, summaries, unlogged := newLimits(), 0, 0, 0
	for second := range 11 {
		for i := range 3000 {
			_, line, n := l.charge(fmt.Sprintf("10.0.%d.%d", i>>8, i&255), noon.Add(time.Duration(second)*time.Second))
			if line {
				lines++
			}
			if n > 0 {
				summaries, unlogged = summaries+1, unlogged+n
			}
		}
	}
	if lines != linesBurst+10*linesPerSecond || summaries != 2 || lines+unlogged+l.unlogged != 11*3000 {
		t.Errorf("%d lines and %d summaries that count %d of %d", lines, summaries, unlogged+l.unlogged, 11*3000)
	}
}
