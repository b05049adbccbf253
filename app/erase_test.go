package app_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/jobs"
	"example.com/identity-webhooks/models"
)

// personal are the members of payloads that say something about a person.
var personal = regexp.MustCompile(`^(first|last|full|matched|legal)?_?name$|^(first|last)Name$|mail|^(line1|city)$|^date_of_birth$|^birthdate$|` +
	`^(document|registration|identification)[_-]number$|^headline$|^title$|^reason$|^description$|^reference$|^message$|_details$|_notes$|_reason$|` +
	`^(resolved|escalated|changed|reviewed|assigned)_by$|^escalated_to$|^external_id$|^name-(first|last)$`)

// marked is somebody whose data can be found again: each value that says something about them is unlike all others.
type marked struct {
	subject  string
	canaries []string
}

// mark puts a new canary into each member that is personal.
func (p *marked) mark(v any, eventType string) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = p.mark(v[i], eventType)
		}
	case map[string]any:
		for name, value := range v {
			if text, isText := value.(string); isText && text != eventType && personal.MatchString(name) {
				p.canaries = append(p.canaries, fmt.Sprintf("%s-%s-%04d", canary, p.subject[:8], len(p.canaries)))
				v[name] = p.canaries[len(p.canaries)-1]
			} else {
				v[name] = p.mark(value, eventType)
			}
		}
	}
	return v
}

// eventsAbout makes each sample of a provider into an event about the person, except those about companies. There is none if the provider's
// events only name what is to be read: then the double of its API says whom they are about.
func eventsAbout(t *testing.T, r *running, provider string, p *marked, at time.Time) (bodies [][]byte) {
	t.Helper()
	registry, namesPeople := jobs.NewRegistry(), false
	for _, s := range allTemplates(t) {
		if s.provider != provider {
			continue
		}
		e, _ := r.providers[provider].Envelope([]byte(s.body))
		facts, _ := registry.Translate(models.Event{Provider: provider, Generation: e.Generation, Type: e.Type, Body: []byte(s.body)})
		if facts.Company != nil && facts.Company.Owner == nil || facts.Case != nil && facts.Case.CompanyID != "" {
			continue
		}
		namesPeople = namesPeople || facts.SubjectID != ""
		text := s.event(uuid.NewString(), p.subject, at)
		if facts.Company != nil {
			text = bytes.ReplaceAll(text, []byte(strconv.Quote(facts.Company.Owner.OwnerID)), []byte(strconv.Quote(p.subject)))
		}
		var v map[string]any
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
		p.mark(v, e.Type)
		v["about"] = p.subject // for events that we ignore
		body, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	if !namesPeople {
		return nil
	}
	return bodies
}

// TestErase: what is stored about a person is gone, to the last byte, whatever events of whatever provider it came from, and the export had
// all of it. Others keep theirs. A late duplicate changes nothing.
func TestErase(t *testing.T) {
	onBothBackends(t, func(t *testing.T, b backend) {
		r := start(t, b)
		var everything []string
		for provider := range r.providers {
			p := &marked{subject: uuid.NewString()}
			first := eventsAbout(t, r, provider, p, now)
			if len(first) == 0 {
				continue
			}
			for _, body := range first {
				r.send(provider, body)
			}
			r.settle()
			repeated := map[int]string{} // the answers to duplicates
			for i, body := range first {
				_, repeated[i] = r.send(provider, body)
			}
			other := r.bystander(provider)
			for _, body := range eventsAbout(t, r, provider, p, now.Add(time.Hour)) { // the same with other names
				r.send(provider, body)
				r.send(provider, body)
				r.send(provider, append(body, ' '))            // quarantined, where the ID does not depend on the body
				r.send(provider, body[:len(body)-1])           // unreadable
				r.send(provider, append([]byte{'['}, body...)) // and without an ID: failed
			}
			r.settle()
			r.call(http.MethodPost, "/api/replay?outcome=ignored&provider="+provider, http.StatusAccepted, &struct{}{})
			r.settle()
			path := "/api/customers/" + strconv.FormatInt(r.customer(p.subject).ID, 10)
			p.exported(t, b, r, path)

			var erased, again models.Erasure
			r.call(http.MethodDelete, path, http.StatusOK, &erased)
			if erased.Provider != provider || int(erased.Events) < 2*len(first) || erased.Facts == 0 {
				t.Errorf("%s: %+v for %d samples", provider, erased, len(first))
			}
			r.call(http.MethodDelete, path, http.StatusOK, &again)
			var list struct{ Erasures []models.Erasure }
			r.get("/api/erasures", &list)
			if diff := cmp.Diff([]models.Erasure{erased, erased}, []models.Erasure{again, list.Erasures[0]}); diff != "" {
				t.Errorf("%s: (-first +again, listed)\n%s", provider, diff)
			}
			for i, body := range first {
				if status, answer := r.send(provider, body); status != http.StatusOK || answer != repeated[i] {
					t.Errorf("%s: a late duplicate is answered with %d %s, before with %s", provider, status, answer, repeated[i])
				}
			}
			r.call(http.MethodPost, "/api/replay?outcome=ignored&provider="+provider, http.StatusAccepted, &struct{}{})
			r.settle()
			if found := r.customers("subject_id=" + p.subject); len(found) > 0 {
				t.Errorf("%s: erased, and again %+v", provider, found)
			}
			if failed := r.events("status=failed&provider=" + provider); len(failed) > 0 {
				t.Errorf("%s: %d events failed", provider, len(failed))
			}
			other.kept(t, r)
			everything = append(everything, append(p.canaries, p.subject)...)
		}
		for name, content := range b.content(t) {
			for _, text := range everything {
				if contains(content, text) {
					t.Errorf("%s holds %s", name, text)
				}
			}
		}
		for _, text := range everything {
			if strings.Contains(r.log.String(), text) {
				t.Errorf("the log holds %s", text)
			}
		}
	})
}

// exported checks that the export has all that is stored about a person.
func (p *marked) exported(t *testing.T, b backend, r *running, path string) {
	t.Helper()
	var export json.RawMessage
	r.get(path+"/export", &export)
	for _, body := range gjson.GetBytes(export, "events.#.body_base64").Array() { // of events that are not JSON
		text, err := base64.StdEncoding.DecodeString(body.Str)
		if err != nil {
			t.Fatal(err)
		}
		export = append(export, text...)
	}
	stored := b.content(t)
	for _, text := range append(p.canaries, p.subject) {
		for name, content := range stored {
			if contains(content, text) && !bytes.Contains(export, []byte(text)) {
				t.Errorf("%s has %s, the export does not", name, text)
			}
		}
	}
}

// bystander is an event about somebody else; the zero value if the provider has no sample for it.
type bystander struct{ customer, event int64 }

func (r *running) bystander(provider string) bystander {
	r.t.Helper()
	for _, s := range allTemplates(r.t) {
		if s.provider == provider && s.usual() {
			id, who := uuid.NewString(), uuid.NewString()
			r.accept(provider, s.event(id, who, now))
			r.settle()
			return bystander{r.customer(who).ID, r.events("external_id=" + id)[0].ID}
		}
	}
	return bystander{}
}

func (x bystander) kept(t *testing.T, r *running) {
	t.Helper()
	if x.customer == 0 {
		return
	}
	var event struct {
		CustomerID int64 `json:"customer_id"`
		Payload    json.RawMessage
	}
	r.get("/api/events/"+strconv.FormatInt(x.event, 10), &event)
	if event.CustomerID != x.customer || len(event.Payload) == 0 {
		t.Errorf("somebody else's event: %+v, want it as it was", event)
	}
}

// content returns all that is stored: the bytes of each file beside SQLite's, or each table of Postgres as text.
func (b backend) content(t *testing.T) map[string][]byte {
	t.Helper()
	content := map[string][]byte{}
	if path, isSQLite := strings.CutPrefix(b.databaseURL, "sqlite:"); isSQLite {
		err := filepath.WalkDir(filepath.Dir(path), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				content[filepath.Base(path)], err = os.ReadFile(path)
			}
			return err
		})
		if err != nil || len(content) < 3 {
			t.Fatalf("%d files, %v", len(content), err)
		}
		return content
	}
	db := b.open(t)
	for _, table := range strings.Fields(b.text(t, "SELECT string_agg(tablename, ' ') FROM pg_tables WHERE schemaname = 'public'")) {
		var text string
		if err := db.QueryRowContext(context.Background(), "SELECT COALESCE(string_agg(t::text, ' '), '') FROM "+table+" t").Scan(&text); err != nil {
			t.Fatal(err)
		}
		content[table] = []byte(text)
	}
	return content
}

func (b backend) text(t *testing.T, query string) (text string) {
	t.Helper()
	if err := b.open(t).QueryRowContext(context.Background(), query).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

// contains looks for a text, and for its bytes as Postgres writes them.
func contains(content []byte, text string) bool {
	return bytes.Contains(content, []byte(text)) || bytes.Contains(content, []byte(hex.EncodeToString([]byte(text))))
}

// TestEraseInFlight: events that are processed during an erasure are erased, or lead to a new and complete customer.
func TestEraseInFlight(t *testing.T) {
	onBothBackends(t, func(t *testing.T, b backend) {
		r := start(t, b)
		v, who := anyVerdicts(t), uuid.NewString()
		var senders sync.WaitGroup
		var erased atomic.Int64
		for range 4 {
			senders.Go(func() {
				for i := 0; i < 60 || i < 6000 && erased.Load() < 5; i++ { // and more until five customers were erased
					body := v.yes.event(uuid.NewString(), who, now.Add(time.Duration(i)*time.Minute))
					if status, answer, err := r.trySend(v.provider, body, func(http.Header) {}); err != nil || status != http.StatusOK && status != http.StatusServiceUnavailable {
						t.Errorf("answered %d %s %v", status, answer, err)
					}
				}
			})
		}
		sent := make(chan struct{})
		go func() { senders.Wait(); close(sent) }()
		for done := false; !done; {
			select {
			case <-sent:
				done = true
			default:
			}
			for _, c := range r.customers("subject_id=" + who) {
				r.call(http.MethodDelete, "/api/customers/"+strconv.FormatInt(c.ID, 10), http.StatusOK, &struct{}{})
				erased.Add(1)
			}
		}
		r.settle()
		if erased.Load() < 5 {
			t.Fatalf("%d customers were erased", erased.Load())
		}
		for query, what := range map[string]string{
			"SELECT COUNT(*) FROM facts WHERE about = 'customer' AND about_id NOT IN (SELECT id FROM customers)":                             "facts about nobody",
			"SELECT COUNT(*) FROM follow_ups WHERE customer_id IS NOT NULL AND customer_id NOT IN (SELECT id FROM customers)":                "follow-ups for nobody",
			"SELECT COUNT(*) FROM processed_events WHERE customer_id IS NOT NULL AND customer_id NOT IN (SELECT id FROM customers)":          "records of nobody",
			"SELECT COUNT(*) FROM customers c WHERE events <> (SELECT COUNT(*) FROM processed_events r WHERE r.customer_id = c.id)":          "customers without all of their events",
			"SELECT COUNT(*) FROM events e JOIN processed_events r ON r.event_id = e.id WHERE (r.customer_id IS NULL) <> (length(body) = 0)": "events that are half erased",
			"SELECT COUNT(*) FROM pending_events": "pending events",
		} {
			if n := b.count(t, query); n != 0 {
				t.Errorf("after %d erasures: %d %s", erased.Load(), n, what)
			}
		}
	})
}
