package models

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm/logger"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/migrations"
)

// TestNoTableScans makes every kind of call on tables of some size, and looks at the plan of each statement: none may read a large
// table from end to end.
func TestNoTableScans(t *testing.T) {
	t.Parallel()
	for dialect, url := range map[string]func(testing.TB) string{
		"sqlite":   func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "test.db") },
		"postgres": testservers.DatabaseURL,
	} {
		for name, with := range map[string]tables{"analyzed": {analyzed: true}, "new": {}, "with a backlog": {backlog: true}} {
			t.Run(dialect+"/"+name, func(t *testing.T) {
				t.Parallel()
				scans(t, url(t), with)
			})
		}
	}
}

// tables says what is special about the tables.
type tables struct {
	analyzed bool // Postgres has counted them, as it does by itself a minute or so after they have grown
	backlog  bool // a quarter of the events waits: then only the pipeline's own statements matter
}

func scans(t *testing.T, url string, with tables) {
	s := openFull(t, url, 20_000, 4_000)
	if with.backlog {
		execute(t, s, "DELETE FROM processed_events WHERE event_id % 4 = 1", fmt.Sprintf("INSERT INTO pending_events "+
			"(id, queue, due_at, attempts, failed, last_error) SELECT id, queue, %d, 1, FALSE, 'no' FROM events WHERE id %% 4 = 1", minute(5).micro()))
	}
	if with.analyzed {
		analyze(t, s)
	}
	seen := &spy{Interface: logger.Discard}
	s.db.Logger, s.read.Logger = seen, seen
	ask(t, s)
	if len(seen.statements) < 50 {
		t.Fatalf("saw %d statements, want those of all calls", len(seen.statements))
	}
	for _, statement := range seen.statements {
		// Counting all rows does read them all, and a list without a filter ends with its page. Before Postgres knows its tables, it takes
		// most lists for longer than they are.
		unfiltered := !strings.Contains(statement, "WHERE") || strings.Contains(statement, "WHERE 1 = 1 ORDER") || strings.Contains(statement, "COUNT(*)")
		listing := strings.Contains(statement, "AS status")
		if unfiltered || listing && (with.backlog || s.dialect == "postgres" && !with.analyzed) {
			continue
		}
		for _, step := range plan(t, s, statement) {
			if scanning.MatchString(step) || !listing && scanningPending.MatchString(step) && (with.backlog || s.dialect == "sqlite") {
				t.Errorf("%s\n%s", step, statement)
			}
		}
	}
}

// scanning matches the steps of a plan that read a large table from end to end. A SCAN of SQLite that uses an index for the order
// stops when it has found enough.
var scanning = regexp.MustCompile(`^SCAN (events|r|processed_events|customers|facts|follow_ups)$|Seq Scan on (events|processed_events|customers|facts|follow_ups)`)

// scanningPending matches those that read all that is pending.
var scanningPending = regexp.MustCompile(`^SCAN (p|pending_events)$|Seq Scan on pending_events`)

func openFull(t testing.TB, url string, events, customers int) *Store {
	t.Helper()
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
	if events > 0 {
		grow(t, s, events, customers)
	}
	return s
}

// grow fills the tables with events that were processed long ago, one in a hundred of them failed, and their customers.
func grow(t testing.TB, s *Store, events, customers int) {
	t.Helper()
	series := "WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < %d) "
	key, hash, text := "randomblob(16)", "randomblob(32)", "CAST(printf('%.474c', 'x') AS BLOB)"
	if s.dialect == "postgres" {
		series = "WITH series AS (SELECT n FROM generate_series(1, %d) AS n) "
		key, hash, text = "decode(md5(n::text), 'hex')", "decode(md5(n::text) || md5(n::text), 'hex')", "convert_to(repeat('x', 474), 'UTF8')"
	}
	people, all := fmt.Sprintf(series, customers), fmt.Sprintf(series, events)
	for _, statement := range []string{
		"INSERT INTO customers (provider, subject_id, external_id, status, decided_by, aml_hold, events, revision, created_at, updated_at, sequence) " + people +
			"SELECT 'acme', 'subject-' || n, 'user-' || n, CASE n % 10 WHEN 0 THEN 'rejected' ELSE 'verified' END, 'manual', n % 1000 = 0, 1, 1, 1, 1, n FROM series",
		fmt.Sprintf("UPDATE installation SET last_sequence = %d", customers),
		"INSERT INTO facts (about, about_id, name, key, value, at, rank, external_id) " + people +
			`SELECT 'customer', n, 'decision', 'applicant' || char || 'manual', '{"source":"applicant","authority":"manual","status":"verified"}', 1, 2, 'e' FROM series`,
		"INSERT INTO facts (about, about_id, name, key, value, at, rank, external_id) " + people +
			`SELECT 'customer', n, 'profile', 'external_id', '"user-' || n || '"', 1, 0, 'e' FROM series`,
		"INSERT INTO events (key, provider, generation, external_id, derived, type, tenant_id, correlation_id, queue, secret, sandbox, body, sha256," +
			" quarantined, problem, deliveries, occurred_at, received_at) " + all + "SELECT " + key + ", 'acme', 'v1', 'evt-' || n, FALSE, 'person.reviewed', 't', '', 'default', ''," +
			" FALSE, " + text + ", " + hash + ", FALSE, '', 1, 1, 1 FROM series",
		"INSERT INTO pending_events (id, queue, due_at, attempts, failed, last_error) SELECT id, queue, 0, 1, TRUE, 'no' FROM events WHERE id % 100 = 0",
		fmt.Sprintf("INSERT INTO processed_events (external_id, provider, event_id, type, outcome, reason, attempts, customer_id, processed_at) "+
			"SELECT external_id, provider, id, type, 'applied', '', 1, id %% %d + 1, 1 FROM events WHERE id %% 100 <> 0", customers),
		fmt.Sprintf("INSERT INTO follow_ups (key, name, once, customer_id, event_id, change, result, created_at, done_at, queue, due_at) "+
			"SELECT 'fu-' || id, 'callback', FALSE, id %% %d + 1, id, body, 'done', 1, 1, 'follow-ups', 0 FROM events", customers),
	} {
		statement = strings.ReplaceAll(statement, "|| char ||", map[string]string{"sqlite": "|| char(31) ||", "postgres": "|| chr(31) ||"}[s.dialect])
		execute(t, s, statement)
	}
}

func analyze(t testing.TB, s *Store) {
	t.Helper()
	if s.dialect == "postgres" {
		execute(t, s, "ANALYZE")
	}
}

func execute(t testing.TB, s *Store, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := s.DB().ExecContext(context.Background(), statement); err != nil {
			t.Fatalf("%v in %s", err, statement)
		}
	}
}

// ask makes every kind of call.
func ask(t *testing.T, s *Store) {
	t.Helper()
	ctx, now := t.Context(), minute(0).Time
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	add := func(id, body string) {
		_, err := s.AddEvent(ctx, Event{Provider: "acme", Generation: "v1", ExternalID: id, Type: "case.created", Queue: DefaultQueue,
			Body: []byte(body), OccurredAt: At(now), ReceivedAt: At(now)})
		must(err)
	}
	take := func() Event {
		t.Helper()
		o, _, err := s.Offer(ctx, EventWork, DefaultQueue, 1, now)
		must(err)
		events, err := s.ClaimEvents(ctx, o, now)
		must(err)
		return events[0]
	}
	apply := func(f Facts) {
		t.Helper()
		_, _, err := s.ApplyEvent(ctx, take(), f, func(Change) []FollowUp { return []FollowUp{{Name: "mail", Queue: DefaultQueue}} }, At(now))
		must(err)
	}
	verified := Facts{SubjectID: "subject-7", Decisions: []Decision{{Source: FromApplicant, Authority: ByManual, Status: StatusRejected}}}
	everything := verified
	everything.Checks, everything.Hits = []Check{{Kind: DocumentCheck, CheckID: "d", Status: CheckPassed}}, []Hit{{HitID: "h", Kind: AlertKind}}
	everything.Case, everything.Company = &CaseFacts{CaseID: "c", Opened: &Opening{}}, &CompanyFacts{CompanyID: "k", Owner: &BeneficialOwner{OwnerID: "o"}}
	add("new", "1")
	add("new", "1")
	add("new", "2") // quarantined
	apply(everything)
	add("stale", "1")
	apply(verified)
	add("failing", "1")
	add("failing", "2") // quarantined, and takes its place
	failing := take()
	must(s.Retry(ctx, EventWork, failing.ID, failing.Attempts, fmt.Errorf("no"), now))
	failing = take()
	must(s.Retry(ctx, EventWork, failing.ID, failing.Attempts, fmt.Errorf("no"), time.Time{}))
	_, err := s.Due(ctx, EventWork, DefaultQueue, now)
	must(err)
	o, _, err := s.Offer(ctx, FollowUpWork, DefaultQueue, 10, now)
	must(err)
	must(s.Release(ctx, o, now))
	o, _, err = s.Offer(ctx, FollowUpWork, DefaultQueue, 10, now)
	must(err)
	ups, err := s.ClaimFollowUps(ctx, o, now)
	must(err)
	must(s.FinishFollowUp(ctx, ups[0], FollowUpDone, "", At(now)))
	_, err = s.ReplayFollowUp(ctx, ups[0].ID, now)
	must(err)
	_, err = s.ReplayEvent(ctx, 100, now)
	must(err)
	_, err = s.ReplayEvents(ctx, EventFilter{Status: Failed}, Pace{Limit: 10}, now)
	must(err)
	for _, f := range []EventFilter{
		{}, {Provider: "umbrella"}, {Type: "test.ping"}, {Provider: "acme", Type: "test.ping"}, {Status: Failed}, {Status: Quarantined}, {Status: Received},
		{Status: Queued}, {Outcome: Stale}, {Outcome: Sandbox}, {CustomerID: 7}, {ExternalID: "nobody"}, {Provider: "umbrella", ExternalID: "nobody"},
		{Since: At(now)}, {Until: minute(-1)}, {Type: "test.ping", Since: At(now)},
	} {
		_, err := s.Events(ctx, f, Page{Limit: 50})
		must(err)
		_, err = s.Events(ctx, f, Page{Limit: 50, Before: 5_000})
		must(err)
	}
	yes := true
	for _, f := range []CustomerFilter{{}, {Provider: "umbrella"}, {SubjectID: "nobody"}, {ExternalID: "nobody"}, {Status: StatusWithdrawn}, {AMLHold: &yes}} {
		_, err := s.Customers(ctx, f, Page{Limit: 50})
		must(err)
	}
	for _, f := range []FollowUpFilter{{}, {Name: "mail"}, {CustomerID: 7}, {EventID: 7}, {Status: FollowUpFailed}, {Status: FollowUpWaiting}, {Status: FollowUpLogged}} {
		_, err := s.FollowUps(ctx, f, Page{Limit: 50})
		must(err)
	}
	_, _, err = s.Customer(ctx, 7)
	must(err)
	_, err = s.Event(ctx, 7)
	must(err)
	_, err = s.Stats(ctx)
	must(err)
	_, err = s.Load(ctx, now)
	must(err)
	_, err = s.SearchCustomers(ctx, "subject-7", CustomerFilter{}, Page{Limit: 50})
	must(err)
	_, err = s.Backlogs(ctx)
	must(err)
	_, err = s.CustomersByID(ctx, []int64{7, 8})
	must(err)
	_, err = s.Bodies(ctx, []int64{7, 8}, 1<<10)
	must(err)
	_, err = s.ChangesBy(ctx, 20_001)
	must(err)
	_, err = s.FailedAttempts(ctx, 20_001)
	must(err)
	_, _, err = s.Neighbours(ctx, 7, 7)
	must(err)
	_, err = s.Case(ctx, "acme", "c")
	must(err)
	_, err = s.CountDrift(ctx)
	must(err)
	_, err = s.LastEvent(ctx, "umbrella")
	must(err)
	x := s.NewExpiry()
	for _, p := range x.tables {
		p.next = 19_000 // the batches are all alike
	}
	n, err := x.Remove(ctx, minute(-1))
	must(err)
	if n == 0 {
		t.Error("no payload was removed")
	}
	_, err = s.ChangedCustomers(ctx, 0, 50)
	must(err)
	_, err = s.Export(ctx, 7)
	must(err)
	_, err = s.ExportedEvent(ctx, 7)
	must(err)
	_, err = s.Erase(ctx, 7, At(now))
	must(err)
	_, err = s.Erase(ctx, 7, At(now))
	must(err)
	_, err = s.Erasures(ctx, Page{Limit: 50})
	must(err)
}

// spy notes the statements that gorm would log.
type spy struct {
	logger.Interface
	mu         sync.Mutex
	statements []string
}

func (s *spy) Trace(_ context.Context, _ time.Time, statement func() (string, int64), _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, _ := statement()
	s.statements = append(s.statements, text)
}

// plan returns the steps of a statement's plan.
func plan(t *testing.T, s *Store, statement string) (steps []string) {
	t.Helper()
	explain, column := "EXPLAIN ", 0
	if s.dialect == "sqlite" {
		explain, column = "EXPLAIN QUERY PLAN ", 3
	}
	rows, err := s.DB().QueryContext(t.Context(), explain+strings.ToValidUTF8(statement, "?")) // a key may look like text
	if err != nil {
		t.Fatalf("%v in %s", err, statement)
	}
	defer rows.Close() //nolint:errcheck // only read
	for rows.Next() {
		var ignored [3]int
		var step string
		if err := rows.Scan(append([]any{&ignored[0], &ignored[1], &ignored[2]}[:column], &step)...); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}
