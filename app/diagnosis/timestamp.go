package diagnosis

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"example.com/identity-webhooks/handlers"
)

// noTimestamp says what is wrong with a timestamp header so that it cannot be read.
func noTimestamp(s handlers.Scheme, h http.Header) (f fault, found bool) {
	if s.Timestamp == "" {
		return f, false
	}
	text := h.Get(s.Timestamp)
	if _, ok := unixSeconds(text); ok {
		return f, false
	}
	inSeconds := fmt.Sprintf("Send %s as Unix seconds, in digits only.", s.Timestamp)
	_, rfc3339 := time.Parse(time.RFC3339, text)
	_, milliseconds := cutMilliseconds(text)
	switch {
	case text == "" && len(h.Values(s.Timestamp)) > 0:
		return fault{MissingTimestamp, fmt.Sprintf("%s is empty.", s.Timestamp), inSeconds}, true
	case text == "":
		return fault{MissingTimestamp, fmt.Sprintf("%s is missing.", s.Timestamp),
			"Keep the header: a proxy, or whoever saved the delivery, may have dropped it."}, true
	case milliseconds:
		return fault{TimestampUnit, fmt.Sprintf("%s is in milliseconds, not in seconds.", s.Timestamp), inSeconds}, true
	case rfc3339 == nil:
		return fault{MalformedTimestamp, fmt.Sprintf("%s is a date, not Unix seconds.", s.Timestamp), inSeconds}, true
	}
	return fault{MalformedTimestamp, fmt.Sprintf("%s is not a whole number of Unix seconds.", s.Timestamp), inSeconds}, true
}

// staleTimestamp says how far a timestamp that can be read is off.
func staleTimestamp(s handlers.Scheme, h http.Header, now time.Time) (f fault, found bool) {
	seconds, ok := unixSeconds(h.Get(s.Timestamp))
	if s.Timestamp == "" || !ok {
		return f, false
	}
	age := now.Sub(time.Unix(seconds, 0)).Truncate(time.Second)
	switch {
	case s.MaxAge > 0 && age > s.MaxAge:
		return fault{TooOld, fmt.Sprintf("The timestamp is %s old, and %s is the most%s.", age, s.MaxAge, zone(age)),
			"Check both clocks, or whether it was delivered again; for one that was saved, give the time it came at (--at)."}, true
	case s.MaxAhead > 0 && -age > s.MaxAhead:
		return fault{FromTheFuture, fmt.Sprintf("The timestamp is %s ahead of our clock, and %s is the most%s.", -age, s.MaxAhead, zone(age)),
			"Check both clocks; for a delivery that was saved, give the time it came at (--at)."}, true
	}
	return f, false
}

// zone remarks on an error that is about as large as time zones are.
func zone(d time.Duration) string {
	d = d.Abs()
	if near := d.Round(30 * time.Minute); near > 0 && near <= 14*time.Hour && (d-near).Abs() <= time.Minute {
		return "; so near to whole half hours, a local time may have been taken for UTC"
	}
	return ""
}

// unixSeconds reads what handlers takes for a timestamp.
func unixSeconds(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && len(text) <= 12 && digitsOnly(text)
}

// cutMilliseconds makes seconds of a time of our century in milliseconds, or in smaller units.
func cutMilliseconds(text string) (seconds string, found bool) {
	if !digitsOnly(text) || len(text) != 13 && len(text) != 16 && len(text) != 19 {
		return "", false
	}
	return text[:10], true
}

func digitsOnly(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }
