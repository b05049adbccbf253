package bench

import (
	"fmt"
	"strconv"
	"strings"
)

// numbers returns a function that knows the number of an event of this run by its external ID.
func (s *source) numbers() (func(externalID string) (n int64, ours bool), error) {
	derived := map[string]int64{}
	var body []byte
	for n := int64(0); n < s.end(); n++ {
		if !s.template(n).derived {
			continue
		}
		var t *template
		t, body = s.event(n, body)
		e, err := t.envelope(body)
		if err != nil {
			return nil, fmt.Errorf("read event %d: %w", n, err)
		}
		derived[e.ExternalID] = n
	}
	prefix := eventPrefix(s.run)
	return func(externalID string) (int64, bool) {
		if text, plain := strings.CutPrefix(externalID, prefix); plain {
			n, err := strconv.ParseInt(text, 10, 64)
			return n, err == nil
		}
		n, ours := derived[externalID]
		return n, ours
	}, nil
}
