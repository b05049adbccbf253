package app_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/tidwall/sjson"

	"example.com/identity-webhooks/app/payload"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// sample reads a file below testdata and sets members of it, given as path and value in turn.
func sample(t testing.TB, name string, set ...any) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("..", "testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(set); i += 2 {
		if body, err = sjson.SetBytes(body, set[i].(string), set[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	return body
}

// template is a sample that can be made into any number of events.
type template struct {
	name, provider string
	body           string
	want           struct { // what testdata says the sample leads to
		Events    []models.Event
		Customers []models.Customer
		Cases     []models.Case
	}
}

// templates reads all samples of the providers that there are.
var templates = sync.OnceValues(func() (all []template, err error) {
	root := os.DirFS(filepath.Join("..", "testdata"))
	for _, provider := range handlers.ProviderNames() {
		err := fs.WalkDir(root, provider, func(path string, _ fs.DirEntry, err error) error {
			name, isJSON := strings.CutSuffix(path, ".json")
			if err != nil || !isJSON || strings.HasSuffix(name, ".want") {
				return err
			}
			body, err := fs.ReadFile(root, path)
			if err != nil {
				return err
			}
			if body, err = payload.Compact(body); err != nil {
				return err
			}
			s := template{name: name, provider: provider, body: string(body)}
			want, err := fs.ReadFile(root, name+".want.json")
			if errors.Is(err, fs.ErrNotExist) { // TestSamples complains about it
				return nil
			}
			if err != nil {
				return err
			}
			all = append(all, s)
			return json.Unmarshal(want, &all[len(all)-1].want)
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
})

func allTemplates(t testing.TB) []template {
	t.Helper()
	all, err := templates()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// event is the sample as another event about that person and their case, with every time in it set to at.
func (s template) event(id, who string, at time.Time) []byte {
	text := s.body
	rename := func(from, to string) {
		if from != "" {
			text = strings.ReplaceAll(text, strconv.Quote(from), strconv.Quote(to))
		}
	}
	for _, e := range s.want.Events {
		rename(e.ExternalID, id)
	}
	for _, c := range s.want.Customers {
		rename(c.SubjectID, who)
	}
	for _, c := range s.want.Cases {
		rename(c.CaseID, "case-"+who)
	}
	return payload.ReplaceTimes([]byte(text), func(_ time.Time, form payload.Form) []byte { return form.Format(at.Truncate(time.Second)) })
}

// usual reports whether the sample is an event with an ID of its own that does no more than decide on one person.
func (s template) usual() bool {
	quoted := func(id string) bool { return strings.Contains(s.body, strconv.Quote(id)) }
	return len(s.want.Events) == 1 && s.want.Events[0].Outcome == models.Applied && quoted(s.want.Events[0].ExternalID) &&
		len(s.want.Customers) == 1 && quoted(s.want.Customers[0].SubjectID) && !s.want.Customers[0].AMLHold &&
		len(s.want.Cases) == 0 && s.want.Customers[0].SubjectID != s.want.Events[0].ExternalID
}

// verdicts are two events of one provider, of the same authority: one verifies a person, the other says no.
type verdicts struct {
	provider string
	yes, no  template
	noStatus models.Status
}

// anyVerdicts takes the first provider that has both. Where there is none, the test is skipped.
func anyVerdicts(t testing.TB) verdicts {
	t.Helper()
	all := allTemplates(t)
	for _, yes := range all {
		for _, no := range all {
			if yes.provider != no.provider || !yes.usual() || !no.usual() {
				continue
			}
			a, b := yes.want.Customers[0], no.want.Customers[0]
			if a.Status == models.StatusVerified && slices.Contains([]models.Status{models.StatusFailed, models.StatusRejected}, b.Status) && a.DecidedBy == b.DecidedBy {
				return verdicts{yes.provider, yes, no, b.Status}
			}
		}
	}
	t.Skip("no provider in testdata has a sample that verifies a person, and one of the same authority that says no")
	return verdicts{}
}

// unusable is a person's ID that is too long to be one. An event about it fails, and no attempt can help.
var unusable = strings.Repeat("x", 300)

// verified is a new event that verifies a new person, with its ID.
func (v verdicts) verified() (id string, body []byte) {
	id = uuid.NewString()
	return id, v.yes.event(id, uuid.NewString(), now)
}

// acceptNew sends n events that each verify a new person, and returns their IDs.
func (r *running) acceptNew(n int) (ids []string) {
	r.t.Helper()
	v := anyVerdicts(r.t)
	for range n {
		id, body := v.verified()
		r.accept(v.provider, body)
		ids = append(ids, id)
	}
	return ids
}

// applied fails the test unless each of these events was applied exactly once.
func (r *running) applied(ids []string) {
	r.t.Helper()
	provider := anyVerdicts(r.t).provider
	for _, id := range ids {
		list := r.events("provider=" + provider + "&external_id=" + id)
		if len(list) != 1 || list[0].Status != models.Processed || list[0].Outcome != models.Applied {
			r.t.Fatalf("event %s: %+v, want it applied once", id, list)
		}
	}
}
