package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/app/scenario"
	"example.com/identity-webhooks/handlers"
)

// idPaths and subjectPaths are where samples carry the event's ID, or what it is derived from, and whom it is about.
var (
	idPaths      = []string{"event_id", "id", "data.sessionId"}
	subjectPaths = map[string][]string{
		"trustgate":   {"data.applicant_id"},
		"legaltalent": {"data.session_id"},
		"trst":        {"data.member_id"},
		"trustist":    {"data.customerId", "data.customer.id"},
	}
)

// digits is the width of the number that ends the ID of an event and that of a customer.
const digits = 12

// template is a sample with room for what makes an event of it.
type template struct {
	provider handlers.Provider
	name     string // of the provider
	derived  bool   // the event's external ID is not the one in the body
	body     []byte
	events   []int // where the number of the event goes
	subjects []int // where the number of the customer goes
	times    []slot
}

// eventPrefix and subjectPrefix begin the IDs of a run.
func eventPrefix(run string) string   { return "bench-" + run + "-" }
func subjectPrefix(run string) string { return "bench-" + run + "-customer-" }

// newTemplate makes a template of a sample, named without its provider.
func newTemplate(samples fs.FS, name, sample, run string, p handlers.Provider) (*template, error) {
	body, err := fs.ReadFile(samples, name+"/"+sample+".json")
	if err != nil {
		return nil, fmt.Errorf("read sample: %w", err)
	}
	if body, err = scenario.RenewID(body); err != nil {
		return nil, fmt.Errorf("%s/%s: %w", name, sample, err)
	}
	zeros := strings.Repeat("0", digits)
	id, subject := eventPrefix(run)+zeros, subjectPrefix(run)+zeros
	var members []scenario.Member
	for text, paths := range map[string][]string{id: idPaths, subject: subjectPaths[name]} {
		for _, path := range paths {
			if gjson.GetBytes(body, path).Exists() {
				value, err := json.Marshal(text)
				if err != nil {
					return nil, err
				}
				members = append(members, scenario.Member{Path: path, Value: value})
			}
		}
	}
	if body, err = scenario.SetMembers(body, members); err != nil {
		return nil, fmt.Errorf("%s/%s: %w", name, sample, err)
	}
	// A part of a second gives all times the same width.
	newest := time.Now().UTC().Truncate(time.Second).Add(123456 * time.Microsecond)
	t := &template{provider: p, name: name, body: scenario.MoveTimes(body, newest.Sub(scenario.NewestTime(body)))}
	t.events, t.subjects, t.times = ends(t.body, id), ends(t.body, subject), slots(t.body, newest)
	if len(t.events) == 0 || len(t.subjects) == 0 || len(t.times) == 0 {
		return nil, fmt.Errorf("%s/%s has no ID, no person or no time to replace", name, sample)
	}
	envelope, err := t.envelope(t.body)
	t.derived = envelope.ExternalID != id
	return t, err
}

// envelope is what the receiver will read of a body.
func (t *template) envelope(body []byte) (handlers.Envelope, error) {
	now := time.Now()
	signed := t.provider.Sign(body, now)
	token, err := url.PathUnescape(strings.TrimPrefix(strings.TrimPrefix(signed.Path, t.name), "/"))
	if err != nil {
		return handlers.Envelope{}, errors.New("read path token: it is not escaped")
	}
	return t.provider.Verify(handlers.Delivery{Header: signed.Header, Token: token, Body: body, ReceivedAt: now})
}
