package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tidwall/gjson"
	"golang.org/x/sync/errgroup"

	"example.com/identity-webhooks/handlers"
)

// answer is how a server answers a delivery.
type answer struct {
	status int
	text   string // on one line, the status included
}

// word is what the answer says besides its status, such as accepted, duplicate or unverified; empty if it is not one of ours.
func (a answer) word() string {
	_, body, found := strings.Cut(a.text, "{")
	if !found {
		return ""
	}
	said := gjson.Parse("{" + body)
	return said.Get("status").String() + said.Get("error").String()
}

// post delivers a body as often as --dup says, at once, each time signed anew, and returns the answers: the accepted one first.
func (p *player) post(ctx context.Context, provider string, signer handlers.Provider, body []byte) ([]answer, error) {
	answers := make([]answer, p.dup)
	group, ctx := errgroup.WithContext(ctx)
	for i := range answers {
		group.Go(func() error {
			var err error
			answers[i], err = p.postOnce(ctx, provider, signer.Sign(body, time.Now()), body)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i, a := range answers {
		if a.word() == "accepted" {
			answers[0], answers[i] = a, answers[0]
			break
		}
	}
	return answers, nil
}

func (p *player) postOnce(ctx context.Context, provider string, signed handlers.Request, body []byte) (a answer, err error) {
	if a.status, a.text, err = post(ctx, p.base+signed.Path, signed.Header, body); err != nil {
		return a, fmt.Errorf("send to %s%s: %w (is the server running? start it with: go run .)", p.base, provider, err)
	}
	return a, nil
}

// tell prints answers, those that are alike on one line, unless the server refuses: then the error says it.
func (p *player) tell(m message, answers []answer, r *report) {
	r.HTTPStatus, r.Answer, r.Deliveries = answers[0].status, answers[0].word(), len(answers)
	if answers[0].status/100 != 2 {
		return
	}
	var order []string
	times := map[string]int{}
	for _, a := range answers {
		if a.word() == "duplicate" {
			r.Duplicates++
		}
		if times[a.text]++; times[a.text] == 1 {
			order = append(order, a.text)
		}
	}
	for _, text := range order {
		line := m.label() + " → " + text
		if n := times[text]; n > 1 {
			line += fmt.Sprintf(" × %d", n)
		}
		fmt.Fprintln(p.w, line)
	}
}
