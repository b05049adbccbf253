package app_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/app/scenario"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// peopleAfter returns what is known in the end if each delivery comes once and nothing goes wrong.
func (r *running) peopleAfter(stories []scenario.Delivery) map[string]any {
	for _, d := range stories {
		if status, answer, err := r.trySend(d.Provider, d.Body, func(http.Header) {}); status != http.StatusOK || err != nil {
			r.t.Errorf("%s: answered %d %s %v", d.Text, status, answer, err)
		}
	}
	r.settle()
	return r.people()
}

// people returns all customers with their facts, by provider and subject, without row IDs and our own clock.
func (r *running) people() map[string]any {
	r.t.Helper()
	all := map[string]any{}
	for cursor := ""; ; {
		var page struct {
			Customers  []models.Customer
			NextCursor string `json:"next_cursor"`
		}
		r.get("/api/customers?"+url.Values{"limit": {"500"}, "cursor": {cursor}}.Encode(), &page)
		for _, c := range page.Customers {
			var full map[string]any
			r.get("/api/customers/"+strconv.FormatInt(c.ID, 10), &full)
			delete(full, "events") // newest first by arrival
			mask(full)
			cases := full["cases"].([]any) // likewise
			slices.SortFunc(cases, func(a, b any) int {
				return cmp.Compare(a.(map[string]any)["case_id"].(string), b.(map[string]any)["case_id"].(string))
			})
			all[c.Provider+" "+c.SubjectID] = full
		}
		if cursor = page.NextCursor; cursor == "" {
			return all
		}
	}
}

// checkRecords looks into the database: each event that was acknowledged is there once, processed once, and nothing else is.
func (s *siege) checkRecords() {
	s.t.Helper()
	store, err := models.Open(context.Background(), s.back.databaseURL)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			s.t.Error(err)
		}
	}()
	want, bodies := map[string]int{}, map[string][]byte{}
	for _, d := range s.stories {
		id := d.Provider + " " + s.externalID(d)
		if other, there := bodies[id]; there && !bytes.Equal(other, d.Body) {
			s.t.Errorf("two events have the ID %s: which of them counts depends on which comes first\n%s\n%s", id, other, d.Body)
		}
		want[id], bodies[id] = 1, d.Body
	}
	for _, query := range []string{
		"SELECT provider, external_id FROM processed_events",
		"SELECT provider, external_id FROM events WHERE status = 'processed'",
	} {
		if diff := gocmp.Diff(want, s.count(store, query)); diff != "" {
			s.t.Errorf("%s (-acknowledged +there):\n%.5000s", query, diff)
		}
	}
}

// count returns how often each provider and ID come in the answer to a query.
func (s *siege) count(store *models.Store, query string) map[string]int {
	s.t.Helper()
	rows, err := store.DB().Query(query)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() {
		if err := rows.Close(); err != nil {
			s.t.Error(err)
		}
	}()
	found := map[string]int{}
	for rows.Next() {
		var provider, id string
		if err := rows.Scan(&provider, &id); err != nil {
			s.t.Fatal(err)
		}
		found[provider+" "+id]++
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	return found
}

// externalID is the ID under which a delivery is stored.
func (s *siege) externalID(d scenario.Delivery) string {
	s.t.Helper()
	now := time.Now()
	p := s.providers[d.Provider]
	e, err := p.Verify(handlers.Delivery{Header: p.Sign(d.Body, now).Header, Token: secret, Body: d.Body, ReceivedAt: now})
	if err != nil && !errors.Is(err, handlers.ErrContradictory) {
		s.t.Fatal(err)
	}
	return e.ExternalID
}
