package inspector_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/handlers"
)

// BenchmarkPages measures each page with a million events and 200,000 customers.
func BenchmarkPages(b *testing.B) {
	for dialect, url := range map[string]func(testing.TB) string{"sqlite": sqliteURL, "postgres": testservers.DatabaseURL} {
		b.Run(dialect, func(b *testing.B) {
			d := newDesk(b, url(b), "", nil)
			d.grow(1_000_000, 200_000)
			for _, path := range []string{
				"/", "/events", "/events?cursor=" + handlers.Cursor(500_000), "/events?status=failed", "/events?type=person.reviewed", "/events?outcome=stale", "/events?customer_id=777",
				"/events?external_id=evt-777777", "/events?since=24h", "/events?since=1h&outcome=applied", "/events/777777", "/events/replay?status=failed", "/customers",
				"/customers?status=rejected", "/customers?q=user-77", "/customers?q=nobody", "/customers?q=evt-777777", "/customers?risk_level=high", "/customers/777", "/cases", "/companies", "/follow-ups", "/follow-ups?status=failed",
				"/queues", "/catalogue",
			} {
				b.Run(strings.ReplaceAll(strings.TrimPrefix(path, "/"), "/", "_"), func(b *testing.B) {
					for b.Loop() {
						if w := d.ask(http.MethodGet, path); w.Code != http.StatusOK {
							b.Fatalf("%d %.300s", w.Code, w.Body)
						}
					}
				})
			}
		})
	}
}

// grow fills the tables: one event in a hundred failed, the others were applied, and all of them arrived within the last ten days.
func (d *desk) grow(events, customers int) {
	d.t.Helper()
	series := "WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < %d) "
	key, hash := "randomblob(16)", "randomblob(32)"
	body := `CAST('{"id":"evt-' || n || '","name":"' || printf('%.400c', 'x') || '"}' AS BLOB)`
	if d.config.Store.Dialect() == "postgres" {
		series = "WITH series AS (SELECT n FROM generate_series(1, %d) AS n) "
		key, hash = "decode(md5(n::text), 'hex')", "decode(md5(n::text) || md5(n::text), 'hex')"
		body = `convert_to('{"id":"evt-' || n || '","name":"' || repeat('x', 400) || '"}', 'UTF8')`
	}
	all, people := fmt.Sprintf(series, events), fmt.Sprintf(series, customers)
	start, step := time.Now().AddDate(0, 0, -10).UnixMicro(), (10*24*time.Hour).Microseconds()/int64(events)
	statements := []string{
		"INSERT INTO customers (provider, subject_id, external_id, first_name, last_name, email, status, decided_by, aml_hold, events, revision, created_at, updated_at) " + people +
			"SELECT 'acme', 'subject-' || n, 'user-' || n, 'First' || n, 'Last' || n, 'user' || n || '@example.com', CASE n % 10 WHEN 0 THEN 'rejected' ELSE 'verified' END, 'manual', n % 1000 = 0, 1, 1, 1, 1 FROM series",
		"INSERT INTO facts (about, about_id, name, key, value, at, rank, external_id) " + people +
			`SELECT 'customer', n, 'decision', 'applicant-manual', '{"source":"applicant","authority":"manual","status":"verified"}', 1, 2, 'e' FROM series`,
		"INSERT INTO events (key, provider, generation, external_id, derived, type, tenant_id, correlation_id, queue, secret, sandbox, body, sha256," +
			" quarantined, problem, deliveries, occurred_at, received_at) " + all + "SELECT " + key + ", 'acme', 'v1', 'evt-' || n, FALSE, 'person.reviewed', 't', '', 'default', ''," +
			" FALSE, " + body + ", " + hash + fmt.Sprintf(", FALSE, '', 1, 1, %d + n * CAST(%d AS BIGINT) FROM series", start, step),
		"INSERT INTO pending_events (id, queue, due_at, attempts, failed, last_error) SELECT id, queue, 0, 1, TRUE, 'no' FROM events WHERE id % 100 = 0",
		fmt.Sprintf("INSERT INTO processed_events (external_id, provider, event_id, type, outcome, reason, attempts, customer_id, processed_at) "+
			"SELECT external_id, provider, id, type, 'applied', '', 1, id %% %d + 1, received_at + 5000 FROM events WHERE id %% 100 <> 0", customers),
		fmt.Sprintf("INSERT INTO follow_ups (key, name, once, customer_id, event_id, change, result, created_at, done_at, queue, due_at) "+
			`SELECT 'fu-' || id, 'callback', FALSE, id %% %d + 1, id, '{}', 'done', 1, 1, 'follow-ups', 0 FROM events`, customers),
	}
	if d.config.Store.Dialect() == "postgres" {
		statements = append(statements, "ANALYZE")
	}
	for _, statement := range statements {
		if _, err := d.config.Store.DB().ExecContext(d.t.Context(), statement); err != nil {
			d.t.Fatalf("%v in %.300s", err, statement)
		}
	}
}
