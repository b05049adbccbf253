package app_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/app/subscriptions"
	"example.com/identity-webhooks/app/testservers"
)

// scrape returns the values of /metrics by series, such as webhooks_attempts_total{result="failed"}.
func (r *running) scrape() map[string]string {
	r.t.Helper()
	status, text, err := request(context.Background(), http.MethodGet, "http://"+r.adminAddr+"/metrics", nil, nil)
	if err != nil || status != http.StatusOK {
		r.t.Fatalf("/metrics answers %d %v %.300s", status, err, text)
	}
	values := map[string]string{}
	for line := range strings.Lines(text) {
		if i := strings.LastIndex(line, " "); !strings.HasPrefix(line, "#") {
			values[line[:i]] = strings.TrimSpace(line[i+1:])
		}
	}
	return values
}

// completeScrape returns a scrape in which the database and the queue have answered in time, which may take a few on a busy machine.
func (r *running) completeScrape() (values map[string]string) {
	r.t.Helper()
	r.eventually("the scrape is complete", func() bool {
		values = r.scrape()
		return values["webhooks_pending_events"] != "" && values[`webhooks_queue_pending_tasks{queue="default"}`] != ""
	})
	return values
}

// scrapeWithout checks that a source which does not answer only costs its own metrics, and some time.
func (r *running) scrapeWithout(source, series string) {
	r.t.Helper()
	started := time.Now()
	values := r.scrape()
	if took := time.Since(started); took > 4*time.Second {
		r.t.Errorf("the scrape took %s", took)
	}
	if _, exists := values[series]; exists || values["webhooks_commit_duration_seconds_count"] == "" {
		r.t.Errorf("without the %s, %s exists: %t; of %d series", source, series, exists, len(values))
	}
	counter := fmt.Sprintf("webhooks_scrape_errors_total{source=%q}", source)
	if errors := r.scrape()[counter]; errors == "" || errors == "0" { // the error of the first scrape
		r.t.Errorf("no error is counted for the %s", source)
	}
}

// withSubscriptions has credentials for the providers' APIs, none of which answers.
func withSubscriptions() (settings []string) {
	for _, name := range subscriptions.Names() {
		name = strings.ToUpper(name)
		settings = append(settings, name+"_API_URL=http://127.0.0.1:1", name+"_API_KEY=key", name+"_API_KEY_ID=id", name+"_PROJECT_ID=project")
	}
	return settings
}

// exercise sends an event that is applied, its repetition, one that fails, and a forged one. It returns the provider.
func (r *running) exercise() string {
	r.t.Helper()
	v := anyVerdicts(r.t)
	_, body := v.verified()
	r.accept(v.provider, body)
	r.send(v.provider, body)
	r.accept(v.provider, v.yes.event(uuid.NewString(), unusable, now))
	r.forge(v.provider, body)
	r.settle()
	return v.provider
}

var (
	metricName = regexp.MustCompile(`\b(?:webhooks|go|process)_[a-z0-9_]+`)
	histogram  = regexp.MustCompile(`_(bucket|sum|count)$`)
)

// The dashboard, the alerts and the README name only metrics that exist. The dashboard or an alert uses each of ours, and the README
// explains it.
func TestMonitoringFiles(t *testing.T) {
	files := map[string]string{"README.md": "README", "deploy/dashboard.json": "queries", "deploy/alerts.yml": "queries"}
	named := map[string]map[string]bool{"README": {}, "queries": {}}
	families := map[string]map[string]bool{"README": {}, "queries": {}}
	for file, kind := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range metricName.FindAllString(string(text), -1) {
			named[kind][name], families[kind][histogram.ReplaceAllString(name, "")] = true, true
		}
	}
	onBothBackends(t, func(t *testing.T, b backend) {
		var calls atomic.Int64
		failsOnce := newSink(t, func(w http.ResponseWriter, _ *http.Request) {
			if calls.Add(1) == 1 {
				w.WriteHeader(http.StatusInternalServerError)
			}
		})
		r := start(t, b, append(withSubscriptions(), failsOnce.settings()...)...)
		provider := r.exercise()
		r.eventually("the subscriptions are checked, and the callback is done", func() bool {
			values := r.scrape()
			return values[fmt.Sprintf(`webhooks_subscription_healthy{provider=%q}`, subscriptions.Names()[0])] == "0" &&
				values[`webhooks_follow_ups_total{name="callback",result="done"}`] == "1"
		})
		values := r.completeScrape()
		exist := map[string]map[string]bool{"README": {}, "queries": {}}
		for series := range values {
			name, _, _ := strings.Cut(series, "{")
			exist["queries"][name], exist["README"][histogram.ReplaceAllString(name, "")] = true, true
		}
		for kind, names := range named {
			for name := range names {
				if !exist[kind][name] {
					t.Errorf("%s: there is no %s", kind, name)
				}
			}
			for name := range exist[kind] {
				if strings.HasPrefix(name, "webhooks_") && !families[kind][histogram.ReplaceAllString(name, "")] {
					t.Errorf("%s: nothing about %s", kind, name)
				}
			}
		}
		for series, want := range map[string]string{
			`webhooks_deliveries_total{provider="P",result="accepted"}`:       "2",
			`webhooks_deliveries_total{provider="P",result="repeated"}`:       "1",
			`webhooks_deliveries_total{provider="P",result="rejected"}`:       "1",
			`webhooks_attempts_total{result="processed"}`:                     "1",
			`webhooks_attempts_total{result="failed"}`:                        "1",
			`webhooks_processed_events_total{outcome="applied",provider="P"}`: "1",
			`webhooks_follow_ups_total{name="callback",result="retried"}`:     "1",
			`webhooks_follow_ups_total{name="welcome-mail",result="logged"}`:  "1",
			`webhooks_follow_up_duration_seconds_count{name="callback"}`:      "2",
			`webhooks_acknowledgement_duration_seconds_count`:                 "3",
			`webhooks_processing_duration_seconds_count`:                      "2",
			`webhooks_end_to_end_duration_seconds_count`:                      "1",
			`webhooks_commit_deliveries_sum`:                                  "3",
			`webhooks_failed_events`:                                          "1",
			`webhooks_pending_events`:                                         "0",
			`webhooks_oldest_waiting_seconds`:                                 "0",
			`webhooks_queue_pending_tasks{queue="default"}`:                   "0",
		} {
			if got := values[strings.ReplaceAll(series, `"P"`, `"`+provider+`"`)]; got != want {
				t.Errorf("%s is %q, want %s", series, got, want)
			}
		}
	})
}

// Whatever strangers send, and whatever types providers invent, no new series begins.
func TestStrangersCreateNoSeries(t *testing.T) {
	t.Parallel()
	r := start(t, sqlite(t))
	v := anyVerdicts(t)
	invented := func() []byte {
		return []byte(strings.ReplaceAll(string(v.yes.event(uuid.NewString(), uuid.NewString(), now)), v.yes.want.Events[0].Type, "invented."+uuid.NewString()))
	}
	r.accept(v.provider, invented())
	r.settle()
	before := slices.Sorted(maps.Keys(r.completeScrape()))
	for n := range 1000 {
		strange := uuid.NewString()
		switch n % 4 {
		case 0:
			r.post("/webhooks/"+strange, "{}")
		case 1:
			r.post("/webhooks/"+v.provider+"/"+strange, "{}")
		case 2:
			r.post("/webhook/"+strange+"/"+strange, "{}")
		case 3:
			r.accept(v.provider, invented())
		}
	}
	r.settle()
	if diff := cmp.Diff(before, slices.Sorted(maps.Keys(r.completeScrape()))); diff != "" {
		t.Errorf("series (-before +after)\n%s", diff)
	}
}

// derived is deploy/prometheus.yml for a test: it scrapes one address, often.
func derived(t *testing.T, address, password string) (file string) {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile(filepath.Join("deploy", "prometheus.yml"))
	if err != nil {
		t.Fatal(err)
	}
	alerts, err := filepath.Abs(filepath.Join("deploy", "alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	config := string(text)
	for pattern, with := range map[string]string{
		`_interval: 15s\n  evaluation_interval: 15s`: "_interval: 1s\n  evaluation_interval: 1s",
		`alerts\.yml\n`:                       alerts + "\n",
		`/run/secrets/admin_password`:         filepath.Join(dir, "password"),
		`(?s)dns_sd_configs:.*?\n {4}relabel`: "static_configs: [{targets: [" + address + "], labels: {__meta_dns_name: receiver}}]\n    relabel",
	} {
		all := regexp.MustCompile(pattern)
		if !all.MatchString(config) {
			t.Fatalf("prometheus.yml has no %s", pattern)
		}
		config = all.ReplaceAllLiteralString(config, with)
	}
	file = filepath.Join(dir, "prometheus.yml")
	for name, text := range map[string]string{file: config, filepath.Join(dir, "password"): password} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return file
}

// A real Prometheus, configured with the files in deploy, reads the metrics of a running app with the password, and can evaluate all alerts
// and all queries of the dashboard.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	testservers.Promtool(t, "check", "config", "--syntax-only", filepath.Join("deploy", "prometheus.yml"))
	testservers.Promtool(t, "check", "rules", filepath.Join("deploy", "alerts.yml"))
	const password = "correct-horse-battery"
	r := start(t, sqlite(t), append(withSubscriptions(), "ADMIN_PASSWORD="+password)...)
	config := derived(t, r.adminAddr, password)
	testservers.Promtool(t, "check", "config", config)
	if status, _, err := request(t.Context(), http.MethodGet, "http://"+r.adminAddr+"/metrics", nil, nil); status != http.StatusUnauthorized || err != nil {
		t.Errorf("without the password: %d %v, want 401", status, err)
	}
	p := testservers.NewPrometheus(t, config)
	ask := func(path string) gjson.Result {
		t.Helper()
		status, answer, err := request(t.Context(), http.MethodGet, p.URL()+"/api/v1/"+path, nil, nil)
		if err != nil || status != http.StatusOK {
			t.Fatalf("%s: %d %v %.300s", path, status, err, answer)
		}
		return gjson.Get(answer, "data")
	}
	query := func(q string) gjson.Result {
		t.Helper()
		return ask("query?query=" + url.QueryEscape(q)).Get("result.#.value.1")
	}
	r.eventually("the app is scraped", func() bool { return query(`webhooks_deliveries_total{role="receiver"}`).Get("0").Exists() })
	provider := r.exercise()
	r.eventually("Prometheus has the deliveries", func() bool {
		return query(fmt.Sprintf(`sum by (result) (webhooks_deliveries_total{provider=%q}) > 0`, provider)).String() == `["2","1","1"]`
	})
	states := map[string]string{}
	r.eventually("all rules are evaluated", func() bool {
		isDone := true
		for _, rule := range ask("rules").Get("groups.#.rules|@flatten").Array() {
			if rule.Get("health").String() == "err" {
				t.Fatal(rule)
			}
			isDone = isDone && rule.Get("health").String() == "ok"
			states[rule.Get("name").String()] = rule.Get("state").String()
		}
		return isDone && states["EventsFailed"] == "firing" && states["WrongSignature"] == "firing"
	})
	for name, want := range map[string]string{"NoWorker": "pending", "DeliveriesNotStored": "inactive"} {
		if states[name] != want {
			t.Errorf("%s is %q, want %s", name, states[name], want)
		}
	}
	dashboard, err := os.ReadFile(filepath.Join("deploy", "dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	queries := gjson.GetBytes(dashboard, "panels.#.targets.#.expr|@flatten").Array()
	for _, q := range queries {
		r.eventually("the dashboard's query has a result: "+q.String(), func() bool { // on a busy machine, a scrape may time out
			return query(strings.ReplaceAll(q.String(), "$__rate_interval", "1m")).Get("#").Int() > 0
		})
	}
	if len(queries) < 20 {
		t.Errorf("the dashboard has %d queries", len(queries))
	}
}
