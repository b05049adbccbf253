package app_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"example.com/identity-webhooks/models"
)

// write changes rows as the program itself never would.
func (b backend) write(t *testing.T, statements ...string) {
	t.Helper()
	db := b.open(t)
	if path, isSQLite := strings.CutPrefix(b.databaseURL, "sqlite:"); isSQLite {
		var err error
		if db, err = sql.Open("sqlite3", "file:"+path); err != nil {
			t.Fatal(err)
		}
	}
	for _, statement := range statements {
		if _, err := db.ExecContext(context.Background(), statement); err != nil {
			t.Fatalf("%v in %s", err, statement)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// holding returns which rows of the tables that are not about people hold the canary, as table/id.
func (b backend) holding(t *testing.T, canary string) (rows []string) {
	t.Helper()
	db := b.open(t)
	for table, id := range map[string]string{
		"events": "id", "pending_events": "id", "failed_attempts": "event_id", "processed_events": "event_id", "drift": "what",
		"(SELECT * FROM follow_ups WHERE due_at = 0 AND NOT failed)": "id", // those of a fork may still have to be done
	} {
		found, err := db.QueryContext(context.Background(), fmt.Sprintf("SELECT %s AS id, t.* FROM %s t", id, table))
		if err != nil {
			t.Fatal(err)
		}
		columns, err := found.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for found.Next() {
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(sql.RawBytes)
			}
			if err := found.Scan(values...); err != nil {
				t.Fatal(err)
			}
			for _, v := range values {
				if bytes.Contains(*v.(*sql.RawBytes), []byte(canary)) {
					rows = append(rows, fmt.Sprintf("%s/%s", table, *values[0].(*sql.RawBytes)))
					break
				}
			}
		}
		if err := found.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return rows
}

// page returns a page of the inspector.
func (r *running) page(path string) string {
	r.t.Helper()
	status, text, err := request(context.Background(), http.MethodGet, "http://"+r.adminAddr+path, nil, nil)
	if err != nil || status != http.StatusOK {
		r.t.Fatalf("%s: %d %v", path, status, err)
	}
	return text
}

// monthOld makes all that is stored a month older.
var monthOld = []string{"UPDATE events SET received_at = received_at - 2678400000000", "UPDATE follow_ups SET created_at = created_at - 2678400000000"}

// personalEvents returns all samples as new events, each with canaries for all that is personal.
func personalEvents(t *testing.T) (list []delivered) {
	t.Helper()
	for _, s := range allTemplates(t) {
		var v any
		if err := json.Unmarshal(s.event(uuid.NewString(), uuid.NewString(), now), &v); err != nil {
			t.Fatal(err)
		}
		eventType := ""
		if len(s.want.Events) > 0 {
			eventType = s.want.Events[0].Type
		}
		body, err := json.Marshal((&marked{subject: "retention"}).mark(v, eventType))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, delivered{provider: s.provider, body: body})
	}
	return list
}

// TestRetention: the payloads of old events are removed wherever they are. The rest of the rows is enough to know a duplicate by. An event
// that has failed keeps its payload until it is processed.
func TestRetention(t *testing.T) {
	onBothBackends(t, func(t *testing.T, b backend) {
		r := start(t, b)
		sent := personalEvents(t)
		again := map[int]string{} // the answers to a second delivery: all but a body that contradicts itself are known
		for i, d := range sent {
			r.send(d.provider, d.body)
			r.send(d.provider, append(bytes.Clone(d.body), ' ')) // mostly the same ID with another body
			_, again[i] = r.send(d.provider, d.body)
		}
		r.settle()
		ignored, carriers := r.events("outcome=ignored")[0].ID, b.holding(t, canary)
		applied := slices.DeleteFunc(r.events("outcome=applied"), func(e models.Event) bool { return !slices.Contains(carriers, fmt.Sprintf("events/%d", e.ID)) })
		failing := applied[0].ID
		if n := r.stats()[models.Quarantined]; n < 10 {
			t.Fatalf("%d events are quarantined, want many", n)
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		b.write(t, append(monthOld,
			fmt.Sprintf("DELETE FROM processed_events WHERE event_id = %d", failing),
			fmt.Sprintf("INSERT INTO pending_events (id, queue, due_at, attempts, failed, last_error) VALUES (%d, 'default', 0, 10, TRUE, 'no')", failing),
			fmt.Sprintf("INSERT INTO failed_attempts (event_id, attempt, began_at, ended_at, error) SELECT id, 1, 1, 1, '%s' FROM events", canary))...)
		all := len(b.holding(t, canary))

		r = start(t, b)
		r.acceptNew(20) // meanwhile
		failed := []string{fmt.Sprintf("events/%d", failing), fmt.Sprintf("failed_attempts/%d", failing)}
		r.eventually("only the failed event holds its payload", func() bool {
			left := b.holding(t, canary)
			slices.Sort(left)
			return slices.Equal(left, failed)
		})
		if all < 2*len(sent) {
			t.Errorf("%d rows with the canary, want more than there are events", all)
		}
		r.settle()
		const revisions = "SELECT SUM(revision) FROM customers"
		before, others, changes := r.stats(), 0, b.count(t, revisions)
		for i, d := range sent {
			if _, answer := r.send(d.provider, d.body); answer != again[i] {
				t.Errorf("%s again: %s, want %s", d.body, answer, again[i])
			}
		}
		r.settle()
		if n := b.count(t, revisions); n != changes {
			t.Errorf("%d events were applied and then %d, want no duplicate applied", changes, n)
		}
		for _, d := range sent {
			if _, answer := r.send(d.provider, append(bytes.Clone(d.body), "  "...)); answer == accepted {
				others++
			}
		}
		r.settle()
		after := r.stats()
		processed, quarantined := after[models.Processed]-before[models.Processed], after[models.Quarantined]-before[models.Quarantined]
		if quarantined < len(sent)/4 || processed+quarantined != others {
			t.Errorf("%v and then %v with %d other bodies, want many of these quarantined, and nothing else stored", before, after, others)
		}

		var event struct {
			models.Event
			Payload any
		}
		path := fmt.Sprintf("/events/%d", ignored)
		if r.get("/api"+path, &event); !event.BodyRemoved || event.Payload != nil || event.Status != models.Processed {
			t.Errorf("%+v, want a processed event without its payload", event)
		}
		for _, call := range [][2]string{{http.MethodGet, "/body"}, {http.MethodPost, "/replay"}} {
			var answer struct{ Error string }
			if r.call(call[0], "/api"+path+call[1], http.StatusGone, &answer); !strings.Contains(answer.Error, "removed") {
				t.Errorf("%s: %q, want that the payload was removed", call, answer.Error)
			}
		}
		if page := r.page(path); !strings.Contains(page, "The payload was removed") || strings.Contains(page, "/replay") || strings.Contains(page, "/copy") {
			t.Errorf("the page of event %d offers what needs its payload, or does not say that it is gone", ignored)
		}
		r.page("/events")

		var replayed struct{ Replayed int }
		if r.call(http.MethodPost, fmt.Sprintf("/api/events/%d/replay", failing), http.StatusAccepted, &replayed); replayed.Replayed != 1 {
			t.Error("the failed event was not replayed")
		}
		r.settle()
		if r.get(fmt.Sprintf("/api/events/%d", failing), &event); event.Status != models.Processed {
			t.Errorf("the failed event is %s, want it processed", event.Status)
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		r = start(t, b)
		r.eventually("no payload is left", func() bool {
			return b.count(t, fmt.Sprintf("SELECT length(body) FROM events WHERE id = %d", failing)) == 0
		})
	})
}
