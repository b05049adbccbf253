package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/identity-webhooks/models"
)

// inbox is an admin API with what a test puts in: rows in the order of their IDs.
type inbox struct {
	events    []models.Event
	customers []models.Customer
	asked     atomic.Int64
}

func (i *inbox) get(t *testing.T) Get {
	t.Helper()
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	return func(ctx context.Context, path string, answer any) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, nil)
		if err != nil {
			return err
		}
		resp, err := server.Client().Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("answers %s", resp.Status)
		}
		return json.NewDecoder(resp.Body).Decode(answer)
	}
}

// ServeHTTP answers with pages of two rows, whatever the limit: the newest first.
func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.asked.Add(1)
	answer := map[string]any{}
	switch r.URL.Path {
	case "/api/events":
		answer["events"], answer["next_cursor"] = pageOf(i.events, r)
	case "/api/customers":
		answer["customers"], answer["next_cursor"] = pageOf(i.customers, r)
	case "/api/stats":
		counts := map[models.EventStatus]int{}
		for _, e := range i.events {
			counts[e.Status]++
		}
		answer["events"] = counts
	default:
		http.NotFound(w, r)
		return
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		panic(err)
	}
}

func pageOf[T any](rows []T, r *http.Request) ([]T, string) {
	end := len(rows)
	if cursor := r.URL.Query().Get("cursor"); cursor != "" {
		end, _ = strconv.Atoi(cursor) // it is ours
	}
	begin := max(0, end-2)
	page := slices.Clone(rows[begin:end])
	slices.Reverse(page)
	if begin == 0 {
		return page, ""
	}
	return page, strconv.Itoa(begin)
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// processed adds the event of a number to the inbox, and to its customer. It took as many milliseconds as its number says.
func (i *inbox) processed(s *source, n int64, outcome models.Outcome) {
	customer := n % 2 // two of them
	i.customers[1+customer].Revision++
	received := noon.Add(time.Duration(n) * time.Microsecond)
	i.events = append(i.events, models.Event{
		ID: int64(len(i.events) + 1), ExternalID: fmt.Sprintf("%s%012d", eventPrefix(s.run), n), Status: models.Processed, Outcome: outcome,
		ReceivedAt: models.At(received), ProcessedAt: models.At(received.Add(time.Duration(n) * time.Millisecond)), CustomerID: new(2 + customer),
	})
}

// newInbox has seven processed events of two customers, beside a row of somebody else's from before and one from after.
func newInbox(s *source) *inbox {
	i := &inbox{
		events: []models.Event{{ID: 1, ExternalID: "before", Status: models.Failed}},
		customers: []models.Customer{{ID: 1, SubjectID: "before", Revision: 7}, {ID: 2, SubjectID: subjectPrefix(s.run) + "0"},
			{ID: 3, SubjectID: subjectPrefix(s.run) + "1"}, {ID: 4, SubjectID: "after", Revision: 1}},
	}
	for n := range int64(7) {
		i.processed(s, n, []models.Outcome{models.Applied, models.Stale}[n%2])
	}
	i.events = append(i.events, models.Event{ID: 9, ExternalID: "after", Status: models.Received})
	return i
}

// TestCheck spoils a run that went well, in every way that the check has to see.
func TestCheck(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(i *inbox, s *source)
		want  verdict
	}{
		"all is well":             {func(*inbox, *source) {}, verdict{Known: 7}},
		"one not acknowledged":    {func(i *inbox, s *source) { i.processed(s, 8, models.Applied) }, verdict{Known: 8}},
		"not in the inbox":        {func(i *inbox, _ *source) { i.events[3].ExternalID = "other"; i.customers[1].Revision-- }, verdict{Lost: 1, Known: 6}},
		"given up":                {func(i *inbox, _ *source) { i.events[3].Status = models.Failed; i.customers[1].Revision-- }, verdict{Lost: 1, Known: 7}},
		"quarantined":             {func(i *inbox, _ *source) { i.events[3].Status = models.Quarantined; i.customers[1].Revision-- }, verdict{Lost: 1, Known: 7}},
		"without an effect":       {func(i *inbox, _ *source) { i.events[3].Outcome = models.Ignored; i.customers[1].Revision-- }, verdict{Lost: 1, Known: 7}},
		"the effect is missing":   {func(i *inbox, _ *source) { i.customers[2].Revision-- }, verdict{Lost: 1, Known: 7}},
		"the customer is missing": {func(i *inbox, _ *source) { i.customers = i.customers[:2] }, verdict{Lost: 3, Known: 7}},
		"waiting":                 {func(i *inbox, _ *source) { i.events[3].Status = models.Queued; i.customers[1].Revision-- }, verdict{Waiting: 1, Known: 7}},
		"an effect came twice":    {func(i *inbox, _ *source) { i.customers[1].Revision++ }, verdict{Twice: 1, Known: 7}},
		"one lost and one twice": {func(i *inbox, _ *source) {
			i.customers[1].Revision++
			i.customers[2].Revision--
		}, verdict{Lost: 1, Twice: 1, Known: 7}},
		"an event has two rows": {func(i *inbox, s *source) { i.processed(s, 4, models.Applied) }, verdict{Twice: 1, Known: 8}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTestSource(t, 1000, false, "trustgate")
			i := newInbox(s)
			test.spoil(i, s)
			c := &checker{get: i.get(t), events: 1, customers: 1}
			v, err := c.check(t.Context(), s, []int64{0, 1, 2, 3, 4, 5, 6}, func(int) {})
			if err != nil {
				t.Fatal(err)
			}
			got := verdict{Lost: v.Lost, Waiting: v.Waiting, Twice: v.Twice, Known: v.Known}
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// TestCheckReadsOnlyTheRun: what was there before it may be a million rows.
func TestCheckReadsOnlyTheRun(t *testing.T) {
	t.Parallel()
	s := newTestSource(t, 1000, false, "trustgate")
	i := newInbox(s)
	c := &checker{get: i.get(t), events: 9, customers: 4}
	if v, err := c.check(t.Context(), s, nil, func(int) {}); err != nil || v.Known != 0 || i.asked.Load() != 2 {
		t.Errorf("it found %d events, %v, on %d pages; want one page of each list", v.Known, err, i.asked.Load())
	}
}

// TestCheckTimes: what is processed after the last event was received is the backlog.
func TestCheckTimes(t *testing.T) {
	t.Parallel()
	s := newTestSource(t, 1000, false, "trustgate")
	c := &checker{get: newInbox(s).get(t), events: 1, customers: 1}
	v, err := c.check(t.Context(), s, nil, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	if v.backlog != 6 || v.draining != 6*time.Millisecond {
		t.Errorf("a backlog of %d in %s, want 6 in 6 ms", v.backlog, v.draining)
	}
	if got := percentile(v.endToEnd, 0.5); got != 3*time.Millisecond {
		t.Errorf("half of them took up to %s, want 3 ms", got)
	}
}

func TestNewChecker(t *testing.T) {
	t.Parallel()
	s := newTestSource(t, 1000, false, "trustgate")
	c, err := newChecker(t.Context(), newInbox(s).get(t))
	if err != nil || c.events != 9 || c.customers != 4 {
		t.Errorf("got %+v, %v, want event 9 and customer 4", c, err)
	}
	if c, err = newChecker(t.Context(), (&inbox{}).get(t)); err != nil || c.events != 0 || c.customers != 0 {
		t.Errorf("empty: got %+v, %v", c, err)
	}
	failing := func(context.Context, string, any) error { return context.DeadlineExceeded }
	if _, err = newChecker(t.Context(), failing); err == nil || !strings.Contains(err.Error(), context.DeadlineExceeded.Error()) {
		t.Errorf("without an answer: got %v", err)
	}
}

// TestServerIsAskedFirst says at once that no server runs, before the baseline takes its time.
func TestServerIsAskedFirst(t *testing.T) {
	t.Parallel()
	o := Options{URL: "http://localhost:8080", Baseline: true, Duration: time.Minute, Program: "/does/not/exist", Progress: func(string) {}}
	o.Admin = func(string) Get {
		return func(context.Context, string, any) error { return context.DeadlineExceeded }
	}
	if _, err := Run(t.Context(), o); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the answer of the admin API", err)
	}
}

// TestDrain waits for the last one, and no longer than somebody waits for it.
func TestDrain(t *testing.T) {
	t.Parallel()
	backlog := []int{3, 5, 2, 0, 9}
	c := &checker{get: func(_ context.Context, _ string, answer any) error {
		err := json.Unmarshal(fmt.Appendf(nil, `{"events": {"received": %d, "queued": 0, "failed": 4}}`, backlog[0]), answer)
		backlog = backlog[1:]
		return err
	}}
	var seen []int64
	if err := c.drain(t.Context(), func(n int64) { seen = append(seen, n) }); err != nil || !slices.Equal(seen, []int64{3, 5, 2, 0}) {
		t.Errorf("saw %v, %v", seen, err)
	}
	backlog = []int{3, 3}
	ctx, stop := context.WithCancel(t.Context())
	if err := c.drain(ctx, func(int64) { stop() }); err != nil || len(backlog) != 1 {
		t.Errorf("interrupted: %v, %d answers left, want 1", err, len(backlog))
	}
}
