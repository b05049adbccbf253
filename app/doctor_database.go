package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"example.com/identity-webhooks/migrations"
	"example.com/identity-webhooks/models"
)

const (
	// checkTimeout is how long a server may take to answer a check.
	checkTimeout = 5 * time.Second
	// fewBytes is how much room a disk should have for the database.
	fewBytes = 1 << 30
	// noBytes is how little room leads to a failure soon.
	noBytes = 64 << 20
	// clockSkew is how far a database's clock may differ from ours before somebody should look.
	clockSkew = 2 * time.Second
)

func checkDatabase(ctx context.Context, url string) []Check {
	path, isSQLite := strings.CutPrefix(url, "sqlite:")
	path = strings.TrimPrefix(path, "//")
	var checks []Check
	if isSQLite {
		checks = checkFolder(filepath.Dir(path))
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return append(checks, Check{"database", Fine, path + " is made at the first start", ""})
		}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	store, err := models.Look(ctx, url)
	if err != nil {
		do := "start Postgres, and see whether its address, user and password are right"
		if isSQLite {
			do = "see whether the file is a database, and this user may write it"
		}
		return append(checks, Check{"database", Problem, "DATABASE_URL: " + oneLine(err), do})
	}
	defer store.Close() //nolint:errcheck // nothing was written
	checks = append(checks, Check{"database", Fine, map[bool]string{true: "SQLite file " + path, false: "Postgres"}[isSQLite] + " answers", ""})
	checks = append(checks, checkMigrations(ctx, store))
	if !isSQLite {
		checks = append(checks, checkClock(ctx, store))
	}
	return checks
}

func checkMigrations(ctx context.Context, store *models.Store) Check {
	pending, err := migrations.Pending(ctx, store.DB(), store.Dialect())
	switch {
	case err != nil:
		return Check{"migrations", Problem, oneLine(err), "see whether this user may read the database's tables"}
	case len(pending) > 0:
		return Check{"migrations", Warning, "pending: " + strings.Join(pending, ", "), "the next start applies them, or: go run . migrate"}
	}
	return Check{"migrations", Fine, "all are applied", ""}
}

func checkClock(ctx context.Context, store *models.Store) Check {
	skew, err := store.Skew(ctx)
	if err != nil {
		return Check{"clock", Problem, oneLine(err), "see the database's log"}
	}
	return judgeSkew(skew)
}

func judgeSkew(skew time.Duration) Check {
	way := "ahead of"
	if skew < 0 {
		way = "behind"
	}
	says := fmt.Sprintf("the database's clock is %s %s ours", skew.Abs().Round(time.Millisecond), way)
	if skew.Abs() > clockSkew {
		return Check{"clock", Warning, says, "have both machines set their clocks by NTP: signatures and retries go by ours"}
	}
	return Check{"clock", Fine, says, ""}
}

// checkFolder checks that a file can be written in a folder, or in a new folder of that name.
func checkFolder(dir string) []Check {
	existing := dir
	for {
		if _, err := os.Stat(existing); !errors.Is(err, fs.ErrNotExist) || existing == filepath.Dir(existing) {
			break
		}
		existing = filepath.Dir(existing)
	}
	file, err := os.CreateTemp(existing, ".doctor-*")
	if err != nil {
		return []Check{{"folder", Problem, oneLine(err), "give this user the right to write there, or set DATABASE_URL to another place"}}
	}
	if err := errors.Join(file.Close(), os.Remove(file.Name())); err != nil {
		return []Check{{"folder", Problem, oneLine(err), "see what keeps files from being removed there"}}
	}
	checks := []Check{{"folder", Fine, existing + " can be written", ""}}
	if free, known := freeBytes(existing); known {
		checks = append(checks, judgeFree(existing, free))
	}
	return checks
}

func judgeFree(dir string, free uint64) Check {
	says := fmt.Sprintf("%.1f GiB are free in %s", float64(free)/(1<<30), dir)
	do := "make room: without it deliveries are answered 503, and providers give up after a while"
	switch {
	case free < noBytes:
		return Check{"disk", Problem, says, do}
	case free < fewBytes:
		return Check{"disk", Warning, says, do}
	}
	return Check{"disk", Fine, says, ""}
}

// oneLine is an error without line breaks, which some drivers put in.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
