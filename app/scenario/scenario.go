// Package scenario reads stories about customers: what is delivered, and what must be known in the end. It also makes new
// events of sample payloads.
package scenario

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"example.com/identity-webhooks/handlers"
)

// Scenario is a story about customers: what is delivered, and what must be known in the end, whatever the order of arrival.
// It is a file in testdata/scenarios:
//
//	# Green, then red
//	# The comment says why this matters.
//	deliver trustgate/applicant.verification_complete at 10:00 data.applicant_id=person-1
//	deliver trustgate/variants/screening.completed.clear at 11:00:05 id=evt-1 data.applicant_id=person-1
//	again
//	expect trustgate person-1 status=verified aml_hold=false status_reason="verification approved"
//	expect nobody trustgate person-2
//	expect case trustgate case_1 assignee=user_318
//	expect company trustgate company-1 owners.#=3 owners.0.name="Zoë Lindqvist"
//	expect hit trustgate person-1 hit_1 resolution=false_positive
//	expect events status=failed count=0
//	expect customers external_id=acct-1 count=2
//
// deliver names a sample, the time of day at which the event occurred according to the provider, and members to set; without
// id the event gets a new ID. again repeats the bytes of the delivery above. A value that is JSON is taken as JSON, anything
// else as text; quotes hold words together and make a text of what looks like a number. Fields are those of the admin API,
// and a customer's hits and the like can be reached by paths: hits.#=1 counts them.
type Scenario struct {
	Name         string
	Title        string
	Deliveries   []Delivery // in order of arrival
	Expectations []Expectation
}

// Delivery is a body to be signed and sent. Text is its line in the file, Sample the name of what its body was made of.
type Delivery struct {
	Text     string
	Sample   string
	Provider string
	Body     []byte
}

// scenarioDay is when all of it happens.
const scenarioDay = "2026-03-02 "

// Names lists the scenarios below samples, which is the folder testdata.
func Names(samples fs.FS) ([]string, error) {
	files, err := fs.Glob(samples, "scenarios/*.txt")
	for i, file := range files {
		files[i] = strings.TrimSuffix(path.Base(file), ".txt")
	}
	return files, err
}

// Read reads a scenario by its name. Each reading gives its events new IDs. An error names the file and the line, and
// says what is wanted there.
func Read(samples fs.FS, name string) (Scenario, error) {
	file := "scenarios/" + name + ".txt"
	text, err := fs.ReadFile(samples, file)
	if err != nil {
		return Scenario{}, fmt.Errorf("read scenario: %w", err)
	}
	s := Scenario{Name: name}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	for i, line := range lines {
		if err := s.add(samples, line); err != nil {
			return Scenario{}, fmt.Errorf("%s:%d: %w", file, i+1, err)
		}
	}
	if len(s.Expectations) == 0 {
		return Scenario{}, fmt.Errorf("%s:%d: want deliveries and, after them, what to expect", file, len(lines))
	}
	return s, nil
}

func (s *Scenario) add(samples fs.FS, line string) error {
	comment, isComment := strings.CutPrefix(line, "#")
	if s.Title == "" {
		if s.Title = strings.TrimSpace(comment); !isComment || s.Title == "" {
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
	if len(s.Deliveries) == 0 && words[0] != "deliver" {
		return fmt.Errorf("got %q: want deliver first", words[0])
	}
	if len(s.Expectations) > 0 && words[0] != "expect" {
		return fmt.Errorf("got %q: want expect, as all deliveries come before it", words[0])
	}
	switch words[0] {
	case "deliver":
		d, err := newDelivery(samples, words[1:])
		d.Text = line
		s.Deliveries = append(s.Deliveries, d)
		return err
	case "again":
		if len(words) > 1 {
			return errors.New("want nothing after again: it repeats the delivery above")
		}
		s.Deliveries = append(s.Deliveries, s.Deliveries[len(s.Deliveries)-1])
		return nil
	case "expect":
		x, err := newExpectation(words[1:])
		x.Text = line
		s.Expectations = append(s.Expectations, x)
		return err
	}
	return fmt.Errorf("got %q: want deliver, again or expect", words[0])
}

// wordText is a run of letters and of quoted texts, which may contain spaces.
var wordText = regexp.MustCompile(`(?:[^\s"]|"(?:[^"\\]|\\.)*")+`)

func splitWords(line string) ([]string, error) {
	if strings.TrimSpace(wordText.ReplaceAllString(line, "")) != "" {
		return nil, errors.New(`got a single quote mark: want them in pairs, and \" within them`)
	}
	return wordText.FindAllString(line, -1), nil
}

func newDelivery(samples fs.FS, words []string) (d Delivery, err error) {
	if len(words) < 3 || words[1] != "at" {
		return d, errors.New("want deliver <sample> at <time> [id=<event ID>] [path=value …]")
	}
	d.Sample = words[0]
	d.Provider, _, _ = strings.Cut(d.Sample, "/")
	if d.Body, err = fs.ReadFile(samples, words[0]+".json"); err != nil || !slices.Contains(handlers.ProviderNames(), d.Provider) {
		return d, fmt.Errorf("got %q: want a sample of testdata, as in trustgate/v1/case.created", words[0])
	}
	at, err := time.Parse(time.DateTime, scenarioDay+words[2])
	if err != nil {
		if at, err = time.Parse("2006-01-02 15:04", scenarioDay+words[2]); err != nil {
			return d, fmt.Errorf("got %q: want a time of day, as in 10:00 or 10:00:05", words[2])
		}
	}
	set, err := members(words[3:])
	if err != nil {
		return d, err
	}
	if d.Body, err = RenewID(d.Body); err != nil {
		return d, err
	}
	if d.Body, err = SetMembers(d.Body, set); err != nil {
		return d, err
	}
	was, err := occurredAt(d.Provider, d.Body)
	if err != nil {
		return d, fmt.Errorf("want a payload whose envelope can be read: %w", err)
	}
	d.Body = MoveTimes(d.Body, at.Sub(was))
	return d, nil
}

// members reads words of the form path=value.
func members(words []string) (list []Member, err error) {
	for _, w := range words {
		name, value, found := strings.Cut(w, "=")
		if name == "" || !found {
			return nil, fmt.Errorf("got %q: want path=value", w)
		}
		raw := json.RawMessage(value)
		if !json.Valid(raw) {
			if raw, err = json.Marshal(value); err != nil {
				return nil, err
			}
		}
		list = append(list, Member{name, raw})
	}
	return list, nil
}
