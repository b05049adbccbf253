package bench

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// slot is where a time goes, which is so much later than the event.
type slot struct {
	at    int
	later time.Duration
	unix  bool // seconds since 1970, as 10 digits; otherwise a text to the microsecond
}

// timeLayout has a fixed width.
const timeLayout = "2006-01-02T15:04:05.000000Z"

// movedTimes finds the times of a body that newTemplate has moved.
var movedTimes = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"|"created":\d{10}\b`)

// ends returns where each occurrence of a text has its digits.
func ends(body []byte, text string) (at []int) {
	for from := 0; ; {
		i := bytes.Index(body[from:], []byte(text))
		if i < 0 {
			return at
		}
		from += i + len(text)
		at = append(at, from-digits)
	}
}

func slots(body []byte, newest time.Time) (found []slot) {
	for _, where := range movedTimes.FindAllIndex(body, -1) {
		match := string(body[where[0]:where[1]])
		if seconds, isUnix := strings.CutPrefix(match, `"created":`); isUnix {
			if n, err := strconv.ParseInt(seconds, 10, 64); err == nil {
				found = append(found, slot{where[1] - 10, time.Duration(n-newest.Unix()) * time.Second, true})
			}
		} else if t, err := time.Parse(timeLayout, strings.Trim(match, `"`)); err == nil {
			found = append(found, slot{where[0] + 1, t.Sub(newest), false})
		}
	}
	return found
}

// fill writes an event into buf, which it may replace by a larger one: the event's number, that of its customer, and when it
// occurred.
func (t *template) fill(buf []byte, event, customer int64, at time.Time) []byte {
	var scratch [40]byte // formatting writes further than the text it returns
	buf = append(buf[:0], t.body...)
	for _, i := range t.events {
		number(buf[i:i+digits], event)
	}
	for _, i := range t.subjects {
		number(buf[i:i+digits], customer)
	}
	for _, s := range t.times {
		if when := at.Add(s.later); s.unix {
			number(buf[s.at:s.at+10], when.Unix())
		} else {
			copy(buf[s.at:], when.AppendFormat(scratch[:0], timeLayout))
		}
	}
	return buf
}

// number writes n in decimal digits that fill to.
func number(to []byte, n int64) {
	for i := range slices.Backward(to) {
		to[i] = byte('0' + n%10)
		n /= 10
	}
}
