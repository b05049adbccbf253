package models

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/migrations"
)

// TestNoTableScans runs what workers, receivers and the admin API ask for on tables of some size, and looks at the plan of each
// statement: none may read a large table from end to end, or sort one.
func TestNoTableScans(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		scans(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"), false)
	})
	for name, analyzed := range map[string]bool{"postgres": true, "postgres before it knows its tables": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scans(t, testservers.DatabaseURL(t), analyzed)
		})
	}
}

func scans(t *testing.T, url string, analyzed bool) {
	s, err := Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := migrations.Up(t.Context(), s.DB(), s.Dialect()); err != nil {
		t.Fatal(err)
	}
	grow(t, s, 20_000, 4_000)
	if analyzed {
		analyze(t, s)
	}
	seen := &spy{statements: map[string][]any{}}
	seen.on(s.db)
	if s.read != s.db {
		seen.on(s.read)
	}
	ask(t, s)
	if len(seen.statements) < 30 {
		t.Fatalf("saw %d statements, want those of all calls", len(seen.statements))
	}
	for statement, args := range seen.statements {
		for _, step := range plan(t, s, statement, args) {
			// Counting all rows does read them all, and a list without a filter ends with its page.
			if scanning.MatchString(step) && strings.Contains(statement, "WHERE") && !strings.Contains(statement, "COUNT(*)") {
				t.Errorf("%s\n%s", step, statement)
			}
		}
	}
}

// scanning matches the steps of a plan that read a large table from end to end. A SCAN of SQLite that uses an index for the order
// stops when it has found enough.
var scanning = regexp.MustCompile(`^SCAN (events|processed_events|customers|decisions|checks)$|` +
	`Seq Scan on (events|processed_events|customers|decisions|checks)`)

// grow fills the tables with events that were processed long ago, and their customers.
func grow(t testing.TB, s *Store, events, customers int) {
	t.Helper()
	series := "WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < %d) "
	blob, id := "randomblob(32)", "lower(hex(randomblob(16)))"
	body := "CAST(printf('%.474c', 'x') AS BLOB)"
	if s.dialect == "postgres" {
		series = "WITH series AS (SELECT n FROM generate_series(1, %d) AS n) "
		blob, id = "decode(md5(n::text) || md5(n::text), 'hex')", "md5(n::text)"
		body = "convert_to(repeat('x', 474), 'UTF8')"
	}
	for _, statement := range []string{
		fmt.Sprintf("INSERT INTO customers (provider, subject_id, external_id, status, status_reason, status_at, decided_by, aml_hold, profile, events, revision, created_at, updated_at) "+series+
			"SELECT 'trustgate', 'subject-' || n, 'user-' || n, CASE n %% 10 WHEN 0 THEN 'rejected' ELSE 'verified' END, 'manual_approved', 1, 'manual', n %% 1000 = 0,"+
			" '{\"external_id\":{\"at\":\"2026-01-01T00:00:00Z\",\"by\":\"7b1e4c52-90ad-4f0e-8a35-2c6d9f1b7e04\",\"value\":\"user-100000\"}}', 1, 1, 1, 1 FROM series", customers),
		fmt.Sprintf("INSERT INTO decisions (customer_id, source, authority, status, reason, reviewer, at, external_id) "+series+
			"SELECT n, 'applicant', 'manual', 'verified', '', '', 1, 'e' || n FROM series", customers),
		fmt.Sprintf("INSERT INTO checks (customer_id, kind, check_id, status, reason, hit_count, at, external_id) "+series+
			"SELECT n, 'document', 'd' || n, 'passed', '', 0, 1, 'e' || n FROM series", customers),
		fmt.Sprintf("INSERT INTO events (provider, generation, external_id, derived, type, tenant_id, correlation_id, queue, body, sha256, status, outcome,"+
			" next_at, occurred_at, received_at, processed_at, customer_id) "+series+
			"SELECT 'trustgate', 'v2', %s, FALSE, 'applicant.reviewed', 't', '', 'default', %s, %s, CASE n %% 100 WHEN 0 THEN 'failed' ELSE 'processed' END,"+
			" CASE n %% 100 WHEN 0 THEN '' ELSE 'applied' END, 1, 1, 1, 1, n %% %d + 1 FROM series", events, id, body, blob, customers),
		"INSERT INTO processed_events (provider, external_id, type, outcome, processed_at) SELECT provider, external_id, type, 'applied', 1 FROM events",
	} {
		if _, err := s.DB().ExecContext(context.Background(), strings.ReplaceAll(statement, "%%", "%")); err != nil {
			t.Fatalf("%v in %s", err, statement)
		}
	}
}

// analyze has Postgres count its tables, as it does by itself a minute or so after they have grown.
func analyze(t testing.TB, s *Store) {
	t.Helper()
	if s.dialect == "postgres" {
		if _, err := s.DB().ExecContext(context.Background(), "ANALYZE"); err != nil {
			t.Fatal(err)
		}
	}
}

// ask makes every kind of call.
func ask(t *testing.T, s *Store) {
	t.Helper()
	now := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	add := func(id, body string) {
		_, err := s.AddEvent(t.Context(), Event{Provider: "trustgate", Generation: "v2", ExternalID: id, Type: "case.created", Queue: DefaultQueue,
			Body: []byte(body), Status: Received, OccurredAt: At(now), ReceivedAt: At(now)})
		must(err)
	}
	claim := func() Event {
		t.Helper()
		offers, _, err := s.OfferEvents(t.Context(), DefaultQueue, 1, now)
		must(err)
		e, err := s.ClaimEvent(t.Context(), offers[0], now)
		must(err)
		return e
	}
	add("new", "1")
	add("new", "1")
	add("new", "2") // quarantined
	_, err := s.ApplyEvent(t.Context(), claim(), Change{
		SubjectID: "subject-7", Decisions: []Decision{{Source: FromApplicant, Authority: Automatic, Status: Verified}},
		Checks: []Check{{Kind: DocumentCheck, CheckID: "d", Status: CheckPassed}}, Hits: []Hit{{HitID: "h", Kind: AlertKind}},
		Cases: []CaseChange{{CaseID: "c"}},
	}, At(now))
	must(err)
	add("stale", "1")
	_, err = s.ApplyEvent(t.Context(), claim(), Change{SubjectID: "subject-7", Decisions: []Decision{{Source: FromApplicant, Authority: Automatic, Status: Verified}}}, At(now))
	must(err)
	var together []int64
	for id := range int64(maxApply) {
		together = append(together, 100*id+1)
	}
	_, err = factsOf(s.db, together) // of the customers of events that share a transaction
	must(err)
	add("failing", "1")
	must(s.RetryEvent(t.Context(), claim(), fmt.Errorf("no"), now.Add(time.Hour)))
	_, err = s.RecallEvents(t.Context(), DefaultQueue, now)
	must(err)
	_, err = s.ReplayEvent(t.Context(), 100, now)
	must(err)
	_, err = s.ReplayEvents(t.Context(), EventFilter{Status: Failed}, Pace{Limit: 10}, now)
	must(err)
	for _, f := range []EventFilter{
		{}, {Provider: "trst"}, {Type: "test.ping"}, {Provider: "trustgate", Type: "test.ping"}, {Status: Failed}, {Status: Quarantined}, {Status: Received},
		{Status: Queued}, {Outcome: Stale}, {Outcome: Sandbox}, {CustomerID: 7}, {ExternalID: "nobody"}, {Provider: "trst", ExternalID: "nobody"},
	} {
		_, err := s.Events(t.Context(), f, Page{Limit: 50})
		must(err)
		_, err = s.Events(t.Context(), f, Page{Limit: 50, Before: 15_000})
		must(err)
	}
	yes := true
	for _, f := range []CustomerFilter{{}, {Provider: "trst"}, {SubjectID: "nobody"}, {ExternalID: "nobody"}, {Status: Withdrawn}, {AMLHold: &yes}} {
		_, err := s.Customers(t.Context(), f, Page{Limit: 50})
		must(err)
	}
	_, _, err = s.Customer(t.Context(), 7)
	must(err)
	_, err = s.Event(t.Context(), 7)
	must(err)
	_, err = s.Stats(t.Context())
	must(err)
	_, err = s.LastEvent(t.Context(), "trst")
	must(err)
}

// spy notes the statements that go through a connection pool.
type spy struct {
	mu         sync.Mutex
	statements map[string][]any
}

// on lets the pool of db go through the spy.
func (s *spy) on(db *gorm.DB) {
	pool := &spiedPool{db.ConnPool.(*sql.DB), s}
	db.ConnPool, db.Statement.ConnPool = pool, pool
}

func (s *spy) note(statement string, args []any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.statements[statement] = args
}

type spiedPool struct {
	*sql.DB
	spy *spy
}

func (p *spiedPool) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	p.spy.note(query, args)
	return p.DB.ExecContext(ctx, query, args...)
}

func (p *spiedPool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	p.spy.note(query, args)
	return p.DB.QueryContext(ctx, query, args...)
}

// GetDBConn implements gorm.GetDBConnector.
func (p *spiedPool) GetDBConn() (*sql.DB, error) { return p.DB, nil }

// BeginTx implements gorm.ConnPoolBeginner.
func (p *spiedPool) BeginTx(ctx context.Context, options *sql.TxOptions) (gorm.ConnPool, error) {
	tx, err := p.DB.BeginTx(ctx, options)
	return &spiedTx{tx, p.spy}, err
}

type spiedTx struct {
	*sql.Tx
	spy *spy
}

func (p *spiedTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	p.spy.note(query, args)
	return p.Tx.ExecContext(ctx, query, args...)
}

func (p *spiedTx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	p.spy.note(query, args)
	return p.Tx.QueryContext(ctx, query, args...)
}

// plan returns the steps of a statement's plan.
func plan(t *testing.T, s *Store, statement string, args []any) (steps []string) {
	t.Helper()
	if strings.HasPrefix(statement, "SET ") {
		return nil
	}
	explain := "EXPLAIN "
	if s.dialect == "sqlite" {
		explain = "EXPLAIN QUERY PLAN "
	}
	rows, err := s.DB().QueryContext(t.Context(), explain+statement, args...)
	if err != nil {
		t.Fatalf("%v in %s", err, statement)
	}
	defer func() {
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}()
	for rows.Next() {
		var step string
		to := []any{&step}
		if s.dialect == "sqlite" {
			var a, b, c int
			to = []any{&a, &b, &c, &step}
		}
		if err := rows.Scan(to...); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}
