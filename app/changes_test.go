package app_test

import (
	"context"
	"math"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// follower polls the list of changes and keeps the newest state of each customer.
type follower struct {
	cursor string
	newest map[int64]models.Customer
}

// poll reads one page, and returns how many customers it had.
func (f *follower) poll(r *running, limit string) int {
	r.t.Helper()
	var page struct {
		Customers []models.Customer
		Next      string `json:"next_cursor"`
	}
	r.get("/api/customers?limit="+limit+"&updated_after="+f.cursor, &page)
	for _, c := range page.Customers {
		f.newest[c.ID] = c
	}
	if len(page.Customers) == 0 && f.cursor != "" && page.Next != f.cursor || page.Next == "" {
		r.t.Errorf("after cursor %q and %d customers comes %q", f.cursor, len(page.Customers), page.Next)
	}
	f.cursor = page.Next
	return len(page.Customers)
}

// TestChangesHaveNoGaps: those who poll the list of changes miss none, while events are processed at the same time and transactions are
// committed in another order than they began.
func TestChangesHaveNoGaps(t *testing.T) {
	onBothBackends(t, func(t *testing.T, b backend) {
		r := start(t, b)
		v, slow := anyVerdicts(t), uuid.NewString()
		r.accept(v.provider, v.yes.event(uuid.NewString(), slow, now))
		r.settle()
		followers := []*follower{{newest: map[int64]models.Customer{}}, {newest: map[int64]models.Customer{}}}
		commit := b.changeLate(t, r.customer(slow).ID)
		people := make([]string, 12)
		for i := range people {
			people[i] = uuid.NewString()
		}
		var senders sync.WaitGroup
		for n := range 4 {
			senders.Go(func() {
				for i := range 50 {
					template := []template{v.yes, v.no}[(n+i)%2]
					body := template.event(uuid.NewString(), people[(n*7+i)%len(people)], now.Add(time.Duration(i)*time.Minute))
					if status, answer, err := r.trySend(v.provider, body, func(http.Header) {}); err != nil || status != http.StatusOK {
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
			followers[0].poll(r, "3")
			followers[1].poll(r, "100")
		}
		r.settle()
		followers[0].poll(r, "500")
		commit()
		for _, f := range followers {
			for f.poll(r, "5") > 0 {
			}
			f.poll(r, "5")
			want := map[int64]models.Customer{}
			for _, c := range r.customers("") {
				want[c.ID] = c
			}
			// An event that changes nothing but the counters puts nobody on the list.
			counters := cmpopts.IgnoreFields(models.Customer{}, "Revision", "UpdatedAt")
			if diff := cmp.Diff(want, f.newest, counters); diff != "" || len(want) != len(people)+1 {
				t.Errorf("%d customers (-table +followed):\n%s", len(want), diff)
			}
		}
		for _, query := range []string{"updated_after=&status=verified", "updated_after=&cursor=", "updated_after=x", "updated_after=&limit=0", "updated_after=" + handlers.Cursor(math.MaxInt64-1)} {
			r.call(http.MethodGet, "/api/customers?"+query, http.StatusBadRequest, &struct{}{})
		}
	})
}

// changeLate changes a customer in a transaction of its own, which ends with the returned function. SQLite has only one writer, so there it
// does nothing.
func (b backend) changeLate(t *testing.T, id int64) (commit func()) {
	t.Helper()
	if b.redisURL == "" {
		return func() {}
	}
	tx, err := b.open(t).BeginTx(context.Background(), nil)
	if err == nil {
		_, err = tx.ExecContext(context.Background(), "UPDATE customers SET sequence = NULL, status_reason = 'late' WHERE id = $1", id)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
}
