package dev

import (
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

	"github.com/tidwall/sjson"

	"example.com/identity-webhooks/handlers"
)

// scenario is a story about customers: what is delivered, and what must be known in the end, in whatever order it arrives. It
// is a file in testdata/scenarios:
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
// deliver names a sample, the time of day at which the event occurred according to the provider, and members to set. id is the
// event's ID, wherever the body has it; without it the event gets a new one. again repeats the delivery above. A value that is
// JSON is taken as JSON, anything else as text; quotes hold words together. The fields to expect are those of the admin API.
//
// $run is another text in each run, so that a scenario can be played on one server again; $day is the day of all times.
type scenario struct {
	name, title  string
	deliveries   []delivery // in order of arrival
	expectations []expectation
}

// delivery is a body to be signed and sent.
type delivery struct {
	line     string // of the file
	sample   string // what the body was made of
	provider string
	body     []byte
}

// scenarios lists the scenarios below samples by name and title. Those of a provider that does not exist are left out.
func scenarios(samples fs.FS) (list []scenario, err error) {
	files, err := fs.Glob(samples, "scenarios/*.txt")
	for _, file := range files {
		text, err := fs.ReadFile(samples, file)
		if err != nil {
			return nil, err
		}
		title, _, _ := strings.Cut(string(text), "\n")
		s := scenario{name: strings.TrimSuffix(path.Base(file), ".txt"), title: strings.TrimSpace(strings.TrimPrefix(title, "#"))}
		if !slices.ContainsFunc(senders.FindAllStringSubmatch(string(text), -1), isGone) {
			list = append(list, s)
		}
	}
	return list, err
}

// senders matches the providers that a scenario names.
var senders = regexp.MustCompile(`(?m)^deliver ([^/\s]+)/`)

func isGone(match []string) bool { return !slices.Contains(handlers.ProviderNames(), match[1]) }

// scenarioNames lists the names of the scenarios.
func scenarioNames(samples fs.FS) (names []string, err error) {
	list, err := scenarios(samples)
	for _, s := range list {
		names = append(names, s.name)
	}
	return names, err
}

// readScenario reads a scenario for one run, with all its times on one day. An error names the file and the line.
func readScenario(samples fs.FS, name, run string, day time.Time) (scenario, error) {
	file := "scenarios/" + name + ".txt"
	text, err := fs.ReadFile(samples, file)
	if err != nil {
		return scenario{}, fmt.Errorf("read scenario: %w", err)
	}
	s := scenario{name: name}
	date := day.UTC().Format(time.DateOnly)
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	for i, line := range lines {
		err := s.add(samples, strings.ReplaceAll(strings.ReplaceAll(line, "$run", run), "$day", date), date)
		if err != nil {
			return scenario{}, fmt.Errorf("%s:%d: %w", file, i+1, err)
		}
		if n := len(s.expectations); n > 0 {
			x := &s.expectations[n-1]
			x.shared = len(x.ids) == 0 && !strings.Contains(line, "$run")
		}
	}
	if len(s.expectations) == 0 {
		return scenario{}, fmt.Errorf("%s:%d: want deliveries, and what to expect after them", file, len(lines))
	}
	return s, nil
}

func (s *scenario) add(samples fs.FS, line, date string) error {
	comment, isComment := strings.CutPrefix(line, "#")
	if s.title == "" {
		if s.title = strings.TrimSpace(comment); !isComment || s.title == "" {
			return errors.New("want a title: # and a few words")
		}
	}
	if isComment || strings.TrimSpace(line) == "" {
		return nil
	}
	words, err := splitWords(line)
	if err != nil {
		return err
	}
	switch {
	case len(s.deliveries) == 0 && words[0] != "deliver":
		return fmt.Errorf("got %q: want deliver first", words[0])
	case len(s.expectations) > 0 && words[0] != "expect":
		return fmt.Errorf("got %q: want expect, since all deliveries come before it", words[0])
	case words[0] == "deliver":
		d, err := newDelivery(samples, words[1:], date)
		d.line = line
		s.deliveries = append(s.deliveries, d)
		return err
	case words[0] == "again" && len(words) == 1:
		s.deliveries = append(s.deliveries, s.deliveries[len(s.deliveries)-1])
		return nil
	case words[0] == "expect":
		x, err := newExpectation(words[1:])
		x.line = line
		s.expectations = append(s.expectations, x)
		return err
	}
	return fmt.Errorf("got %q: want deliver, again or expect", line)
}

// word is a run of letters and of quoted texts, which may contain spaces.
var word = regexp.MustCompile(`(?:[^\s"]|"(?:[^"\\]|\\.)*")+`)

func splitWords(line string) ([]string, error) {
	if strings.TrimSpace(word.ReplaceAllString(line, "")) != "" {
		return nil, errors.New(`a quotation mark is missing: want them in pairs, and \" within them`)
	}
	return word.FindAllString(line, -1), nil
}

func newDelivery(samples fs.FS, words []string, date string) (d delivery, err error) {
	if len(words) < 3 || words[1] != "at" {
		return d, errors.New("want deliver <sample> at <time> [id=<event ID>] [path=value …]")
	}
	d.sample = words[0]
	d.provider, _, _ = strings.Cut(d.sample, "/")
	p, err := withSecret(d.provider, "")
	if err == nil {
		d.body, err = fs.ReadFile(samples, d.sample+".json")
	}
	if err != nil {
		return d, fmt.Errorf("got %q: want a sample of testdata", d.sample)
	}
	clock := words[2]
	if strings.Count(clock, ":") == 1 {
		clock += ":00"
	}
	at, err := time.Parse(time.DateTime, date+" "+clock)
	if err != nil {
		return d, fmt.Errorf("got %q: want a time of day, as in 10:00 or 10:00:05", words[2])
	}
	if d.body, err = compact(d.body); err != nil {
		return d, err
	}
	if d.body, err = setMembers(p, d.body, words[3:]); err != nil {
		return d, err
	}
	e, err := p.Envelope(d.body)
	if err != nil && !errors.Is(err, handlers.ErrContradictory) { // a contradictory one has a time too
		return d, fmt.Errorf("read the envelope of %s: %w", d.sample, err)
	}
	d.body = moveTimes(d.body, at.Sub(e.OccurredAt))
	return d, nil
}

// withSecret returns a provider with a secret made of some text, whatever form of secret it wants. The text may be empty where
// nothing is to be signed.
func withSecret(name, text string) (handlers.Provider, error) {
	hash := sha256.Sum256([]byte(text))
	secret := "whsec_" + base64.StdEncoding.EncodeToString(hash[:])
	return handlers.NewProvider(name, handlers.Settings{Secrets: []handlers.Secret{{Value: secret}}})
}

// setMembers sets members of a body, and gives the event a new ID unless one of the words says which.
func setMembers(p handlers.Provider, body []byte, words []string) ([]byte, error) {
	e, _ := p.Envelope(body) // what can be read of it is enough
	if !e.Derived {
		id := newID(e.ExternalID)
		body, e.ExternalID = renewID(body, e.ExternalID, id), id
	}
	for _, w := range words {
		a, err := parseAssignment(w)
		switch {
		case err != nil:
			return nil, fmt.Errorf("got %w", err)
		case a.path == "id" && e.Derived:
			return nil, errors.New("this event has no ID to set: it follows from what the event says")
		case a.path == "id":
			body = renewID(body, e.ExternalID, strings.Trim(string(a.value), `"`))
		default:
			if body, err = sjson.SetRawBytes(body, a.path, a.value); err != nil {
				return nil, fmt.Errorf("set %s: %w", a.path, err)
			}
		}
	}
	return body, nil
}
