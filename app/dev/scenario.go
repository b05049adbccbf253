package dev

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"example.com/identity-webhooks/app/payload"
	"example.com/identity-webhooks/handlers"
)

// scenario is a story about customers: the events that are delivered, and what the server must have stored at the end, in
// whatever order they arrive. It is a file in testdata/scenarios:
//
//	# Green, then red
//	# The comment says why this matters.
//	deliver trustgate/applicant.verification_complete at 10:00 data.applicant_id=person-1-$run
//	deliver trustgate/variants/screening.completed.clear at 11:00:05 id=evt-1-$run data.applicant_id=person-1-$run
//	again
//	expect trustgate person-1-$run status=verified status_at=$dayT10:00:00Z status_reason="verification approved"
//	expect nobody trustgate person-2-$run
//	expect case trustgate case_1-$run assignee=user_318
//	expect company trustgate company-1-$run owners.#=3 owners.0.name="Zoë Lindqvist"
//	expect hit trustgate person-1-$run hit_1 resolution=false_positive
//	expect events status=failed count=0
//	expect customers external_id=acct-1-$run count=2
//
// deliver names a sample, the time of day at which the event occurred according to the provider, and members to set. A time
// such as -3m is that long ago, for a provider that signs the time of its events: older ones are refused. An event without a
// time gets none. id sets the event's ID everywhere in the body; without it the event gets a new ID. If the ID is
// derived from the body, the members that it is made of must be set instead, and id is a member like any other. again repeats
// the delivery above. A value that is valid JSON is used as JSON, any other value as text. Quotes allow spaces in a value. The
// expected fields are those of the admin API.
//
// $run is a different text in each run, so that a scenario can be played again on the same server. $day is the date of all
// times.
type scenario struct {
	title        string
	deliveries   []delivery // in order of arrival
	expectations []expectation
}

// delivery is an event to be signed and sent.
type delivery struct {
	label    string // the sample that it is made of, or the provider if the body comes from a file
	provider string
	body     []byte
}

// senders matches the providers that a scenario names.
var senders = regexp.MustCompile(`(?m)^deliver ([^/\s]+)/`)

// scenarios returns the titles of the scenarios by name. Those with a provider that does not exist are left out.
func scenarios(samples fs.FS) (map[string]string, error) {
	files, err := fs.Glob(samples, "scenarios/*.txt")
	if err != nil {
		return nil, err
	}
	isUnknown := func(match [][]byte) bool { return !slices.Contains(handlers.ProviderNames(), string(match[1])) }
	titles := map[string]string{}
	for _, file := range files {
		text, err := fs.ReadFile(samples, file)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(senders.FindAllSubmatch(text, -1), isUnknown) {
			title, _, _ := strings.Cut(string(text), "\n")
			titles[strings.TrimSuffix(path.Base(file), ".txt")] = strings.TrimPrefix(title, "# ")
		}
	}
	return titles, nil
}

// readScenario reads a scenario for one run, with all its times on one day. An error names the file and the line.
func readScenario(samples fs.FS, name, run string, day time.Time) (s scenario, err error) {
	file := "scenarios/" + name + ".txt"
	text, err := fs.ReadFile(samples, file)
	if err != nil {
		return s, fmt.Errorf("read scenario: %w", err)
	}
	date := day.UTC().Format(time.DateOnly)
	for i, line := range strings.Split(string(text), "\n") {
		words := word.FindAllString(strings.NewReplacer("$run", run, "$day", date).Replace(line), -1)
		switch {
		case i == 0 && strings.HasPrefix(line, "#"):
			s.title = strings.TrimPrefix(line, "# ")
		case len(words) == 0 || strings.HasPrefix(line, "#"):
		case words[0] == "deliver":
			var d delivery
			d, err = readDelivery(samples, words[1:], date)
			s.deliveries = append(s.deliveries, d)
		case words[0] == "again" && len(s.deliveries) > 0:
			s.deliveries = append(s.deliveries, s.deliveries[len(s.deliveries)-1])
		case words[0] == "expect":
			var x expectation
			x, err = readExpectation(words[1:])
			x.shared = x.shared && !strings.Contains(line, "$run")
			s.expectations = append(s.expectations, x)
		default:
			err = errors.New("want deliver, again after a delivery, or expect")
		}
		if err != nil {
			return s, fmt.Errorf("%s:%d: %w", file, i+1, err)
		}
	}
	return s, nil
}

// word matches a word. Quoted parts of it may contain spaces.
var word = regexp.MustCompile(`(?:[^\s"]|"(?:[^"\\]|\\.)*")+`)

// readDelivery reads the words after deliver.
func readDelivery(samples fs.FS, words []string, date string) (d delivery, err error) {
	if len(words) < 3 || words[1] != "at" {
		return d, errors.New("want deliver <sample> at <time> [id=<event ID>] [path=value …]")
	}
	clock := words[2]
	if strings.Count(clock, ":") == 1 {
		clock += ":00"
	}
	at, err := time.Parse(time.DateTime, date+" "+clock)
	if ago, durationErr := time.ParseDuration(clock); durationErr == nil && ago < 0 {
		at, err = time.Now().Add(ago), nil
	}
	if err != nil {
		return d, fmt.Errorf("%q: want a time of day, as in 10:00 or 10:00:05, or how long ago, as in -3m", words[2])
	}
	sample, err := fs.ReadFile(samples, words[0]+".json")
	if err != nil {
		return d, err
	}
	d.label = words[0]
	d.provider, _, _ = strings.Cut(words[0], "/")
	p, err := withSecret(d.provider, "")
	if err != nil {
		return d, err
	}
	if d.body, err = payload.Compact(sample); err != nil {
		return d, err
	}
	if d.body, err = setMembers(p, d.body, words[3:]); err != nil {
		return d, err
	}
	e, err := p.Envelope(d.body)
	if err != nil && !errors.Is(err, handlers.ErrContradictory) { // a contradictory one has a time too
		return d, fmt.Errorf("read the envelope of %s: %w", words[0], err)
	}
	if !e.OccurredAt.IsZero() {
		d.body = payload.MoveTimes(d.body, at.Sub(e.OccurredAt))
	}
	return d, nil
}

// setMembers sets members of a body. It also gives the event a new ID, or the one that the word id=… gives, unless the ID is
// derived from the body.
func setMembers(p handlers.Provider, body []byte, words []string) ([]byte, error) {
	e, _ := p.Envelope(body) // if not all of it can be read, the rest is enough
	id := payload.NewID(e.ExternalID)
	for _, w := range words {
		a, err := parseAssignment(w)
		if err != nil {
			return nil, err
		}
		switch {
		case a.path != "id" || e.Derived && gjson.GetBytes(body, "id").Exists():
			if body, err = sjson.SetRawBytes(body, a.path, a.value); err != nil {
				return nil, fmt.Errorf("set %s: %w", a.path, err)
			}
		case e.Derived:
			return nil, errors.New("the ID of this event cannot be set: it is derived from the body")
		default:
			id = gjson.ParseBytes(a.value).String()
		}
	}
	if e.Derived {
		return body, nil
	}
	return payload.RenewID(body, e.ExternalID, id), nil
}

// withSecret returns a provider with a secret that is derived from a text and has a form that all providers accept. The text
// may be empty if nothing is to be signed.
func withSecret(name, text string) (handlers.Provider, error) {
	hash := sha256.Sum256([]byte(text))
	secret := "whsec_" + base64.StdEncoding.EncodeToString(hash[:])
	return handlers.NewProvider(name, handlers.Settings{Secrets: []handlers.Secret{{Value: secret}}})
}

// conclude checks what a scenario expects, except expectations that may count rows of other runs.
func (t *trigger) conclude(ctx context.Context, s scenario) error {
	if !t.connected {
		return nil // the outcomes are not known, and trigger has said why
	}
	var wrong []error
	fmt.Fprintln(t.w)
	for _, x := range s.expectations {
		if x.shared {
			continue
		}
		if err := x.check(ctx, t.admin); err != nil {
			wrong = append(wrong, err)
			continue
		}
		fmt.Fprintf(t.w, "%s  %s\n", t.word("ok"), shorten(clean(x.line), lineWidth(t.stdout)-4))
	}
	return errors.Join(wrong...)
}
