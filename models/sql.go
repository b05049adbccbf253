package models

import (
	"database/sql"
	"errors"
	"math/bits"
	"strconv"
	"strings"

	"gorm.io/gorm"
)

// The hot paths go past gorm, to the connection below it: to build a statement anew each time, and to find the fields of its
// rows, takes gorm as long as it takes SQLite to run it. Statements have ? for each value on both dialects.

// collect runs a statement and returns its rows. The function to says where a row's columns go.
func collect[T any](db *gorm.DB, to func(*T) []any, statement string, args ...any) (found []T, err error) {
	rows, err := db.Statement.ConnPool.QueryContext(db.Statement.Context, numbered(db, statement), args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var row T
		if err := rows.Scan(to(&row)...); err != nil {
			return nil, err
		}
		found = append(found, row)
	}
	return found, rows.Err()
}

// exec runs a statement and returns how many rows it changed.
func exec(db *gorm.DB, statement string, args ...any) (int64, error) {
	var done sql.Result
	done, err := db.Statement.ConnPool.ExecContext(db.Statement.Context, numbered(db, statement), args...)
	if err != nil {
		return 0, err
	}
	return done.RowsAffected()
}

// numbered writes a statement's values the way its dialect does: ? on SQLite, $1, $2 and so on on Postgres.
func numbered(db *gorm.DB, statement string) string {
	if db.Name() == "sqlite" {
		return statement
	}
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(statement, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("$" + strconv.Itoa(n))
		statement = after
	}
}

// bigint is the type of a statement's value, for places.
const bigint = "BIGINT"

// places are the values of some rows, as (?, ?), (?, ?). A column with a type has its values cast to it, for where Postgres cannot
// tell by itself.
func places(rows int, types ...string) string {
	var one []string
	for _, t := range types {
		if t == "" {
			one = append(one, "?")
		} else {
			one = append(one, "CAST(? AS "+t+")")
		}
	}
	row := "(" + strings.Join(one, ", ") + ")"
	return row + strings.Repeat(", "+row, rows-1)
}

// groups are the rows that one statement takes. On Postgres that is all of them, since each statement is a round trip; SQLite gets
// as many at a time as a power of two, so that a few prepared statements serve all numbers of rows.
func groups[T any](db *gorm.DB, rows []T) (found [][]T) {
	for len(rows) > 0 {
		n := len(rows)
		if db.Name() == "sqlite" {
			n = roundUp(n+1) / 2
		}
		found, rows = append(found, rows[:n]), rows[n:]
	}
	return found
}

// roundUp is the first power of two that is n or more.
func roundUp(n int) int { return 1 << bits.Len(uint(n-1)) }
