package app_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"example.com/identity-webhooks/app/testservers"
)

// Payloads hold personal data. These tests look for it where it must not be.

// canary is the beginning of all that stands for personal data or a secret. It is as long as a name, so that nothing cuts it off.
const canary = "Zyxwvut"

// marker replaces values of a payload by canaries, each with a number of its own.
type marker struct {
	keep  map[string]bool // what the program must show: IDs, types and their parts, and tenants
	every int             // of so many values, one is replaced: the one that is the first, second … of them
	which int
	n     int
}

func (m *marker) mark(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = m.mark(v[i])
		}
		return v
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if name != "correlation_id" { // it is shown
				v[name] = m.mark(v[name])
			}
		}
		return v
	}
	if m.keep[fmt.Sprint(v)] {
		return v
	}
	if m.n++; m.n%m.every != m.which {
		return v
	}
	return fmt.Sprintf("%s%03d", canary, m.n)
}

// event returns a sample as a new event with canaries.
func (m *marker) event(t *testing.T, s template) delivered {
	t.Helper()
	id, who := uuid.NewString(), uuid.NewString()
	m.keep = map[string]bool{id: true, who: true, "case-" + who: true}
	for _, e := range s.want.Events {
		for _, shown := range append(strings.Split(e.Type, "."), e.ExternalID, e.Type, e.CorrelationID, e.TenantID) {
			m.keep[shown] = true
		}
	}
	var v any
	if err := json.Unmarshal(s.event(id, who, now), &v); err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(m.mark(v))
	if err != nil {
		t.Fatal(err)
	}
	if m.n > 3 && !bytes.Contains(body, []byte(canary)) {
		t.Fatalf("%s has no canary", s.name)
	}
	return delivered{provider: s.provider, id: id, body: body}
}

// canaries returns all samples as new events: with a canary instead of each third value, so that the rest still means something, and instead
// of each value.
func canaries(t *testing.T) (list []delivered) {
	t.Helper()
	for _, s := range allTemplates(t) {
		for variant := range 4 {
			m := marker{every: 3, which: variant}
			if variant == 3 {
				m.every, m.which = 1, 0
			}
			list = append(list, m.event(t, s))
		}
	}
	return list
}

// canarySettings are settings full of canaries, with sinks that refuse all calls, a database whose user and password are canaries, and
// a Redis that may be asked with them only.
func canarySettings(t *testing.T, postgres *testservers.Postgres, redis *testservers.Redis, c *collector) (b backend, settings []string) {
	t.Helper()
	user, password := canary+"User", canary+"Password"
	db := backend{databaseURL: postgres.URL()}.open(t)
	if _, err := db.ExecContext(t.Context(), `CREATE ROLE "`+user+`" SUPERUSER LOGIN PASSWORD '`+password+`'`); err != nil {
		t.Fatal(err)
	}
	redis.Do("ACL SETUSER " + user + " on >" + password + " ~* &* +@all")
	login := func(url string) string { return strings.Replace(url, "://", "://"+user+":"+password+"@", 1) }
	b = backend{login(strings.Replace(postgres.URL(), "postgres@", "", 1)), login(redis.URL())}
	refusing, unauthorized := newSink(t, answering(http.StatusInternalServerError)), newSink(t, answering(http.StatusUnauthorized))
	settings = []string{
		"LOG_LEVEL=debug", "ADMIN_PASSWORD=" + password, "CALLBACK_URL=" + refusing.URL + "/" + canary, "SLACK_WEBHOOK_URL=" + refusing.URL + "/" + canary,
		"CALLBACK_SECRET=whsec_" + base64.StdEncoding.EncodeToString([]byte(canary+strings.Repeat("x", 24))),
		"SMTP_URL=" + login("smtp://"+testservers.FreeAddress(t)), "MAIL_FROM=kyc@example.com", "PUBLIC_URL=https://example.com",
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.URL + "/" + canary,
	}
	text, err := os.ReadFile(filepath.Join("..", ".env.example"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^(\w+_(API_KEY|API_KEY_ID|API_TOKEN|API_URL|PROJECT_ID))=`).FindAllSubmatch(text, -1) {
		value := canary + "-key-of-an-api"
		switch string(m[2]) {
		case "API_URL":
			value = unauthorized.URL // 500 would be tried again, as long as the test lasts
		case "PROJECT_ID": // no secret
			value = "project"
		}
		settings = append(settings, string(m[1])+"="+value)
	}
	return b, settings
}

// No value of a payload but the IDs, no secret, no header and no login is in a line of the log, in a trace, an error, an answer to a provider
// or a metric: not of correct deliveries, nor of forged, unreadable, poisonous and contradictory ones, nor in outages.
func TestCanaries(t *testing.T) {
	t.Parallel()
	postgres, redis, c := testservers.NewPostgres(t), testservers.NewRedis(t), newCollector(t, http.StatusBadRequest)
	b, settings := canarySettings(t, postgres, redis, c)
	r := start(t, b, settings...)
	r.patient = true
	hidden := []string{canary, secret, base64.StdEncoding.EncodeToString([]byte(canary))[:8]}
	clean := func(where, text string) {
		t.Helper()
		for _, h := range hidden {
			if at := strings.Index(text, h); at >= 0 {
				t.Errorf("%s: %s", where, text[max(0, at-300):min(len(text), at+100)])
			}
		}
	}
	send := func(provider string, body []byte, change func(http.Header)) {
		t.Helper()
		_, answer, err := r.trySend(provider, body, change)
		if err != nil {
			t.Fatal(err)
		}
		clean("answer to "+provider, answer)
	}
	asItIs := func(h http.Header) {
		for name, values := range h {
			if strings.Contains(strings.ToLower(name), "signature") {
				hidden = append(hidden, values...)
			}
		}
	}
	ids := []string{}
	for _, d := range canaries(t) {
		ids = append(ids, d.id)
		send(d.provider, d.body, asItIs)
	}
	signatures := hidden
	for _, s := range allTemplates(t) {
		body := (&marker{every: 1}).event(t, s).body
		quiet := func(http.Header) {}
		send(s.provider, body, func(h http.Header) {
			for name := range h {
				h.Set(name, canary)
			}
		})
		send(s.provider, append(s.event(uuid.NewString(), uuid.NewString(), now), canary...), quiet)
		for _, poison := range []string{`["` + canary + `"]`, `"` + canary + `\u0000"`, `"` + canary + `\ud83d"`} {
			send(s.provider, regexp.MustCompile(`"`+canary+`\d*"`).ReplaceAllLiteral(body, []byte(poison)), quiet)
		}
	}
	for name := range r.providers {
		r.post("/webhooks/"+name+"/"+canary, canary)
		send(name, []byte(`{"data":"`+canary+`"}`), func(http.Header) {})
	}
	hidden = signatures
	r.settle()
	redis.Kill()
	postgres.Kill()
	within(t, 10*time.Second, "not ready", func() bool { return r.ready() == http.StatusServiceUnavailable })
	send(r.anyProvider(), []byte(canary), func(http.Header) {})
	postgres.Start()
	r.eventually("ready", func() bool { return r.ready() == http.StatusOK })

	for _, e := range r.events("status=failed") {
		clean("error of an event", e.Error)
	}
	for _, f := range r.followUps("") {
		clean("error or note of a follow-up", f.Error+f.Note)
	}
	status, metrics, err := request(t.Context(), http.MethodGet, "http://admin:"+r.password+"@"+r.adminAddr+"/metrics", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if status == http.StatusOK {
		hidden = append(hidden, ids...)
		clean("/metrics", metrics)
		hidden = signatures
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	for _, trouble := range []string{"delivery rejected", "event unreadable", "event quarantined", "follow-up", "does not work", "attempt failed"} {
		if !strings.Contains(r.log.String(), trouble) {
			t.Errorf("no line about %q, want the log of many troubles", trouble)
		}
	}
	for line := range strings.Lines(r.log.String()) {
		clean("log", line)
	}
	if len(c.spans(t)) < len(ids) {
		t.Errorf("%d spans of %d events", len(c.spans(t)), len(ids))
	}
	for _, body := range c.bodies {
		clean("trace", string(body))
	}
}

func (r *running) anyProvider() string { return slices.Sorted(maps.Keys(r.providers))[0] }

// offered is the form of all that a task carries.
var offered = regexp.MustCompile(`^{"Work":"(pending_events|follow_ups)","DueAt":"[-0-9T:.Z]+","IDs":\[[0-9,]+\]}$`)

// Redis holds the numbers of rows and nothing else. A receiver without workers shows it: what it offers stays there.
func TestNoPersonalDataInRedis(t *testing.T) {
	t.Parallel()
	server := testservers.NewRedis(t)
	r := start(t, backend{testservers.DatabaseURL(t), server.URL()}, "ROLE=receiver")
	for _, d := range canaries(t) {
		r.send(d.provider, d.body)
	}
	client, inspector := inspect(t, server.URL())
	var tasks []*asynq.TaskInfo
	r.eventually("many events are offered", func() bool {
		tasks = nil
		for _, queue := range queues(t, inspector) {
			pending, err := inspector.ListPendingTasks(queue, asynq.PageSize(1000))
			if err != nil {
				t.Fatal(err)
			}
			tasks = append(tasks, pending...)
		}
		return len(tasks) > 30
	})
	for _, task := range tasks {
		if !offered.Match(task.Payload) {
			t.Errorf("task %s carries %q, want the IDs of rows and no more", task.ID, task.Payload)
		}
	}
	keys, err := client.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if value, err := client.Dump(t.Context(), key).Result(); err != nil || strings.Contains(key+value, canary) {
			t.Errorf("%s: %v, %q", key, err, value)
		}
	}
}

// inspect connects to a Redis.
func inspect(t *testing.T, url string) (*redis.Client, *asynq.Inspector) {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client, asynq.NewInspectorFromRedisClient(client)
}

func queues(t *testing.T, inspector *asynq.Inspector) []string {
	t.Helper()
	names, err := inspector.Queues()
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// The list of rejected deliveries holds nothing of them, and the public listener does not answer for the admin API.
func TestStoredBodiesAreOutOfReach(t *testing.T) {
	t.Parallel()
	r := start(t, sqlite(t))
	for _, d := range canaries(t) {
		r.post("/webhooks/"+d.provider, string(d.body))
		r.post("/webhooks/"+d.provider+"/"+canary, string(d.body))
	}
	var list struct{ Rejections []json.RawMessage }
	r.get("/api/rejections", &list)
	if len(list.Rejections) < 20 {
		t.Fatalf("%d rejections, want many", len(list.Rejections))
	}
	for _, rejection := range list.Rejections {
		if bytes.Contains(rejection, []byte(canary)) {
			t.Errorf("a part of the delivery: %s", rejection)
		}
	}
	if status, answer := r.post("/api/events", ""); status != http.StatusNotFound {
		t.Errorf("the public listener answers /api/events with %d %s, want 404", status, answer)
	}
}
