package app_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/app/scenario"
)

// TestScenarios plays each story of testdata/scenarios as it is told, backwards, and at once in a random order: what it
// expects must be so after each.
func TestScenarios(t *testing.T) {
	t.Parallel()
	samples := os.DirFS(filepath.Join("..", "testdata"))
	names, err := scenario.Names(samples)
	if err != nil || len(names) == 0 {
		t.Fatalf("%d scenarios, %v", len(names), err)
	}
	for _, name := range names {
		s, err := scenario.Read(samples, name)
		if err != nil {
			t.Error(err)
			continue
		}
		t.Run(name+"/as told", func(t *testing.T) {
			onBothBackends(t, func(t *testing.T, b backend) { start(t, b).play(s, true) })
		})
		backwards := s
		backwards.Deliveries = slices.Clone(s.Deliveries)
		slices.Reverse(backwards.Deliveries)
		t.Run(name+"/backwards", func(t *testing.T) {
			onBothBackends(t, func(t *testing.T, b backend) { start(t, b).play(backwards, true) })
		})
		shuffled := s
		shuffled.Deliveries = slices.Clone(s.Deliveries)
		rand.Shuffle(len(shuffled.Deliveries), func(i, j int) {
			shuffled.Deliveries[i], shuffled.Deliveries[j] = shuffled.Deliveries[j], shuffled.Deliveries[i]
		})
		t.Run(name+"/at once", func(t *testing.T) {
			onBothBackends(t, func(t *testing.T, b backend) { start(t, b).play(shuffled, false) })
		})
	}
}

// play delivers a scenario, each event after the one before is processed or not, and checks what it expects.
func (r *running) play(s scenario.Scenario, oneByOne bool) {
	r.t.Helper()
	var sent strings.Builder
	for _, d := range s.Deliveries {
		fmt.Fprintf(&sent, "%s\n    %s\n", d.Text, d.Body)
		status, answer, err := r.trySend(d.Provider, d.Body, func(http.Header) {})
		if status != http.StatusOK || err != nil {
			r.t.Fatalf("%s: answered %d %s %v, want 200", d.Text, status, answer, err)
		}
		if oneByOne {
			r.settle()
		}
	}
	r.settle()
	for _, x := range s.Expectations {
		err := x.Check(func(path string) ([]byte, error) {
			var answer json.RawMessage
			r.get(path, &answer)
			return answer, nil
		})
		if err != nil {
			r.t.Error(err)
		}
	}
	if r.t.Failed() {
		r.t.Logf("%s: delivered in this order:\n%s\nled to:\n%s", s.Title, &sent, r.rows())
	}
}

// storyOf is a folder testdata with a few samples and one scenario, "it", of these lines below a title.
func storyOf(t *testing.T, lines ...string) fs.FS {
	t.Helper()
	files := fstest.MapFS{"scenarios/it.txt": {Data: []byte("# Title\n" + strings.Join(lines, "\n") + "\n")}}
	for _, name := range []string{"trustgate/applicant.submitted", "trustist/onboard.session.completed", "legaltalent/kyc.session.created"} {
		files[name+".json"] = &fstest.MapFile{Data: sample(t, name)}
	}
	return files
}

func TestReadScenario(t *testing.T) {
	t.Parallel()
	s, err := scenario.Read(storyOf(t,
		"# A comment.",
		"deliver trustgate/applicant.submitted at 10:00 id=evt-1 data.applicant_id=person-1 data.external_id=null data.status=\"in progress\" data.documents_count=\"2\"",
		"again", "",
		"deliver trustist/onboard.session.completed  at 10:00:05.5  Session.Id=session-1",
		"deliver legaltalent/kyc.session.created at 00:00:01 id=evt_2 data.session_id=session-1",
		"expect customers count=2",
	), "it")
	if err != nil {
		t.Fatal(err)
	}
	submitted := `trustgate {"event_type":"applicant.submitted","event_id":"evt-1","timestamp":"2026-03-02T10:00:00Z",` +
		`"tenant_id":"b677118d-5dbe-442a-9b37-34470fbdb733","correlation_id":"signup-20417-a","data":{"applicant_id":"person-1","external_id":null,` +
		`"status":"in progress","submitted_at":"2026-03-02T10:00:00Z","documents_count":"2","steps_completed":["document_upload","selfie"]}}`
	want := []string{
		submitted, submitted,
		// It occurred when its last step was completed, not at its Timestamp.
		`trustist {"Event":"onboard.session.completed","Timestamp":"2026-03-02T10:00:43.5Z","Session":{"Id":"session-1","Status":"Complete",` +
			`"Progress":{"Identity":{"Completed":true,"Confirmed":true,"CompletedAt":"2026-03-02T10:00:05.5Z"},"Ais":{"Completed":false,"Confirmed":null,"CompletedAt":null}}}}`,
		`legaltalent {"id":"evt_2","type":"kyc.session.created","created":1772409601,"data":{"session_id":"session-1"}}`,
	}
	var got []string
	for _, d := range s.Deliveries {
		got = append(got, d.Provider+" "+string(d.Body))
	}
	if diff := cmp.Diff(want, got); diff != "" || s.Title != "Title" || len(s.Expectations) != 1 {
		t.Errorf("%q with %d expectations, deliveries (-want +got):\n%s", s.Title, len(s.Expectations), diff)
	}
}

// Without id, each line is an event of its own, and so is the same line read again.
func TestScenarioIDsAreNew(t *testing.T) {
	t.Parallel()
	line := "deliver trustgate/applicant.submitted at 10:00"
	bodies := map[string]bool{}
	for range 2 {
		s, err := scenario.Read(storyOf(t, line, line, "again", "expect events count=2"), "it")
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range s.Deliveries {
			bodies[string(d.Body)] = true
		}
	}
	if len(bodies) != 4 {
		t.Errorf("%d different bodies, want 4", len(bodies))
	}
}

// TestRetell: whoever the story names by an ID becomes another, the same throughout; its times keep their distance.
func TestRetell(t *testing.T) {
	t.Parallel()
	s, err := scenario.Read(storyOf(t,
		"deliver trustgate/applicant.submitted at 10:00 id=evt-1 data.applicant_id=person-1 data.external_id=acct-1",
		"again",
		"deliver legaltalent/kyc.session.created at 10:00:01 id=evt_2 data.session_id=person-1",
		"deliver trustist/onboard.session.completed at 09:00 Session.Id=61c1cfc4-c813-4430-a42f-a2fd95bcd058",
		"expect trustgate person-1 status=pending status_at=2026-03-02T10:00:00Z external_id=acct-1 revision=1",
		"expect nobody trustgate person-2",
		"expect events count=3",
		"expect customers external_id=acct-1 count=1",
	), "it")
	if err != nil {
		t.Fatal(err)
	}
	told := s.Retell("run", time.Date(2031, 2, 3, 4, 5, 6, 700000000, time.UTC))
	submitted := `{"event_type":"applicant.submitted","event_id":"evt-1-run","timestamp":"2031-02-03T04:05:05Z",` +
		`"tenant_id":"b677118d-5dbe-442a-9b37-34470fbdb733","correlation_id":"signup-20417-a-run","data":{"applicant_id":"person-1-run","external_id":"acct-1-run",` +
		`"status":"in_progress","submitted_at":"2031-02-03T04:05:05Z","documents_count":2,"steps_completed":["document_upload","selfie"]}}`
	want := []string{submitted, submitted, `{"id":"evt_2-run","type":"kyc.session.created","created":1927857906,"data":{"session_id":"person-1-run"}}`}
	for i, d := range told.Deliveries[:3] {
		if diff := cmp.Diff(want[i], string(d.Body)); diff != "" {
			t.Errorf("delivery %d (-want +got):\n%s", i, diff)
		}
	}
	if id := gjson.GetBytes(told.Deliveries[3].Body, "Session.Id").Str; uuid.Validate(id) != nil || id == "61c1cfc4-c813-4430-a42f-a2fd95bcd058" {
		t.Errorf("the session is %q, want another UUID", id)
	}
	var asked []string
	for _, x := range told.Expectations {
		err := x.Check(func(path string) ([]byte, error) {
			asked = append(asked, path)
			return []byte(`{"customers":[{"id":7}],"status":"pending","status_at":"2031-02-03T04:05:05Z","external_id":"acct-1-run","revision":1}`), nil
		})
		if nobody := strings.Contains(x.Text, "nobody"); err != nil && !nobody {
			t.Error(err)
		}
	}
	wantAsked := []string{
		"/api/customers?limit=500&provider=trustgate&subject_id=person-1-run", "/api/customers/7",
		"/api/customers?limit=500&provider=trustgate&subject_id=person-2", "/api/customers?external_id=acct-1-run&limit=500",
	}
	if diff := cmp.Diff(wantAsked, asked); diff != "" {
		t.Errorf("what is checked (-want +got):\n%s", diff)
	}
	if first := s.Deliveries[0].Body; gjson.GetBytes(first, "event_id").Str != "evt-1" {
		t.Errorf("the story itself has changed: %s", first)
	}
}

func TestScenarioErrors(t *testing.T) {
	t.Parallel()
	const deliver = "deliver trustgate/applicant.submitted at 10:00"
	for name, c := range map[string]struct{ lines, want string }{
		"nothing":             {"", "1: want deliveries and, after them, what to expect"},
		"no expectation":      {deliver, "2: want deliveries and, after them, what to expect"},
		"unknown word":        {deliver + "\ndelivers", `3: got "delivers": want deliver, again or expect`},
		"nothing to repeat":   {"again", `2: got "again": want deliver first`},
		"too much":            {deliver + "\nagain 2", "3: want nothing after again: it repeats the delivery above"},
		"late delivery":       {deliver + "\nexpect events count=1\n" + deliver, `4: got "deliver": want expect, as all deliveries come before it`},
		"no time":             {"deliver trustgate/applicant.submitted", "2: want deliver <sample> at <time> [id=<event ID>] [path=value …]"},
		"not a time":          {"deliver trustgate/applicant.submitted at 25:00", `2: got "25:00": want a time of day, as in 10:00 or 10:00:05`},
		"unknown sample":      {"deliver trustgate/applicant.submited at 10:00", `2: got "trustgate/applicant.submited": want a sample of testdata, as in trustgate/v1/case.created`},
		"not a sample":        {"deliver scenarios/it at 10:00", `2: got "scenarios/it": want a sample of testdata, as in trustgate/v1/case.created`},
		"no value":            {deliver + " data.sandbox", `2: got "data.sandbox": want path=value`},
		"no path":             {deliver + " =1", `2: got "=1": want path=value`},
		"one quote mark":      {deliver + ` data.status="in progress`, `2: got a single quote mark: want them in pairs, and \" within them`},
		"no ID":               {"deliver trustist/onboard.session.completed at 10:00 id=1", "2: this event has no ID to set: it follows from what the event says"},
		"unreadable":          {deliver + " timestamp=noon", "2: want a payload whose envelope can be read: unreadable body: timestamp is not an RFC 3339 time"},
		"unknown kind":        {deliver + "\nexpect person trustgate 1 a=b", `3: got "person": want a provider, nobody, case, company, hit, events or customers`},
		"no kind":             {deliver + "\nexpect", "3: want expect <provider> <subject> field=value …"},
		"customer's fields":   {deliver + "\nexpect trustgate person-1", "3: want expect <provider> <subject> field=value …"},
		"nobody's fields":     {deliver + "\nexpect nobody trustgate person-1 a=b", "3: want expect nobody <provider> <subject>"},
		"unknown provider":    {deliver + "\nexpect nobody trustgates person-1", "3: want expect nobody <provider> <subject>"},
		"hit without subject": {deliver + "\nexpect hit trustgate hit_1", "3: want expect hit <provider> <subject> <hit ID> field=value …"},
		"count is no number":  {deliver + "\nexpect events count=two", "3: want expect events [filter=value …] count=<number>"},
		"no count":            {deliver + "\nexpect customers status=verified", "3: want expect customers [filter=value …] count=<number>"},
	} {
		want := "scenarios/it.txt:" + c.want
		if _, err := scenario.Read(storyOf(t, strings.Split(c.lines, "\n")...), "it"); err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", name, err, want)
		}
	}
	untitled := fstest.MapFS{"scenarios/it.txt": {Data: []byte(deliver)}}
	if _, err := scenario.Read(untitled, "it"); err == nil || err.Error() != "scenarios/it.txt:1: want a title: # and a few words" {
		t.Errorf("without a title: %v", err)
	}
	if _, err := scenario.Read(untitled, "other"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a file: %v, want fs.ErrNotExist", err)
	}
}

// TestExpectationsFail: what is not so is found out, each thing that is wrong by its name.
func TestExpectationsFail(t *testing.T) {
	t.Parallel()
	answers := map[string]string{
		"/api/customers/7": `{"id":7,"status":"verified","risk_score":31,"flags":["a"],"hits":[{"hit_id":"h","resolution":""}]}`,
		"/api/customers?limit=500&provider=trustgate&subject_id=p": `{"customers":[{"id":7}]}`,
		"/api/customers?limit=500&provider=trustgate&subject_id=q": `{"customers":[]}`,
		"/api/cases?limit=500":                `{"cases":[{"provider":"trst","case_id":"c","customer_id":null},{"provider":"trustgate","case_id":"d"}]}`,
		"/api/companies?limit=500":            `{"companies":[{"provider":"trustgate","company_id":"c","owners":[{"name":"A B"}]}]}`,
		"/api/events?limit=500&status=failed": `{"events":[{},{}]}`,
	}
	get := func(path string) ([]byte, error) {
		if answer, found := answers[path]; found {
			return []byte(answer), nil
		}
		return nil, fs.ErrNotExist
	}
	for line, want := range map[string]string{
		"trustgate p status=verified risk_score=31 flags=[\"a\"] hits.#=1": "",
		"trustgate p status=failed risk_score=\"31\" flags=[] name=A":      "status is \"verified\", risk_score is 31, flags is [\"a\"], there is no name",
		"trustgate q status=verified":                                      "there are 0, want 1",
		"nobody trustgate q":                                               "",
		"nobody trustgate p":                                               "there are 1, want 0",
		"hit trustgate p h resolution=":                                    "",
		"hit trustgate p h resolution=x":                                   "resolution is \"\"",
		"hit trustgate p i resolution=x":                                   "there are 0, want 1",
		"hit trustgate q h resolution=x":                                   "there are 0, want 1",
		"case trst c customer_id=null":                                     "",
		"case trst c customer_id=\"\"":                                     "customer_id is null",
		"case trustgate c customer_id=null":                                "there are 0, want 1",
		"company trustgate c owners.0.name=\"A B\"":                        "",
		"company trustgate c owners.#=2":                                   "owners.# is 1",
		"company trustgate d owners.#=0":                                   "there are 0, want 1",
		"events status=failed count=2":                                     "",
		"events status=failed count=0":                                     "there are 2, want 0",
		"events count=0":                                                   "file does not exist",
	} {
		s, err := scenario.Read(storyOf(t, "deliver trustgate/applicant.submitted at 10:00", "expect "+line), "it")
		if err != nil {
			t.Fatal(err)
		}
		if want != "" {
			want = "expect " + line + ": " + want
		}
		got := ""
		if err := s.Expectations[0].Check(get); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
}
