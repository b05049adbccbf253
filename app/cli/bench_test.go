package cli

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/identity-webhooks/app/bench"
	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/models"
)

func TestShare(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{"5%": 0.05, "0%": 0, "100%": 1, "0.5%": 0.005, "0.05": 0.05, "0": 0, "1": 1} {
		if got, ok := share(text); !ok || got != want {
			t.Errorf("share(%q) = %g, %t, want %g", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "%", "5x", "5", "101%", "-1%", "NaN", "five", "5 %", "5%%"} {
		if got, ok := share(text); ok {
			t.Errorf("share(%q) = %g, want none", text, got)
		}
	}
}

func TestBenchFlags(t *testing.T) {
	isolate(t)
	for _, test := range []struct {
		args []string
		want []string
	}{
		{[]string{"--dup", "5x"}, []string{`--dup is "5x": want a share such as 5%`}},
		{[]string{"--connections", "0", "--duration", "-1s", "--rate", "-2", "--customers", "0"}, []string{
			"--connections is 0: want 1 or more", "--customers is 0: want 1 or more",
			"--duration is -1s: want a time such as 10s", "--rate is -2: want events per second, or 0"}},
		{[]string{"--providers", "trst,acme"}, []string{`--providers names "acme": want all, or of legaltalent, trst, trustgate, trustist`}},
		{[]string{"--url", "http://localhost", "--database", "x"}, []string{"--database is that of the server that is started: it does not go with --url"}},
		{[]string{"--admin", "localhost:1"}, []string{"--admin is that of the server at --url: it does not go without"}},
		{[]string{"--url", "localhost:8080"}, []string{`--url is "localhost:8080": want http://host or https://host`}},
	} {
		if got := fails(t, append([]string{"bench"}, test.args...)...); !slices.Equal(got, test.want) {
			t.Errorf("%q:\n got %q\nwant %q", test.args, got, test.want)
		}
	}
	t.Setenv("TRST_WEBHOOK_SECRET", "canary")
	failsWith(t, "trustgate: no secret: set TRUSTGATE_WEBHOOK_SECRET to that of the server", "bench", "--url", "http://localhost:1")
}

// TestInherited: a server for measuring must not tell anybody of its customers.
func TestInherited(t *testing.T) {
	t.Parallel()
	got := inherited([]string{"PATH=/bin", "HOME=/root", "ADMIN_PASSWORD=a", "TRST_WEBHOOK_SECRET=b", "SLACK_URL=c", "PGSSLMODE=d", "GOMAXPROCS=2", "ROLE=worker"})
	if want := []string{"PATH=/bin", "HOME=/root", "PGSSLMODE=d", "GOMAXPROCS=2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// short is a run that takes a moment.
var short = []string{"bench", "--duration", "1s", "--connections", "4", "--json"}

// benched reads the report that a process printed, of a run that went well.
func benched(t *testing.T, p *process) (r bench.Report) {
	t.Helper()
	if end := p.wait(t); end.ExitCode() != 0 {
		t.Fatalf("%v:\n%s", end, strings.Join(p.output, "\n"))
	}
	i := slices.IndexFunc(p.output, func(line string) bool { return strings.HasPrefix(line, "{") })
	if i < 0 {
		t.Fatalf("it printed no JSON:\n%s", strings.Join(p.output, "\n"))
	}
	if err := json.Unmarshal([]byte(p.output[i]), &r); err != nil {
		t.Fatal(err)
	}
	if r.Acknowledged == 0 || r.Lost != 0 || r.Waiting != 0 || r.AppliedTwice != 0 || r.Misjudged != 0 || r.Refused != 0 || r.Unanswered != 0 {
		t.Errorf("got %+v", r)
	}
	if r.AckLatency.P50 <= 0 || r.AckLatency.P50 > r.AckLatency.P99 || r.AckLatency.P99 > r.AckLatency.Max || r.EndToEndP99 < r.EndToEndP50 {
		t.Errorf("times that cannot be: %+v", r)
	}
	return r
}

func TestBench(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := benched(t, run(t, dir, nil, append(short, "--dup", "20%", "--shuffle", "--providers", "all", "--customers", "200")...))
	if r.Repeated == 0 || r.Repeated != r.Acknowledged/5 && r.Repeated < r.Acknowledged/5-4 {
		t.Errorf("%d of %d events were sent again, want a fifth", r.Repeated, r.Acknowledged)
	}
	if r.AckRatio == nil || *r.AckRatio <= 0 || r.AsynqPerSecond == nil || *r.AsynqPerSecond <= 0 || len(r.Providers) != 4 {
		t.Errorf("got %+v, want it beside its baselines", r)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "data")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestBenchAtARate(t *testing.T) {
	t.Parallel()
	p := run(t, t.TempDir(), nil, "bench", "--duration", "1s", "--connections", "4", "--rate", "50")
	if end := p.wait(t); end.ExitCode() != 0 {
		t.Fatalf("%v:\n%s", end, strings.Join(p.output, "\n"))
	}
	out := strings.Join(p.output, "\n")
	for _, want := range []string{"trustgate; 4 connections, 1.0 s, 50 events/s wanted", "  lost ", "  applied twice ", "too little was waiting"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
}

func TestBenchOnServers(t *testing.T) {
	t.Parallel()
	database, redis := testservers.DatabaseURL(t), testservers.RedisURL(t)
	p := run(t, t.TempDir(), []string{"REDIS_URL=" + redis, "ROLE=worker"}, append(short, "--database", database)...)
	r := benched(t, p)
	if r.AsynqPerSecond == nil || r.Server != "a server of its own on the given database and the given Redis" {
		t.Errorf("got %+v", r)
	}
	want := "warning: the events are added to the database of DATABASE_URL or --database, and stay there"
	if !slices.Contains(p.output, want) {
		t.Errorf("it did not print %q:\n%s", want, strings.Join(p.output, "\n"))
	}
	if got := failing(t, t.TempDir(), []string{"REDIS_URL=http://x"}, "bench", "--duration", "1ms", "--json"); len(got) != 1 ||
		got[0] != "start bench server: exit status 1: REDIS_URL: want redis://, rediss://, redis-sentinel:// or redis-cluster://" {
		t.Errorf("a server that cannot start: got %q", got)
	}
}

// TestBenchInterrupted measures a server that runs, until Ctrl+C.
func TestBenchInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, addr, adminAddr := serving(t, dir)
	p := run(t, dir, nil, "bench", "--url", "http://"+addr+"/webhooks/", "--admin", adminAddr, "--duration", "9s", "--connections", "4", "--json")
	admin, deadline := adminAt("")(adminAddr), time.After(patience)
	for sent := int64(0); sent == 0; {
		select {
		case <-deadline:
			t.Fatal("nothing was sent")
		case <-time.After(20 * time.Millisecond):
		}
		var stats models.Stats
		if err := admin(t.Context(), "/api/stats", &stats); err != nil {
			t.Fatal(err)
		}
		for _, n := range stats.Events {
			sent += n
		}
	}
	interrupt(t, p)
	if r := benched(t, p); !r.Interrupted || r.PeakMemory != nil || r.BaselineAfter != nil {
		t.Errorf("got %+v", r)
	}
	if _, err := os.Stat(filepath.Join(dir, "data", "bench.db")); !os.IsNotExist(err) {
		t.Errorf("a server was started: %v", err)
	}
	left, err := fs.Glob(os.DirFS(dir), "data/bench-*")
	if err != nil || len(left) > 0 {
		t.Errorf("a server was started: %v, %v", left, err)
	}
}

// TestBenchOfAnotherServer: what one server acknowledges, the admin API of another does not know.
func TestBenchOfAnotherServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, addr, _ := serving(t, dir)
	_, _, other := serving(t, t.TempDir())
	got := failing(t, dir, nil, append(short, "--url", "http://"+addr, "--admin", other)...)
	if len(got) != 1 || !strings.HasPrefix(got[0], "the admin API at "+other+" knows none of the ") {
		t.Errorf("got %q", got)
	}
}
