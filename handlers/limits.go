package handlers

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// refusedPerSecond is how many refused deliveries from one address are logged and answered with the reason's status, after the first
	// refusedBurst. A provider with the wrong secret sends fewer, so the operator sees why it is refused.
	refusedPerSecond = 10
	refusedBurst     = 100
	// numLimits is how many limiters there are.
	numLimits = 1 << 14
	// linesPerSecond bounds the log lines about refused deliveries from all addresses, after the first linesBurst.
	linesPerSecond = 100
	linesBurst     = 1000
	// summaryEvery is how often the number of deliveries without a line is logged.
	summaryEvery = 10 * time.Second
)

// limits bounds the work that refused deliveries cause. Only they are counted: a verified delivery is never limited, whatever else comes
// from its address.
type limits struct {
	mu         sync.Mutex
	seed       maphash.Seed
	addresses  [numLimits]*rate.Limiter // by the hash of the address: memory stays bounded, and two addresses rarely share a limit
	lines      *rate.Limiter
	unlogged   int // since the last summary
	summarised time.Time
}

func newLimits() *limits {
	return &limits{seed: maphash.MakeSeed(), lines: rate.NewLimiter(linesPerSecond, linesBurst)}
}

// charge counts a refused delivery. It reports whether its address has sent too many, and whether the delivery is to be logged. unlogged is
// how many were not logged, if it is time to log that number, and otherwise 0.
func (l *limits) charge(address string, now time.Time) (tooMany, line bool, unlogged int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter := &l.addresses[maphash.Comparable(l.seed, network(address))%numLimits]
	if *limiter == nil {
		*limiter = rate.NewLimiter(refusedPerSecond, refusedBurst)
	}
	tooMany = !(*limiter).AllowN(now, 1)
	line = !tooMany && l.lines.AllowN(now, 1)
	if !line {
		l.unlogged++
	}
	if l.unlogged > 0 && now.Sub(l.summarised) >= summaryEvery {
		unlogged, l.unlogged, l.summarised = l.unlogged, 0, now
	}
	return tooMany, line, unlogged
}

// network returns what shares a limit: an IPv4 address, or an IPv6 network of 64 bits, since each customer of a network has at least one.
// Invalid addresses share one limit, too.
func network(address string) netip.Prefix {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	bits := 64
	if ip = ip.Unmap(); ip.Is4() {
		bits = 32
	}
	return netip.PrefixFrom(ip.WithZone(""), bits).Masked()
}
