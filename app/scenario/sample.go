package scenario

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"example.com/identity-webhooks/handlers"
)

// IDFields are where samples carry what makes them one event and not another: the event's ID or, for events that have
// none, a part of the ID that is derived. Where they have neither, new times make it another.
var IDFields = []string{
	"event_id", "id", "data.sessionId", "paymentId", "standingOrderId", "invitationId", "workflow_execution_id",
}

// RenewID makes another event of a body: one with a new ID. Whom it is about stays. The result is on one line, as providers
// send it.
func RenewID(body []byte) ([]byte, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, body); err != nil {
		return nil, errors.New("the body is not JSON")
	}
	body = compact.Bytes()
	for _, field := range IDFields {
		if old := gjson.GetBytes(body, field); old.Type == gjson.String {
			prefix, _, found := strings.Cut(old.Str, "_")
			id := uuid.NewString()
			if found {
				id = prefix + "_" + strings.ReplaceAll(id, "-", "")[:12]
			}
			var err error
			if body, err = sjson.SetBytes(body, field, id); err != nil {
				return nil, err
			}
		}
	}
	return body, nil
}

// Member is a value at a path of a JSON body, as in data.hits.0.hit_id.
type Member struct {
	Path  string
	Value json.RawMessage
}

// SetMembers puts members into a body, in the place of what is there. The path id stands for the event's ID, wherever it is.
func SetMembers(body []byte, members []Member) (_ []byte, err error) {
	for _, m := range members {
		if m.Path == "id" && gjson.GetBytes(body, "event_id").Exists() {
			m.Path = "event_id"
		}
		if m.Path == "id" && !gjson.GetBytes(body, "id").Exists() {
			return nil, errors.New("this event has no ID to set: it follows from what the event says")
		}
		if body, err = sjson.SetRawBytes(body, m.Path, m.Value); err != nil {
			return nil, fmt.Errorf("set %s: %w", m.Path, err)
		}
	}
	return body, nil
}

// times are a body's times: texts, and the seconds since 1970 of Legal Talent.
var times = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"|"created":\d{10}\b`)

// readTime reads a match of times.
func readTime(match []byte) (t time.Time, isText bool, err error) {
	if seconds, found := bytes.CutPrefix(match, []byte(`"created":`)); found {
		n, err := strconv.ParseInt(string(seconds), 10, 64)
		return time.Unix(n, 0), false, err
	}
	t, err = time.Parse(`"`+time.RFC3339Nano+`"`, string(match))
	return t, true, err
}

// NewestTime returns the newest of the times in a body that is on one line, or zero if it has none.
func NewestTime(body []byte) (newest time.Time) {
	for _, match := range times.FindAll(body, -1) {
		if t, _, err := readTime(match); err == nil && t.After(newest) {
			newest = t
		}
	}
	return newest
}

// MoveTimes moves all times in a body that is on one line by the same amount.
func MoveTimes(body []byte, by time.Duration) []byte {
	return times.ReplaceAllFunc(body, func(match []byte) []byte {
		t, isText, err := readTime(match)
		switch {
		case err != nil:
			return match // digits that look like a time and are none
		case isText:
			return t.Add(by).UTC().AppendFormat(nil, `"`+time.RFC3339Nano+`"`)
		}
		return fmt.Appendf(nil, `"created":%d`, t.Add(by).Unix())
	})
}

// occurredAt returns when the event in a body occurred, as its receiver will read it.
func occurredAt(provider string, body []byte) (time.Time, error) {
	const secret = "any" // the signature is made and checked right here
	p, err := handlers.NewProvider(provider, []string{secret}, handlers.Settings{})
	if err != nil {
		return time.Time{}, err
	}
	now := time.Now()
	e, err := p.Verify(handlers.Delivery{Header: p.Sign(body, now).Header, Token: secret, Body: body, ReceivedAt: now})
	if errors.Is(err, handlers.ErrContradictory) { // that one has a time, too
		err = nil
	}
	return e.OccurredAt, err
}
