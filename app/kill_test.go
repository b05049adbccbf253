package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

var (
	killEvents = flag.Int("kill.events", 500, "how many events TestKillAnything sends")
	killFaults = flag.Int("kill.faults", 5, "how many faults it causes meanwhile")
	killSeed   = flag.Uint64("kill.seed", 0, "what decides on both; 0 is another one each time")
)

// TestKillAnything kills, freezes and empties whatever there is while events come in. In the end everything must be as it is where the
// same events meet no faults. A longer run: go test ./app -run TestKillAnything -kill.events 50000 -kill.faults 200 -timeout 1h
func TestKillAnything(t *testing.T) {
	t.Parallel()
	seed := *killSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("to repeat the events and faults: -kill.seed %d", seed)
	n, faults := *killEvents, *killFaults
	path := build(t)
	deliveries := manyDeliveries(t, n, rand.New(rand.NewPCG(seed, 0)))
	calm := start(t, sqlite(t))
	want := sync.OnceValue(func() map[string]any {
		for _, d := range deliveries {
			if status, answer, err := calm.trySend(d.provider, d.body, func(http.Header) {}); status != http.StatusOK || err != nil {
				calm.t.Errorf("%s: answered %d %s %v", d.id, status, answer, err)
			}
		}
		calm.settle()
		return calm.people()
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		s := newSiege(t, path, deliveries, sqlite(t), seed)
		s.launch("all")
		s.endure(faults, want)
	})
	for name, roles := range map[string][]string{"postgres": {"all"}, "replicas": {"all", "receiver", "worker"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			postgres, redis := testservers.NewPostgres(t), testservers.NewRedis(t)
			s := newSiege(t, path, deliveries, backend{postgres.URL(), redis.URL()}, seed)
			for _, role := range roles {
				s.launch(role)
			}
			s.faults = append(s.faults,
				fault{"Postgres killed", postgres.Kill, postgres.Start},
				fault{"Postgres frozen", postgres.Pause, postgres.Resume},
				fault{"Redis killed", redis.Kill, redis.Start},
				fault{"Redis frozen", redis.Pause, redis.Resume},
				fault{"Redis emptied", redis.FlushAll, func() {}},
			)
			s.endure(faults, want)
		})
	}
}

// delivered is one event on its way.
type delivered struct {
	provider, id string // under which it is stored
	body         []byte
}

// manyDeliveries makes n events of all samples of all providers, about people who meet many of them, at few different times.
func manyDeliveries(t *testing.T, n int, random *rand.Rand) (list []delivered) {
	t.Helper()
	all, known := allTemplates(t), providers(t)
	seen := map[string]bool{}
	for i := 0; len(list) < n; i++ {
		s := all[random.IntN(len(all))]
		if len(s.want.Events) != 1 || s.want.Events[0].Status != models.Processed || slices.ContainsFunc(known[s.provider].Schemes(), signsTime) {
			continue
		}
		who := fmt.Sprintf("person-%d", random.IntN(n/8+1))
		body := s.event(fmt.Sprintf("event-%d", i), who, now.Add(time.Duration(random.IntN(6))*time.Hour))
		env, err := known[s.provider].Envelope(body)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		// Where the ID is derived from the body, the same event may come up again with another time.
		if id := s.provider + " " + env.ExternalID; !seen[id] {
			seen[id] = true
			list = append(list, delivered{s.provider, env.ExternalID, body})
		}
	}
	return list
}

// signsTime reports whether the body says when it was signed. Such an event has another time each time that it is sent.
func signsTime(s handlers.Scheme) bool { return s.TimeIn != "" }

// siege is a system under attack.
type siege struct {
	*program   // the one that is asked in the end
	t          *testing.T
	path       string
	back       backend
	deliveries []delivered
	random     *rand.Rand
	programs   []*program
	receivers  []*program
	faults     []fault
	allowed    atomic.Int64 // how many deliveries may be sent by now
	acked      atomic.Int64
}

func newSiege(t *testing.T, path string, deliveries []delivered, b backend, seed uint64) *siege {
	return &siege{t: t, path: path, back: b, deliveries: deliveries, random: rand.New(rand.NewPCG(seed, 1))}
}

// launch adds a process of that role, and the ways to hurt it.
func (s *siege) launch(role string) {
	p := launch(s.t, s.path, role, s.back)
	s.programs = append(s.programs, p)
	if role != "worker" {
		s.receivers = append(s.receivers, p)
	}
	if s.program == nil {
		s.program = p
	}
	s.faults = append(s.faults,
		fault{role + " killed", func() { p.signal(syscall.SIGKILL) }, func() {}},
		fault{role + " stopped", func() { p.signal(syscall.SIGTERM) }, func() {}},
		fault{role + " frozen", func() { p.signal(syscall.SIGSTOP) }, func() { p.signal(syscall.SIGCONT) }},
	)
}

// endure sends everything while faults strike, and checks what has become of it.
func (s *siege) endure(faults int, want func() map[string]any) {
	s.t.Helper()
	var senders sync.WaitGroup
	var next atomic.Int64
	for i := range 16 {
		random := rand.New(rand.NewPCG(s.random.Uint64(), uint64(i)))
		senders.Go(func() {
			for n := next.Add(1) - 1; n < int64(len(s.deliveries)); n = next.Add(1) - 1 {
				s.deliver(n, random)
			}
		})
	}
	s.attack(faults)
	senders.Wait()
	s.quiet()
	if diff := cmp.Diff(want(), s.people()); diff != "" {
		s.t.Errorf("customers (-without faults +with them):\n%.5000s", diff)
	}
	for _, p := range s.programs {
		p.end(syscall.SIGCONT, syscall.SIGTERM)
	}
	s.checkRecords()
	s.checkFollowUps()
}

// attack strikes while the deliveries come in, a share of them with each fault.
func (s *siege) attack(faults int) {
	share := len(s.deliveries) / faults
	for i := range faults {
		s.allowed.Store(int64((i + 1) * share))
		from := int64(i*share + s.random.IntN(share/2)) // somewhere in the midst of this share
		within(s.t, 2*time.Minute, "the senders get on", func() bool { return s.acked.Load() >= from })
		f := s.faults[s.random.IntN(len(s.faults))]
		hold := time.NewTimer(time.Duration(s.random.IntN(1500)) * time.Millisecond)
		f.strike()
		<-hold.C
		f.repair()
		s.t.Logf("%s after %d acknowledgements, repaired after %d", f.name, from, s.acked.Load())
	}
	s.allowed.Store(int64(len(s.deliveries)))
}

// deliver sends as a provider does: signed anew each time, and again until it is acknowledged. One of ten comes twice.
func (s *siege) deliver(n int64, random *rand.Rand) {
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	for s.allowed.Load() <= n {
		<-pause.C
	}
	d := s.deliveries[n]
	for range 1 + random.IntN(10)/9 {
		for {
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			to := s.receivers[random.IntN(len(s.receivers))]
			signed := to.providers[d.provider].Sign(d.body, time.Now())
			status, answer, err := request(ctx, http.MethodPost, "http://"+to.addr+"/webhooks/"+signed.Path, signed.Header, signed.Body)
			cancel()
			if err == nil && status == http.StatusOK {
				break
			}
			if err == nil && status != http.StatusServiceUnavailable {
				s.t.Errorf("%s: answered %d %s", d.id, status, answer)
				break
			}
			<-pause.C
		}
	}
	s.acked.Add(1)
}

// quiet waits until no event is in work, and fails the test if one has failed.
func (s *siege) quiet() {
	s.t.Helper()
	counts := map[models.EventStatus]int{}
	within(s.t, 2*time.Minute, "all events are processed", func() bool {
		status, answer, err := request(context.Background(), http.MethodGet, "http://"+s.adminAddr+"/api/stats", nil, nil)
		var stats struct{ Events map[models.EventStatus]int }
		if err != nil || status != http.StatusOK || json.Unmarshal([]byte(answer), &stats) != nil {
			return false // it is just being started
		}
		counts = stats.Events
		return counts[models.Received]+counts[models.Queued] == 0
	})
	if counts[models.Failed]+counts[models.Quarantined] > 0 {
		s.t.Errorf("events by status: %v, want all of them processed", counts)
	}
}

// people returns all customers with what they follow from, by provider and subject, without row IDs and our own clock.
func (r *running) people() map[string]any {
	r.t.Helper()
	all := map[string]any{}
	for cursor := ""; ; {
		var page struct {
			Customers []models.Customer
			Next      string `json:"next_cursor"`
		}
		r.get("/api/customers?"+url.Values{"limit": {"500"}, "cursor": {cursor}}.Encode(), &page)
		for _, c := range page.Customers {
			var full map[string]any
			r.get("/api/customers/"+strconv.FormatInt(c.ID, 10), &full)
			delete(full, "events") // newest first by arrival
			mask(full)
			all[c.Provider+" "+c.SubjectID] = full
		}
		if cursor = page.Next; cursor == "" {
			return all
		}
	}
}

// checkRecords looks into the database: each event that was acknowledged is there once and recorded as processed once.
func (s *siege) checkRecords() {
	s.t.Helper()
	want := map[string]int{}
	for _, d := range s.deliveries {
		want[d.provider+" "+d.id] = 1
	}
	for _, table := range []string{"events", "processed_events"} {
		got := map[string]int{}
		s.query("SELECT provider, external_id FROM "+table, func(scan func(...any) error) error {
			var provider, id string
			err := scan(&provider, &id)
			got[provider+" "+id]++
			return err
		})
		if diff := cmp.Diff(want, got); diff != "" {
			s.t.Errorf("%s (-acknowledged +there):\n%.5000s", table, diff)
		}
	}
}

// checkFollowUps wants the callbacks of each customer to be the changes from the first status to the present one, without a gap.
func (s *siege) checkFollowUps() {
	s.t.Helper()
	type state struct {
		Status models.Status
		Hold   bool
	}
	reached := map[int64]state{}
	s.query("SELECT customer_id, change FROM follow_ups WHERE name = '"+callback+"' ORDER BY id", func(scan func(...any) error) error {
		var id int64
		var text []byte
		if err := scan(&id, &text); err != nil {
			return err
		}
		var c models.Change
		if err := json.NewDecoder(bytes.NewReader(text)).Decode(&c); err != nil {
			return err
		}
		from, known := reached[id]
		if !known {
			from = state{Status: models.StatusPending}
		}
		if before := (state{c.Before.Status, c.Before.AMLHold}); before != from {
			s.t.Errorf("customer %d: a callback for the change from %v, and the one before it led to %v", id, before, from)
		}
		reached[id] = state{c.After.Status, c.After.AMLHold}
		return nil
	})
	s.query("SELECT id, status, aml_hold FROM customers", func(scan func(...any) error) error {
		var id int64
		var is state
		err := scan(&id, &is.Status, &is.Hold)
		if want, changed := reached[id]; changed && want != is || !changed && is != (state{Status: models.StatusPending}) {
			s.t.Errorf("customer %d is %v, and the last callback says %v", id, is, want)
		}
		return err
	})
}

// query calls each for each row of an answer.
func (s *siege) query(query string, each func(scan func(...any) error) error) {
	s.t.Helper()
	rows, err := s.back.open(s.t).QueryContext(context.Background(), query)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close() //nolint:errcheck // Err says what there is to say
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
}
