package models

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
)

// Load has the figures of an overview: what happened in the last hour, and what is waiting. Unlike Stats, it takes no longer with a million
// events than with ten thousand.
type Load struct {
	Minutes   []Minute         // of the last hour, oldest first; minutes without an event are left out
	Since     Time             // when the counted time starts: an hour ago, or later if maxCounted was exceeded
	Latency   []time.Duration  // of the newest events: from receipt to the end of processing, sorted
	Customers map[Status]int64 // by status
	OnHold    int64            // customers
	Events    int64            // all ever stored; estimated from the newest ID
	Unfinished
}

// Unfinished counts what is waiting and what has failed.
type Unfinished struct {
	Waiting                           int64 // events that still have to be processed
	Oldest                            Time  // when the oldest of them that was not tried yet was received; zero if there is none
	Failed                            int64 // events
	WaitingFollowUps, FailedFollowUps int64
}

// Minute counts the events that were received in one minute, by their Outcome or, if they are not processed, by their EventStatus. Queued
// includes Received.
type Minute struct {
	At     Time
	Counts map[string]int64
}

const (
	// maxCounted is how many of the newest events a Load looks at.
	maxCounted = 20_000
	// maxTimed is how many of them it measures the latency of.
	maxTimed = 500
)

// Load returns the figures. now is the end of the last hour.
func (s *Store) Load(ctx context.Context, now time.Time) (Load, error) {
	l := Load{Customers: zeros(Statuses)}
	db := s.read.WithContext(ctx)
	first, err := s.firstSince(ctx, At(now.Add(-time.Hour)))
	if err != nil {
		return l, wrap("get load", err)
	}
	for _, err := range []error{
		db.Raw("SELECT COALESCE(MAX(id), 0) FROM events").Scan(&l.Events).Error,
		db.Raw("SELECT COUNT(*) FROM customers WHERE aml_hold").Scan(&l.OnHold).Error,
		countBy(db.Raw("SELECT status AS name, COUNT(*) AS n FROM customers GROUP BY status"), l.Customers),
	} {
		if err != nil {
			return l, wrap("get load", err)
		}
	}
	if l.Unfinished, err = s.Unfinished(ctx); err != nil {
		return l, err
	}
	l.Since = At(now.Add(-time.Hour))
	if l.Events-first > maxCounted {
		first = l.Events - maxCounted
		if err := db.Raw("SELECT received_at FROM events WHERE id >= ? ORDER BY id LIMIT 1", first).Scan(&l.Since).Error; err != nil {
			return l, wrap("get load", err)
		}
	}
	if l.Minutes, err = s.minutes(ctx, first); err != nil {
		return l, wrap("count events", err)
	}
	l.Latency, err = s.latency(ctx, l.Events)
	return l, wrap("get latency", err)
}

// Unfinished returns what is waiting and what has failed. It reads only partial indexes.
func (s *Store) Unfinished(ctx context.Context) (u Unfinished, err error) {
	db := s.read.WithContext(ctx)
	for _, err := range []error{
		db.Raw("SELECT COUNT(*) FROM pending_events WHERE failed").Scan(&u.Failed).Error,
		db.Raw("SELECT COUNT(*) FROM pending_events WHERE due_at > 0").Scan(&u.Waiting).Error,
		db.Raw(`SELECT COALESCE(MIN(received_at), 0) FROM events
			WHERE id = (SELECT MIN(id) FROM pending_events WHERE NOT failed AND attempts = 0)`).Scan(&u.Oldest).Error,
		db.Raw("SELECT COUNT(*) FROM follow_ups WHERE failed").Scan(&u.FailedFollowUps).Error,
		db.Raw("SELECT COUNT(*) FROM follow_ups WHERE due_at > 0").Scan(&u.WaitingFollowUps).Error,
	} {
		if err != nil {
			return u, wrap("count what is unfinished", err)
		}
	}
	return u, nil
}

// itsRecord is the SQL condition that finds the record of an event, processed_events r. Use it in a subquery: for a join, Postgres would read
// a whole table.
const itsRecord = "r.external_id = events.external_id AND r.provider = events.provider AND r.event_id = events.id"

// minutes counts the events from an ID on.
func (s *Store) minutes(ctx context.Context, first int64) (minutes []Minute, err error) {
	var rows []struct {
		Minute int64
		Name   string
		N      int64
	}
	err = s.read.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if s.dialect == "postgres" { // compiling the query would take longer than running it
			if err := tx.Exec("SET LOCAL jit = off").Error; err != nil {
				return err
			}
		}
		return tx.Raw(`SELECT minute, name, COUNT(*) AS n FROM (
			SELECT events.received_at / 60000000 AS minute, CASE WHEN quarantined THEN 'quarantined' ELSE COALESCE(
				(SELECT CASE WHEN p.failed THEN 'failed' ELSE 'queued' END FROM pending_events p WHERE p.id = events.id),
				(SELECT r.outcome FROM processed_events r WHERE `+itsRecord+`), 'duplicate') END AS name
			FROM events WHERE events.id >= ?) AS results GROUP BY minute, name ORDER BY minute`, first).Scan(&rows).Error
	})
	for _, r := range rows {
		at := At(time.Unix(r.Minute*60, 0))
		if n := len(minutes); n == 0 || !minutes[n-1].At.Equal(at.Time) {
			minutes = append(minutes, Minute{at, map[string]int64{}})
		}
		minutes[len(minutes)-1].Counts[r.Name] = r.N
	}
	return minutes, err
}

// latency returns how long the newest events took, sorted. It leaves out those that needed more than one attempt.
func (s *Store) latency(ctx context.Context, newest int64) ([]time.Duration, error) {
	var micros []int64
	err := s.read.WithContext(ctx).Raw(`SELECT took FROM (
		SELECT (SELECT r.processed_at FROM processed_events r WHERE `+itsRecord+` AND r.attempts = 1) - events.received_at AS took
		FROM events WHERE events.id > ?) AS times WHERE took >= 0`, newest-maxTimed).Scan(&micros).Error
	slices.Sort(micros)
	latency := make([]time.Duration, len(micros))
	for i, us := range micros {
		latency[i] = time.Duration(us) * time.Microsecond
	}
	return latency, err
}

// Backlog is what waits in one queue of the database.
type Backlog struct {
	Queue   string
	Waiting int64 // rows that are not done, whether they were offered or not
	DueAt   Time  // when the first of them is due
}

// Backlogs lists the queues of events and of follow-ups in which something waits.
func (s *Store) Backlogs(ctx context.Context) ([]Backlog, error) {
	var all []Backlog
	for _, table := range []string{"pending_events", "follow_ups"} {
		var some []Backlog
		err := s.read.WithContext(ctx).Raw(fmt.Sprintf(
			"SELECT queue, COUNT(*) AS waiting, MIN(due_at) AS due_at FROM %s WHERE due_at > 0 GROUP BY queue ORDER BY queue", table)).Scan(&some).Error
		if err != nil {
			return nil, wrap("get backlogs", err)
		}
		all = append(all, some...)
	}
	return all, nil
}
