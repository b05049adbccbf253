package bench

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	t.Parallel()
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(i+1))
	}
	for _, test := range []struct {
		of    []time.Duration
		share float64
		want  time.Duration
	}{
		{nil, 0.5, 0}, {hundred[:1], 0.99, 1}, {hundred[:2], 0.5, 1}, {hundred, 0.5, 50}, {hundred, 0.95, 95}, {hundred, 0.99, 99}, {hundred, 1, 100},
		{hundred, 0, 1}, {hundred[:10], 0.99, 10},
	} {
		if got := percentile(test.of, test.share); got != test.want {
			t.Errorf("the percentile %g of %d is %d, want %d", test.share, len(test.of), got, test.want)
		}
	}
}

// full is a report of which all is known.
func full() Report {
	r := Report{Server: "a server", Providers: []string{"trst", "trustgate"}, Connections: 32}
	s := sent{elapsed: 2 * time.Second, refused: 1, unanswered: 2, repeated: 3}
	for i := range 20_000 {
		s.events, s.took = append(s.events, int64(i)), append(s.took, time.Duration(20_000-i)*time.Microsecond)
	}
	r.sending(s)
	r.checked(verdict{Known: 20_000, backlog: 5000, draining: 2 * time.Second, endToEnd: []time.Duration{10 * time.Millisecond, 1500 * time.Millisecond}})
	r.BaselineBefore = &Speed{24_000, Latency{0.5, 1, 2, 3}}
	r.BaselineAfter = &Speed{26_000, Latency{0.4, 1, 2, 3}}
	r.AsynqPerSecond, r.ServerCPU, r.GeneratorCPU, r.PeakMemory = new(5000.0), new(99.6), new(12.0), new(int64(81_500_000))
	r.compare()
	return r
}

func TestTable(t *testing.T) {
	t.Parallel()
	r := full()
	unknown := Report{Server: "http://h", Providers: []string{"trst"}, Connections: 1, Rate: 1500, Seconds: 1, Interrupted: true, Waiting: 3}
	for want, r := range map[string]Report{`a server; trst, trustgate; 32 connections, 2.0 s

                                      per second  p50 ms  p95 ms  p99 ms  max ms
    bare net/http + HMAC, before          24,000    0.50    1.00    2.00    3.00
    acknowledged: synced to disk          10,000   10.00   19.00   19.80   20.00
    bare net/http + HMAC, after           26,000    0.40    1.00    2.00    3.00

  acknowledged, share of bare      0.40
  acknowledged                     20,000 events
  refused, unanswered              1, 2
  sent again                       3
  wrongly called new or duplicate  0
  received to processed            p50 10.0 ms, p99 1500.0 ms
  backlog after sending            5,000 events
  drain                            2,500 events/s
  asynq with an empty handler      5,000 tasks/s
  drain, share of asynq            0.50
  lost                             0
  applied twice                    0
  peak memory of the server        82 MB
  CPU per event                    server 100 µs, generator 12 µs
`: r, `http://h; trst; 1 connections, 1.0 s, 1,500 events/s wanted; interrupted

                                      per second  p50 ms  p95 ms  p99 ms  max ms
    acknowledged: synced to disk               0    0.00    0.00    0.00    0.00

  acknowledged, share of bare  –
  acknowledged                 0 events
  refused, unanswered          0, 0
  received to processed        p50 0.0 ms, p99 0.0 ms
  backlog after sending        0 events
  drain                        –  (too little was waiting)
  lost                         0
  applied twice                0
  not processed yet            3
  peak memory of the server    –
  CPU per event                server –, generator –
`: unknown} {
		var b strings.Builder
		if err := r.WriteTable(&b); err != nil {
			t.Fatal(err)
		}
		if b.String() != want {
			t.Errorf("got\n%s\nwant\n%s", b.String(), want)
		}
	}
}

// TestJSON: a number that is not known is null, and not a zero.
func TestJSON(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(Report{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"acks_to_baseline_ratio", "drain_per_second", "drain_to_asynq_ratio", "peak_memory_bytes", "baseline_before"} {
		if !strings.Contains(string(text), `"`+name+`":null`) {
			t.Errorf("%s is not null in %s", name, text)
		}
	}
}

func TestProblem(t *testing.T) {
	t.Parallel()
	r := full()
	if err := r.Problem(); err != nil {
		t.Errorf("nothing is wrong, and it says %v", err)
	}
	r.Lost, r.AppliedTwice, r.Misjudged, r.Waiting = 1, 2, 3, 4
	want := "1 acknowledged events are lost\n2 times an event was applied twice\n3 answers took a new event for a duplicate, or the reverse\n" +
		"4 acknowledged events are still not processed"
	if err := r.Problem(); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := (Report{}).Problem(); err == nil || err.Error() != "no event was acknowledged" {
		t.Errorf("of nothing: got %v", err)
	}
	if err := (Report{Interrupted: true, Waiting: 1}).Problem(); err != nil {
		t.Errorf("interrupted: got %v", err)
	}
}
