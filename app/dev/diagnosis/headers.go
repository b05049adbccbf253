package diagnosis

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/identity-webhooks/handlers"
)

// noSignature says what there is instead of a signature header.
func (c Case) noSignature(s handlers.Scheme) fault {
	h := c.Delivery.Header
	hint := fmt.Sprintf("Send %s, and check that no proxy drops it.", s.Header)
	if len(h.Values(s.Header)) > 0 {
		return fault{"missing_header", s.Header + " is empty.", hint}
	}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if lower := strings.ToLower(name); strings.Contains(lower, "signature") || strings.Contains(lower, "hmac") {
			return fault{"other_header", fmt.Sprintf("%s is missing, but there is %s.", s.Header, name), hint}
		}
	}
	return fault{"missing_header", s.Header + " is missing, and there is no other signature.", hint}
}

// A timestamp in seconds that package handlers accepts, and one in milliseconds or smaller units.
var (
	inSeconds      = regexp.MustCompile(`^[0-9]{1,12}$`)
	inMilliseconds = regexp.MustCompile(`^([0-9]{10})(?:[0-9]{3}){1,3}$`)
)

// noTimestamp says why the timestamp of a signature cannot be read; nil if it can be, or none is needed.
func noTimestamp(s handlers.Scheme, text string) []fault {
	name := s.Timestamp
	if s.Pairs {
		name = "t in " + s.Header
	}
	hint := fmt.Sprintf("Send %s as Unix seconds, in digits only.", name)
	switch {
	case name == "" || inSeconds.MatchString(text):
		return nil
	case text == "":
		return []fault{{"missing_timestamp", name + " is missing or empty.",
			"Keep it: a proxy, or whoever saved the delivery, may have dropped it."}}
	case inMilliseconds.MatchString(text):
		return []fault{{"timestamp_unit", name + " is in milliseconds, not in seconds.", hint}}
	}
	return []fault{{"malformed_timestamp", name + " is not a whole number of Unix seconds.", hint}}
}

// stale says how far a timestamp in seconds differs from our clock; nil if it is within the limits.
func stale(s handlers.Scheme, text string, now time.Time) []fault {
	const hint = "Check both clocks and their time zones. For a saved delivery, give the time when it came with --at."
	seconds, _ := strconv.ParseInt(text, 10, 64) // zero for a scheme without timestamps, which has no limits
	age := now.Sub(time.Unix(seconds, 0)).Truncate(time.Second)
	switch {
	case s.MaxAge > 0 && age > s.MaxAge:
		return []fault{{"too_old", fmt.Sprintf("The timestamp is %s old, and %s is the limit.", age, s.MaxAge), hint}}
	case s.MaxAhead > 0 && -age > s.MaxAhead:
		return []fault{{"from_the_future",
			fmt.Sprintf("The timestamp is %s ahead of our clock, and %s is the limit.", -age, s.MaxAhead), hint}}
	}
	return nil
}
