package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"example.com/identity-webhooks/handlers"
)

// check returns the share of --dup, and all that is wrong with the flags.
func (b *benchmark) check() (repeat float64, err error) {
	var problems []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	repeat, ok := share(b.dup)
	want(ok, "--dup is %q: want a share such as 5%%", b.dup)
	want(b.connections > 0, "--connections is %d: want 1 or more", b.connections)
	want(b.customers > 0, "--customers is %d: want 1 or more", b.customers)
	want(b.duration > 0, "--duration is %s: want a time such as 10s", b.duration)
	want(b.rate >= 0, "--rate is %g: want events per second, or 0", b.rate)
	for _, name := range b.names() {
		want(slices.Contains(handlers.ProviderNames(), name), "--providers names %q: want all, or of %s", name, strings.Join(handlers.ProviderNames(), ", "))
	}
	want(b.url == "" || b.database == "", "--database is that of the server that is started: it does not go with --url")
	want(b.url != "" || b.admin == "", "--admin is that of the server at --url: it does not go without")
	if err = errors.Join(problems...); err != nil {
		err = usageError{err}
	}
	return repeat, err
}

// share reads a part of the whole, as in 5% or 0.05.
func share(text string) (float64, bool) {
	digits, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseFloat(digits, 64)
	if percent {
		n /= 100
	}
	return n, err == nil && n >= 0 && n <= 1
}

// names are the providers whose events to send.
func (b *benchmark) names() []string {
	if b.providers == "all" {
		return handlers.ProviderNames()
	}
	return strings.Split(b.providers, ",")
}
