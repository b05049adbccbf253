package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/jobs"
	"example.com/identity-webhooks/models"
)

// staleness is how long ago --stale signs. Providers that sign a time accept five minutes.
const staleness = 10 * time.Minute

// player sends messages to a server and reports the result of each.
type player struct {
	*trigger
	painter
	config    app.Config
	registry  *jobs.Registry // to find out whom a body is about
	base      string         // what the URLs of all webhooks begin with
	admin     admin
	stdout    io.Writer
	w         io.Writer // for people; discards all with --json
	signers   map[string]handlers.Provider
	connected bool    // the admin API is that of the server the messages are sent to
	customers []int64 // whom the events were about
}

// newPlayer returns a player for the server given by the flags.
func newPlayer(t *trigger, w io.Writer) (*player, error) {
	c, err := loadConfig()
	if err != nil {
		return nil, err
	}
	server := "http://" + reachable(c.Addr)
	if t.url != "" {
		if server, err = serverURL("url", t.url); err != nil {
			return nil, err
		}
	}
	p := &player{trigger: t, painter: newPainter(w), config: c, registry: jobs.NewRegistry(), base: server + "/webhooks/", admin: newAdmin(c),
		stdout: w, w: w, signers: map[string]handlers.Provider{}}
	if t.json {
		p.w = io.Discard
	}
	return p, nil
}

// prepare finds out before anything is sent whether a message can be signed, and whether the flags make sense for it.
func (p *player) prepare(m message) (err error) {
	if p.signers[m.provider] == nil {
		if p.signers[m.provider], err = signer(p.config, m.provider, p.secret); err != nil {
			return err
		}
	}
	s := p.signers[m.provider]
	if p.stale && !slices.ContainsFunc(s.Schemes(), func(s handlers.Scheme) bool { return s.MaxAge > 0 && s.MaxAge < staleness }) {
		return UsageError{fmt.Errorf("--stale has no effect on %s: its signature has no time, or may be that old", m.provider)}
	}
	_, err = m.body(s, time.Now())
	return err
}

// report is what --json prints of an event. What is not known is zero or null.
type report struct {
	Sample     string `json:"sample"`
	Seed       uint64 `json:"seed,omitempty"` // of the random order
	EventID    int64  `json:"event_id"`       // in the inbox, as the admin API has it
	ExternalID string `json:"external_id"`
	HTTPStatus int    `json:"http_status"`
	Answer     string `json:"answer"` // accepted, duplicate, or the error code; that of the accepted one of several deliveries
	Deliveries int    `json:"deliveries"`
	Duplicates int    `json:"duplicates"` // how many of the deliveries were answered so
	Status     string `json:"status"`
	Outcome    string `json:"outcome"`
	Reason     string `json:"reason,omitempty"` // why it was ignored
	Error      string `json:"error"`
	Rejection  string `json:"rejection,omitempty"` // why the server refused it

	CustomerBefore json.RawMessage   `json:"customer_before"` // null if there was none, or none was found
	CustomerAfter  json.RawMessage   `json:"customer_after"`  // null if the event is about nobody
	Changes        map[string]change `json:"changes"`
	FollowUps      []json.RawMessage `json:"follow_ups"`
}

// send delivers one event and reports the result.
func (p *player) send(ctx context.Context, m message) error {
	r := &report{Sample: m.name, Seed: p.seed, Changes: map[string]change{}, FollowUps: []json.RawMessage{}}
	body, err := m.body(p.signers[m.provider], time.Now())
	switch {
	case err != nil:
		return err
	case p.badSignature || p.stale:
		err = p.refusal(ctx, m, body, r)
	default:
		err = p.deliver(ctx, m, body, r)
	}
	if p.json && r.HTTPStatus != 0 {
		if r.Error == "" && err != nil {
			r.Error = err.Error()
		}
		err = errors.Join(err, printJSON(p.stdout, r))
	}
	return err
}

func (p *player) deliver(ctx context.Context, m message, body []byte, r *report) error {
	env, unreadable := p.signers[m.provider].Envelope(body)
	before := p.snapshot(ctx, m.provider, env, body)
	answers, err := p.post(ctx, m.provider, body)
	if err != nil {
		return err
	}
	p.printAnswers(m, answers, r)
	for _, a := range answers {
		if a.status != http.StatusOK {
			return fmt.Errorf("%s%s answers %s%s", p.base, m.provider, a.text, advice(a, m.provider))
		}
	}
	if unreadable != nil && !errors.Is(unreadable, handlers.ErrContradictory) { // that one is stored under its ID
		return fmt.Errorf("%s is stored as failed, since it cannot be read: %w", m.name, unreadable)
	}
	r.ExternalID = env.ExternalID
	if err := p.outcome(ctx, m.provider, body, before, r); err != nil {
		return err
	}
	if accepted := len(answers) - r.Duplicates; accepted > 1 && r.Status != string(models.Quarantined) { // those are accepted each time
		return fmt.Errorf("%d of %d deliveries of one event were accepted, want at most 1", accepted, len(answers))
	}
	return nil
}

// post delivers a body as often as --dup says, all at once and each signed anew. The answers are sorted: accepted comes
// before duplicate.
func (p *player) post(ctx context.Context, provider string, body []byte) ([]answer, error) {
	answers := make([]answer, p.dup)
	group, ctx := errgroup.WithContext(ctx)
	for i := range answers {
		group.Go(func() (err error) {
			answers[i], err = p.postOnce(ctx, provider, p.signers[provider].Sign(body, time.Now()))
			return err
		})
	}
	err := group.Wait()
	slices.SortStableFunc(answers, func(a, b answer) int { return strings.Compare(a.text, b.text) })
	return answers, err
}

func (p *player) postOnce(ctx context.Context, provider string, signed handlers.Request) (answer, error) {
	a, err := deliver(ctx, p.base, signed)
	if err != nil {
		return a, fmt.Errorf("send to %s%s: %w (is the server running? Start it with: go run .)", p.base, provider, err)
	}
	return a, nil
}

// printAnswers prints the answers, equal ones on one line. Where the server refuses, the error says so.
func (p *player) printAnswers(m message, answers []answer, r *report) {
	r.HTTPStatus, r.Answer, r.Deliveries = answers[0].status, answers[0].code, len(answers)
	times := map[string]int{}
	for _, a := range answers {
		times[a.text]++
		if a.code == "duplicate" {
			r.Duplicates++
		}
	}
	for i, a := range answers {
		if a.status/100 != 2 || i > 0 && a.text == answers[i-1].text {
			continue
		}
		line := m.label() + " → " + a.text
		if n := times[a.text]; n > 1 {
			line += fmt.Sprintf(" × %d", n)
		}
		fmt.Fprintln(p.w, line)
	}
}

// refusal delivers what a server must not accept, and says why it did not.
func (p *player) refusal(ctx context.Context, m message, body []byte, r *report) error {
	signed := p.signers[m.provider].Sign(body, time.Now().Add(-staleness))
	if p.badSignature {
		wrong, err := withSecret(m.provider, uuid.NewString())
		if err != nil {
			return err
		}
		signed = wrong.Sign(body, time.Now())
	}
	earlier, _ := p.newestRejection(ctx, m.provider) // if it cannot be asked now, that is reported below
	a, err := p.postOnce(ctx, m.provider, signed)
	if err != nil {
		return err
	}
	r.HTTPStatus, r.Answer, r.Deliveries = a.status, a.code, 1
	want := http.StatusUnauthorized
	if handlers.TokenInPath(m.provider) {
		want = http.StatusNotFound
	}
	switch {
	case a.status == http.StatusOK:
		return fmt.Errorf("%s%s answers %s: it must not accept this delivery", p.base, m.provider, a.text)
	case a.status != want:
		return fmt.Errorf("%s%s answers %s, want %d%s", p.base, m.provider, a.text, want, advice(a, m.provider))
	}
	fmt.Fprintf(p.w, "%s → %s\n", m.label(), a.text)
	newest, err := p.newestRejection(ctx, m.provider)
	switch {
	case err != nil:
		fmt.Fprintf(p.w, "  the reason is not known: %v\n", err)
	case newest.ID == earlier.ID:
		fmt.Fprintf(p.w, "  the reason is not known: %s\n", p.otherServer())
	default:
		r.Rejection = string(newest.Reason)
		fmt.Fprintf(p.w, "  refused, as it should be: %s\n", clean(r.Rejection))
	}
	return nil
}

// newestRejection returns the newest one that the server remembers of a provider, or zero.
func (p *player) newestRejection(ctx context.Context, provider string) (handlers.Rejection, error) {
	list, err := get[struct{ Rejections []handlers.Rejection }](ctx, p.admin, "/api/rejections")
	for _, x := range list.Rejections {
		if x.Provider == provider {
			return x, nil
		}
	}
	return handlers.Rejection{}, err
}

// otherServer says that the admin API does not know what was sent.
func (p *player) otherServer() string {
	return p.admin.base + " is the admin API of another server (see ADMIN_ADDR)"
}
