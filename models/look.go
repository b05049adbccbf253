package models

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"gorm.io/driver/sqlite"
)

// Look connects to the database that url names beside whoever uses it. It takes no lock, makes no file and writes nothing: of the
// Store's methods only those that read may be called, and Close.
func Look(ctx context.Context, url string) (*Store, error) {
	s := &Store{closing: make(chan struct{})}
	path, isSQLite := strings.CutPrefix(url, "sqlite:")
	var err error
	switch {
	case isSQLite:
		err = s.lookSQLite(strings.TrimPrefix(path, "//"))
	case isPostgres(url):
		err = s.openPostgres(url)
	default:
		err = errURL
	}
	if err == nil {
		err = s.Ping(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.disconnect())
	}
	return s, nil
}

// lookSQLite opens an existing file. SQLite itself must be able to write: readers keep an index of the log beside it.
func (s *Store) lookSQLite(path string) (err error) {
	s.dialect = "sqlite"
	s.db, err = open(sqlite.Open("file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=rw&_query_only=1&_busy_timeout=2000"), 1)
	s.read = s.db
	return err
}

// Skew is how far the database's clock is ahead of ours, give or take the time of a round trip. SQLite's is ours.
func (s *Store) Skew(ctx context.Context) (time.Duration, error) {
	if s.dialect == "sqlite" {
		return 0, nil
	}
	var theirs time.Time
	before := time.Now()
	if err := s.DB().QueryRowContext(ctx, "SELECT clock_timestamp()").Scan(&theirs); err != nil {
		return 0, fmt.Errorf("ask for the time: %w", err)
	}
	after := time.Now()
	return theirs.Sub(before.Add(after.Sub(before) / 2)), nil
}
