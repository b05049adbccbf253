package app_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"example.com/identity-webhooks/app/testservers"
)

// Payloads hold personal data. These tests look for it where it must not be.

// personal are the members of payloads that say something about a person.
var personal = regexp.MustCompile(`^(first|last|full|matched|legal)?_?name$|^(first|last)Name$|mail|^(line1|city)$|^date_of_birth$|^birthdate$|` +
	`^(document|registration|identification)[_-]number$|^headline$|^title$|^reason$|^description$|^reference$|^message$|_details$|_notes$|_reason$|` +
	`^(resolved|escalated|changed|reviewed|assigned)_by$|^escalated_to$|^external_id$|^name-(first|last)$`)

// canary stands for personal data. It is as long as a name, so that nothing cuts it off.
const canary = "Zyxwvut"

// withCanary puts the canary into all that is personal, and not the event's type.
func withCanary(v any, eventType string) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = withCanary(v[i], eventType)
		}
	case map[string]any:
		for name, value := range v {
			if text, isText := value.(string); isText && text != eventType && personal.MatchString(name) {
				v[name] = canary
			} else {
				v[name] = withCanary(value, eventType)
			}
		}
	}
	return v
}

// canaries returns all samples as new events, full of canaries.
func canaries(t *testing.T) (list []delivered) {
	t.Helper()
	carriers := 0
	for _, s := range allTemplates(t) {
		var v any
		if err := json.Unmarshal(s.event(uuid.NewString(), uuid.NewString(), now), &v); err != nil {
			t.Fatal(err)
		}
		eventType := ""
		if len(s.want.Events) > 0 {
			eventType = s.want.Events[0].Type
		}
		body, err := json.Marshal(withCanary(v, eventType))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(body, []byte(canary)) {
			carriers++
		}
		list = append(list, delivered{provider: s.provider, body: body})
	}
	if carriers < len(list)/4 {
		t.Fatalf("only %d of %d samples carry a canary", carriers, len(list))
	}
	return list
}

// No line of the log holds a name, an e-mail address or the like, nor a secret: not of correct deliveries, nor of forged, unreadable,
// poisonous and contradictory ones.
func TestNoPersonalDataInLog(t *testing.T) {
	t.Parallel()
	r := start(t, sqlite(t))
	send := func(provider string, body []byte, change func(http.Header)) {
		if _, _, err := r.trySend(provider, body, change); err != nil {
			t.Fatal(err)
		}
	}
	asItIs := func(http.Header) {}
	for _, d := range canaries(t) {
		send(d.provider, d.body, func(h http.Header) {
			for name := range h {
				h.Set(name, canary)
			}
		})
		send(d.provider, d.body, asItIs)
		send(d.provider, d.body, asItIs)
		send(d.provider, append(d.body, ' '), asItIs) // the same ID with another body
		send(d.provider, d.body[:len(d.body)-1], asItIs)
	}
	for _, poison := range []string{`["` + canary + `"]`, `"` + canary + `\u0000"`, `"` + canary + `\ud83d"`} {
		for _, d := range canaries(t) {
			send(d.provider, bytes.ReplaceAll(d.body, []byte(`"`+canary+`"`), []byte(poison)), asItIs)
		}
	}
	for name := range r.providers {
		r.post("/webhooks/"+name+"/"+canary, canary)
		send(name, []byte(`{"data":"`+canary+`"}`), asItIs)
	}
	r.settle()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	for _, trouble := range []string{"delivery rejected", "event unreadable", "event quarantined"} {
		if n := strings.Count(r.log.String(), trouble); n < 5 {
			t.Errorf("%d lines about %q, want the log of many troubles", n, trouble)
		}
	}
	for line := range strings.Lines(r.log.String()) {
		if strings.Contains(line, canary) || strings.Contains(line, secret) {
			t.Errorf("personal data or a secret in the log: %s", line)
		}
	}
}

// offered is all that a task may hold: the numbers of rows.
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
