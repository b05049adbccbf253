package models

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"example.com/identity-webhooks/app/testservers"
)

// BenchmarkGrowth compares what an event costs, from its delivery to the committed customer, and what the lists of the admin API
// cost, in a database that is empty at first and in one with a million events of 200,000 customers. The two take turns, so that what
// else the machine does meanwhile hits both.
//
//	go test ./models -run '^$' -bench Growth -benchtime 1x -timeout 1h
func BenchmarkGrowth(b *testing.B) {
	for name, url := range map[string]func(testing.TB) string{
		"sqlite":   func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "test.db") },
		"postgres": testservers.DatabaseURL,
	} {
		b.Run(name, func(b *testing.B) {
			empty, full := openFull(b, url(b), 0, 0), openFull(b, url(b), 1_000_000, 200_000)
			analyze(b, full)
			for b.Loop() {
				compare(b, empty, full)
			}
		})
	}
}

// compare reports the ratios of the medians of many short rounds.
func compare(b *testing.B, empty, full *Store) {
	b.Helper()
	var times, cpus [2][]float64
	for round := range 40 {
		for i, s := range []*Store{empty, full} {
			used, started := cpuTime(b), time.Now()
			live(b, s, 500)
			times[i], cpus[i] = append(times[i], time.Since(started).Seconds()), append(cpus[i], cpuTime(b)-used)
		}
		if round == 4 { // the first rounds warm up
			times, cpus = [2][]float64{}, [2][]float64{}
		}
	}
	report := func(values [2][]float64, name string) {
		e, f := median(values[0]), median(values[1])
		b.ReportMetric(f/e, name+"-of-empty")
		b.ReportMetric(e/500*1e6, name+"-µs/event-empty")
	}
	report(times, "time")
	report(cpus, "cpu")
	for name, list := range map[string]func(s *Store) error{
		"events": func(s *Store) error {
			_, err := s.Events(b.Context(), EventFilter{Status: Failed}, Page{Limit: 50})
			return err
		},
		"rare-type": func(s *Store) error {
			_, err := s.Events(b.Context(), EventFilter{Type: "test.ping"}, Page{Limit: 50})
			return err
		},
		"customers": func(s *Store) error {
			_, err := s.Customers(b.Context(), CustomerFilter{Status: StatusWithdrawn}, Page{Limit: 50})
			return err
		},
		"one-customer": func(s *Store) error { _, _, err := s.Customer(b.Context(), 1); return err },
		"stats":        func(s *Store) error { _, err := s.Stats(b.Context()); return err },
	} {
		var took []float64
		for range 50 {
			started := time.Now()
			if err := list(full); err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(started).Seconds())
		}
		b.ReportMetric(median(took)*1e3, "ms/"+name)
	}
}

// live receives and applies n events as 32 senders and 32 workers would.
func live(b *testing.B, s *Store, n int) {
	b.Helper()
	now := time.Now()
	together(32, n, func() {
		if _, err := s.AddEvent(b.Context(), Event{
			Provider: "acme", Generation: "v1", ExternalID: uuid.NewString(), Type: "person.reviewed", Queue: DefaultQueue,
			Body: make([]byte, 474), OccurredAt: At(now), ReceivedAt: At(now),
		}); err != nil {
			b.Error(err)
		}
	})
	o, _, err := s.Offer(b.Context(), EventWork, DefaultQueue, n, now)
	if err != nil || len(o.IDs) != n {
		b.Fatalf("offered %d events, %v", len(o.IDs), err)
	}
	tasks := make(chan int64, n)
	for _, id := range o.IDs {
		tasks <- id
	}
	together(32, n, func() {
		events, err := s.ClaimEvents(b.Context(), Offer{Work: EventWork, DueAt: o.DueAt, IDs: []int64{<-tasks}}, now.Add(time.Millisecond))
		if err != nil || len(events) != 1 {
			b.Errorf("claimed %d events, %v", len(events), err)
			return
		}
		who := 1 + rand.IntN(200_000)
		if _, _, err := s.ApplyEvent(b.Context(), events[0], Facts{
			SubjectID: fmt.Sprintf("subject-%d", who),
			Profile:   Profile{ExternalID: fmt.Sprintf("user-%d", who)},
			Decisions: []Decision{{Source: FromApplicant, Authority: ByManual, Status: StatusVerified}},
		}, func(Change) []FollowUp { return nil }, At(now)); err != nil {
			b.Error(err)
		}
	})
}

// together calls do n times from several goroutines.
func together(goroutines, n int, do func()) {
	turns := make(chan struct{}, n)
	for range n {
		turns <- struct{}{}
	}
	close(turns)
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range turns {
				do()
			}
		})
	}
	all.Wait()
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// cpuTime is what this process has used, in seconds.
func cpuTime(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// BenchmarkEncryption is what encryption adds to an event: its body is encrypted once, and decrypted once when it is processed.
func BenchmarkEncryption(b *testing.B) {
	key, err := ParseKey("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	if err != nil {
		b.Fatal(err)
	}
	s, e := &Store{keys: []Key{key}}, Event{SHA256: make([]byte, 32)}
	body := make([]byte, 474)
	for b.Loop() {
		e.Body = body
		s.seal(&e)
		if s.open(&e); len(e.Body) != len(body) {
			b.Fatal(e.BodyError())
		}
	}
}
