package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/app/scenario"
	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

var (
	killEvents = flag.Int("kill.events", 2000, "how many events TestKillAnything sends, at the least")
	killFaults = flag.Int("kill.faults", 10, "how many faults it makes meanwhile")
	killSeed   = flag.Uint64("kill.seed", 0, "what decides on both; 0 is another one each time")
)

// TestKillAnything kills, freezes and empties whatever there is while events come in, and wants in the end what the same events
// lead to where nothing goes wrong. A longer run: go test ./app -run TestKillAnything -kill.events 50000 -kill.faults 200 -timeout 1h
func TestKillAnything(t *testing.T) {
	t.Parallel()
	seed := *killSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("to have the same events and faults again: -kill.seed %d", seed)
	events, faults := *killEvents, *killFaults
	if testing.Short() {
		events, faults = events/4, faults/2
	}
	path := build(t)
	stories := manyStories(t, events, rand.New(rand.NewPCG(seed, 0)))
	calm := start(t, sqlite(t))
	want := sync.OnceValue(func() map[string]any { return calm.peopleAfter(stories) })

	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		s := newSiege(t, path, stories, faults, sqlite(t), seed)
		s.launch("all")
		s.endure(want)
	})
	for name, roles := range map[string][]string{"postgres": {"all"}, "replicas": {"all", "receiver", "worker"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			postgres, redis := testservers.NewPostgres(t), testservers.NewRedis(t)
			s := newSiege(t, path, stories, faults, backend{postgres.URL(), redis.URL()}, seed)
			s.servers(postgres, redis)
			for _, role := range roles {
				s.launch(role)
			}
			s.endure(want)
		})
	}
}

// storyIDs are what scenarios call people and things.
var storyIDs = regexp.MustCompile(`"((?:person|case|hit|check|company|session)[-_]\d+|evt[-_](?:\d+|alert|from-the-[a-z]+))"`)

// manyStories returns the deliveries of all scenarios, told of ever other people until they are n, in a random order.
func manyStories(t *testing.T, n int, random *rand.Rand) (all []scenario.Delivery) {
	t.Helper()
	samples := os.DirFS(filepath.Join("..", "testdata"))
	names, err := scenario.Names(samples)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; len(all) < n; i++ {
		for _, name := range names {
			s, err := scenario.Read(samples, name)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range s.Deliveries {
				d.Body = storyIDs.ReplaceAll(d.Body, fmt.Appendf(nil, `"%s-%d-$1"`, name, i))
				all = append(all, d)
			}
		}
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// siege is a system under attack.
type siege struct {
	*running
	t         *testing.T
	path      string
	back      backend
	stories   []scenario.Delivery
	strikes   int // how many faults there will be
	random    *rand.Rand
	programs  []*program
	receivers []string // where to send
	faults    []fault
	allowed   atomic.Int64 // how many deliveries may be sent by now
	acked     atomic.Int64
}

// fault is something that goes wrong, and how it is mended.
type fault struct {
	name         string
	strike, mend func()
}

func newSiege(t *testing.T, path string, stories []scenario.Delivery, strikes int, b backend, seed uint64) *siege {
	return &siege{t: t, path: path, back: b, stories: stories, strikes: strikes, random: rand.New(rand.NewPCG(seed, 1))}
}

// launch adds a process of that role, and the ways to hurt it.
func (s *siege) launch(role string) {
	addr, admin := testservers.FreeAddress(s.t), testservers.FreeAddress(s.t)
	p := launch(s.t, s.path, role, environment(s.back, addr, admin, "ROLE="+role)...)
	s.programs = append(s.programs, p)
	if role != "worker" {
		s.receivers = append(s.receivers, addr)
	}
	if s.running == nil {
		s.running = remote(s.t, addr, admin)
	}
	nothing := func() {}
	s.faults = append(s.faults,
		fault{role + " killed", func() { p.signal(syscall.SIGKILL) }, nothing},
		fault{role + " stopped", func() { p.signal(syscall.SIGTERM) }, nothing},
		fault{role + " frozen", func() { p.signal(syscall.SIGSTOP) }, func() { p.signal(syscall.SIGCONT) }},
	)
}

// servers adds the ways to hurt them.
func (s *siege) servers(postgres *testservers.Postgres, redis *testservers.Redis) {
	s.faults = append(s.faults,
		fault{"Postgres killed", postgres.Kill, postgres.Start},
		fault{"Postgres frozen", postgres.Pause, postgres.Resume},
		fault{"Redis killed", redis.Kill, redis.Start},
		fault{"Redis frozen", redis.Pause, redis.Resume},
		fault{"Redis emptied", redis.FlushAll, func() {}},
	)
}

// remote is a program that runs as a process of its own.
func remote(t *testing.T, addr, admin string) *running {
	t.Helper()
	r := &running{t: t, addr: addr, adminAddr: admin, providers: map[string]handlers.Provider{}}
	for _, name := range handlers.ProviderNames() {
		p, err := handlers.NewProvider(name, []string{secret}, handlers.Settings{LegalTalentContent: handlers.FormEither})
		if err != nil {
			t.Fatal(err)
		}
		r.providers[name] = p
	}
	return r
}

// endure sends everything while faults strike, and checks what has become of it.
func (s *siege) endure(want func() map[string]any) {
	s.t.Helper()
	var senders sync.WaitGroup
	var next atomic.Int64
	for i := range 16 {
		random := rand.New(rand.NewPCG(s.random.Uint64(), uint64(i)))
		senders.Go(func() {
			for n := next.Add(1) - 1; n < int64(len(s.stories)); n = next.Add(1) - 1 {
				s.send(n, random)
			}
		})
	}
	s.attack()
	senders.Wait()
	s.quiet()
	if diff := cmp.Diff(want(), s.people()); diff != "" {
		s.t.Errorf("customers (-without faults +with them):\n%.5000s", diff)
	}
	for _, p := range s.programs {
		p.stop()
	}
	s.checkRecords()
}

// attack strikes while the deliveries come in, a share of them with each fault.
func (s *siege) attack() {
	share := len(s.stories) / s.strikes
	for i := range s.strikes {
		s.allowed.Store(int64((i + 1) * share))
		// Strike and mend somewhere in the midst of this share.
		from := int64(i*share + s.random.IntN(share/2))
		s.until("the senders get on", func() bool { return s.acked.Load() >= from })
		f := s.faults[s.random.IntN(len(s.faults))]
		hold := time.NewTimer(time.Duration(s.random.IntN(1500)) * time.Millisecond)
		f.strike()
		<-hold.C
		f.mend()
		s.t.Logf("%s after %d acknowledgements, mended after %d", f.name, from, s.acked.Load())
	}
	s.allowed.Store(int64(len(s.stories)))
}

// send delivers as a provider does: signed anew each time, and again until it is acknowledged. One of ten comes twice.
func (s *siege) send(n int64, random *rand.Rand) {
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	for s.allowed.Load() <= n {
		<-pause.C
	}
	times := 1
	if random.IntN(10) == 0 {
		times = 2
	}
	for range times {
		for !s.post(s.receivers[random.IntN(len(s.receivers))], s.stories[n]) {
			<-pause.C
		}
	}
	s.acked.Add(1)
}

// post makes one delivery and reports whether it was acknowledged.
func (s *siege) post(addr string, d scenario.Delivery) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	signed := s.providers[d.Provider].Sign(d.Body, time.Now())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/webhooks/"+signed.Path, bytes.NewReader(d.Body))
	if err != nil {
		s.t.Error(err)
		return true
	}
	req.Header = signed.Header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	switch {
	case err != nil || resp.StatusCode == http.StatusServiceUnavailable:
		return false
	case resp.StatusCode != http.StatusOK:
		s.t.Errorf("answered %d %s to %s", resp.StatusCode, answer, d.Text)
	}
	return true
}

// until waits for a condition, for two minutes at most.
func (s *siege) until(what string, condition func() bool) {
	s.t.Helper()
	deadline := time.After(2 * time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			s.t.Fatalf("after two minutes it is still not true that %s", what)
		}
	}
}

// quiet waits until no event is on its way.
func (s *siege) quiet() {
	s.t.Helper()
	var counts map[models.EventStatus]int
	s.until("all events are processed", func() bool {
		resp, err := http.Get("http://" + s.adminAddr + "/api/stats")
		if err != nil {
			return false // it is just being started
		}
		defer resp.Body.Close()
		var stats struct{ Events map[models.EventStatus]int }
		if err := json.NewDecoder(resp.Body).Decode(&stats); err != nil || resp.StatusCode != http.StatusOK {
			return false
		}
		counts = stats.Events
		return counts[models.Received]+counts[models.Queued] == 0
	})
	if counts[models.Failed]+counts[models.Quarantined] > 0 {
		s.t.Errorf("events by status: %v, want all of them processed", counts)
	}
}
