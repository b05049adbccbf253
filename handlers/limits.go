package handlers

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// refusedPerSecond is how many refused deliveries of one address are answered and logged one by one, after a first
	// refusedBurst. A provider with the wrong secret stays below it, and sees why it is refused.
	refusedPerSecond = 10
	refusedBurst     = 100
	// maxAddresses is how many addresses are told apart. Those that come while so many are busy share one bucket.
	maxAddresses = 10_000
	// linesPerSecond bounds the log lines about refused deliveries of all addresses, after a first linesBurst.
	linesPerSecond = 100
	linesBurst     = 1000
	// summaryEvery is how often an address is mentioned whose deliveries are not logged one by one.
	summaryEvery = 10 * time.Second
)

// limits bounds what strangers cause by deliveries that are refused. Nothing else is charged, and only what is refused
// anyway asks it: a verified delivery is never limited, whatever else comes from its address.
type limits struct {
	mu        sync.Mutex
	addresses map[netip.Prefix]*refusals
	others    *refusals     // of the addresses there is no room for
	lines     *rate.Limiter // log lines
	swept     time.Time
}

// refusals are the refused deliveries of an address.
type refusals struct {
	bucket    *rate.Limiter
	unlogged  int // and not told of yet
	mentioned time.Time
}

// charged is what a refused delivery leads to.
type charged struct {
	over     bool // it is one too many
	line     bool // it gets a log line of its own
	unlogged int  // how many of its address got none and are to be told of now
}

func newLimits() *limits {
	return &limits{addresses: map[netip.Prefix]*refusals{}, others: newRefusals(), lines: rate.NewLimiter(linesPerSecond, linesBurst)}
}

func newRefusals() *refusals {
	return &refusals{bucket: rate.NewLimiter(refusedPerSecond, refusedBurst)}
}

// charge counts a refused delivery against the address of its sender.
func (l *limits) charge(address string, now time.Time) charged {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.of(network(address), now)
	c := charged{over: !r.bucket.AllowN(now, 1)}
	c.line = !c.over && l.lines.AllowN(now, 1)
	if !c.line {
		r.unlogged++
	}
	if r.unlogged > 0 && now.Sub(r.mentioned) >= summaryEvery && l.lines.AllowN(now, 1) {
		c.unlogged, r.unlogged, r.mentioned = r.unlogged, 0, now
	}
	return c
}

// of returns the refusals of a network.
func (l *limits) of(n netip.Prefix, now time.Time) *refusals {
	if r, known := l.addresses[n]; known {
		return r
	}
	if len(l.addresses) >= maxAddresses {
		l.sweep(now)
	}
	if len(l.addresses) >= maxAddresses {
		return l.others
	}
	r := newRefusals()
	l.addresses[n] = r
	return r
}

// sweep forgets who has been quiet for so long that the bucket is full again, which loses nothing: a new one is full, too. It
// does so once a second at most, for there may be nothing to forget.
func (l *limits) sweep(now time.Time) {
	if now.Sub(l.swept) < time.Second {
		return
	}
	l.swept = now
	for n, r := range l.addresses {
		if r.bucket.TokensAt(now) >= refusedBurst {
			delete(l.addresses, n)
		}
	}
}

// network is what shares a bucket: an IPv4 address, or an IPv6 network of 64 bits, of which each customer has at least one.
// Addresses that cannot be read share one, too.
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
