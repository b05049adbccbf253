package app_test

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// What was decided where providers' documentation contradicts itself. The files named after a provider have what concerns it alone.

// runAll runs tests that each have an app of their own.
func runAll(t *testing.T, tests map[string]func(*testing.T, *running)) {
	t.Parallel()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t, sqlite(t)))
		})
	}
}

// fresh is a sample as another event: where the provider numbers its events, it has a new ID.
func fresh(t testing.TB, name string, set ...any) []byte {
	t.Helper()
	plain := sample(t, name)
	for _, id := range []string{"event_id", "id"} {
		if gjson.GetBytes(plain, id).Exists() {
			set = append([]any{id, uuid.NewString()}, set...)
		}
	}
	return sample(t, name, set...)
}

// tell delivers a fresh sample, which must be a new event, and waits until it is processed.
func (r *running) tell(name string, set ...any) {
	r.t.Helper()
	provider, _, _ := strings.Cut(name, "/")
	r.accept(provider, fresh(r.t, name, set...))
	r.settle()
}

// event returns the only event that the query selects.
func (r *running) event(query string) models.Event {
	r.t.Helper()
	list := r.events(query)
	if len(list) != 1 {
		r.t.Fatalf("%s: %d events, want 1", query, len(list))
	}
	return list[0]
}

// person is a customer with the facts it follows from.
type person struct {
	models.Customer
	models.CustomerFacts
}

func (r *running) person(subject string) (p person) {
	r.t.Helper()
	r.get("/api/customers/"+strconv.FormatInt(r.customer(subject).ID, 10), &p)
	return p
}

// want checks the customer's status, and whether they are on hold.
func (p person) want(t testing.TB, status models.Status, hold bool) {
	t.Helper()
	if p.Status != status || p.AMLHold != hold {
		t.Errorf("%s: %s (%s, by %s), hold %t, want %s, hold %t", p.SubjectID, p.Status, p.StatusReason, p.DecidedBy, p.AMLHold, status, hold)
	}
}

// occurrence is an event: the name of its sample, and members to set. In their values WHO stands for the person.
type occurrence []any

// inAnyOrder plays the events in each order they can have, each time about another person, and returns these.
func (r *running) inAnyOrder(events ...occurrence) (persons []person) {
	r.t.Helper()
	var play func(done, left []occurrence)
	play = func(done, left []occurrence) {
		for i, e := range left {
			play(append(slices.Clone(done), e), slices.Delete(slices.Clone(left), i, i+1))
		}
		if len(left) > 0 {
			return
		}
		who := uuid.NewString()
		for _, e := range done {
			set := slices.Clone(e[1:])
			for i, value := range set {
				if text, ok := value.(string); ok {
					set[i] = strings.ReplaceAll(text, "WHO", who)
				}
			}
			r.tell(e[0].(string), set...)
		}
		persons = append(persons, r.person(who))
	}
	play(nil, events)
	return persons
}

// post sends a body to a path, unsigned, and returns the status and the answer.
func (r *running) post(path, body string) (int, string) {
	r.t.Helper()
	status, answer, err := request(context.Background(), http.MethodPost, "http://"+r.addr+path, nil, []byte(body))
	if err != nil {
		r.t.Fatal(err)
	}
	return status, answer
}

// Every provider gets 200 and nothing else for whatever it signs, at the first delivery and at the next, within 5 s.
func TestAlwaysExactly200(t *testing.T) {
	t.Parallel()
	r := start(t, sqlite(t))
	for _, s := range allTemplates(t) {
		for range 2 {
			started := time.Now()
			status, answer := r.send(s.provider, []byte(s.body))
			if took := time.Since(started); status != http.StatusOK || took > 5*time.Second {
				t.Errorf("%s: answered %d %s after %s, want 200 within 5 s", s.name, status, answer, took)
			}
		}
	}
}

// An event type means something at its provider only.
func TestTypesBelongToTheirProvider(t *testing.T) {
	t.Parallel()
	v, r := anyVerdicts(t), start(t, sqlite(t))
	id := uuid.NewString()
	body := v.yes.event(id, uuid.NewString(), now)
	for name := range r.providers {
		if name == v.provider {
			continue
		}
		if status, answer := r.send(name, body); status != http.StatusOK {
			t.Errorf("%s answered %d %s, want 200", name, status, answer)
		}
	}
	r.settle()
	if list := r.customers(""); len(list) != 0 {
		t.Errorf("customers %+v, want none", list)
	}
	r.accept(v.provider, body) // an event of the same ID at another provider takes nothing from it
	r.settle()
	r.applied([]string{id})
}

// A delivery signed with a secret that is not configured leaves no trace. After the secret is added, its retry is accepted.
func TestSecretIsAdded(t *testing.T) {
	t.Parallel()
	const next = "whsec_bmV4dC1uZXh0LW5leHQtbmV4dC1uZXh0"
	b, v := sqlite(t), anyVerdicts(t)
	id, body := v.verified()
	signer, err := handlers.NewProvider(v.provider, handlers.Settings{Secrets: []handlers.Secret{{Value: next}}})
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, b)
	signed := *r
	signed.providers = map[string]handlers.Provider{v.provider: signer}
	if status, answer := signed.send(v.provider, body); status != http.StatusUnauthorized && status != http.StatusNotFound {
		t.Errorf("wrong secret: %d %s, want 401", status, answer)
	}
	if n := b.count(t, "SELECT COUNT(*) FROM events"); n != 0 {
		t.Errorf("what is not verified left %d rows", n)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = start(t, b, app.SecretName(v.provider)+"="+secret+","+next)
	signed.addr = r.addr
	signed.accept(v.provider, body)
	r.settle()
	r.applied([]string{id})
}

// A signed body that cannot be read is stored as it is, with the reason: a retry would not repair it.
func TestUnreadableIsStored(t *testing.T) {
	t.Parallel()
	v, r := anyVerdicts(t), start(t, sqlite(t))
	const body = `{"half":`
	r.accept(v.provider, []byte(body))
	var full struct {
		models.Event
		Body []byte `json:"body_base64"`
	}
	r.get("/api/events/"+strconv.FormatInt(r.event("status=failed").ID, 10), &full)
	if string(full.Body) != body || full.Error == "" {
		t.Errorf("stored %q with reason %q", full.Body, full.Error)
	}
}

// TestSandboxSecretChangesNobody: what a secret of a provider's sandbox verified is recorded as a sandbox event and changes no customer.
func TestSandboxSecretChangesNobody(t *testing.T) {
	t.Parallel()
	const sandbox = "whsec_c2FuZGJveC1zYW5kYm94LXNhbmRib3gh"
	v := anyVerdicts(t)
	signer, err := handlers.NewProvider(v.provider, handlers.Settings{Secrets: []handlers.Secret{{Value: sandbox}}})
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, sqlite(t), app.SandboxSecretName(v.provider)+"="+sandbox)
	r.providers = map[string]handlers.Provider{v.provider: signer}
	_, body := v.verified()
	r.accept(v.provider, body)
	r.settle()
	if e := r.events(""); len(e) != 1 || e[0].Outcome != models.Sandbox || len(r.customers("")) > 0 {
		t.Errorf("%+v and customers %+v, want a sandbox event and nobody", e, r.customers(""))
	}
}
