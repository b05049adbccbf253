package testservers

import (
	"context"
	"database/sql"
	"errors"
	"syscall"
	"testing"
	"time"
)

func TestPostgresKeepsItsDataWhenKilled(t *testing.T) {
	t.Parallel()
	pg := NewPostgres(t)
	db := open(t, pg.URL())
	for _, setting := range []string{"fsync", "full_page_writes", "synchronous_commit"} {
		var value string
		must(t, db.QueryRowContext(t.Context(), "SHOW "+setting).Scan(&value))
		if value != "on" {
			t.Errorf("%s = %s, want on", setting, value)
		}
	}
	mustExec(t, db, "CREATE TABLE notes (text TEXT)")
	mustExec(t, db, "INSERT INTO notes VALUES ('kept')")
	// A backend that is busy does not notice by itself that the postmaster is gone.
	var backend int
	busy, err := db.Conn(t.Context())
	must(t, err)
	must(t, busy.QueryRowContext(t.Context(), "SELECT pg_backend_pid()").Scan(&backend))
	broken := make(chan error, 1)
	go func() {
		_, err := busy.ExecContext(context.Background(), "SELECT count(*) FROM generate_series(1, 1000000000000)")
		broken <- err
	}()
	await(t, "a busy backend", func() bool {
		var n int
		must(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND state = 'active'", backend).Scan(&n))
		return n == 1
	})

	pg.Kill()
	await(t, "a refusal", func() bool { // not at once: a connection may have been on its way to the server
		return errors.Is(db.PingContext(t.Context()), syscall.ECONNREFUSED)
	})
	await(t, "the end of a busy backend", func() bool { return !isRunning(t, backend) })
	if err := <-broken; err == nil {
		t.Error("an endless query has ended well")
	}

	pg.Kill() // once more changes nothing
	pg.Start()
	var text string
	must(t, db.QueryRowContext(t.Context(), "SELECT text FROM notes").Scan(&text))
	if text != "kept" {
		t.Errorf("text = %q, want kept", text)
	}

	pg.Kill() // and is stopped like this at the end of the test
}

func TestPostgresPauses(t *testing.T) {
	t.Parallel()
	pg := NewPostgres(t)
	db := open(t, pg.URL())
	connected, err := db.Conn(t.Context())
	must(t, err)

	pg.Pause()
	pg.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := open(t, pg.URL()).PingContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("connecting to a paused server: %v, want it to hang", err)
	}
	answered := make(chan error, 1)
	go func() { answered <- connected.PingContext(context.Background()) }()
	select {
	case err := <-answered:
		t.Errorf("a query to a paused server: %v, want it to hang", err)
	case <-time.After(100 * time.Millisecond):
	}

	pg.Resume()
	must(t, <-answered)

	pg.Pause()
	pg.Kill()
	pg.Start()
	must(t, db.PingContext(t.Context()))

	pg.Pause() // and is stopped like this at the end of the test
}

func open(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", url)
	must(t, err)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func mustExec(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), statement)
	must(t, err)
}
