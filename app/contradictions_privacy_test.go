package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/models"
)

// Payloads hold personal data: where it must not show up.

// personal are the members of payloads that say something about a person.
var personal = regexp.MustCompile(`^(first|last|full|matched|legal)?_?name$|^(first|last)Name$|mail|^(line1|city)$|^date_of_birth$|` +
	`^(document|registration)_number$|^headline$|^title$|^reason$|^description$|^reference$|^message$|_details$|_notes$|_reason$|` +
	`^(resolved|escalated|changed|reviewed|assigned)_by$|^escalated_to$|^external_id$`)

// canary stands for personal data. It is as long as a name, so that nothing cuts it off.
const canary = "Zyxwvut"

// withCanary puts the canary into all that is personal.
func withCanary(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = withCanary(v[i])
		}
	case map[string]any:
		for name, value := range v {
			if _, isText := value.(string); isText && personal.MatchString(name) {
				v[name] = canary
			} else {
				v[name] = withCanary(value)
			}
		}
	}
	return v
}

// canaries are the bodies of all samples, full of canaries.
func canaries(t *testing.T, each func(provider string, body []byte)) {
	t.Helper()
	carriers := 0
	for _, name := range samples(t) {
		var v any
		if err := json.Unmarshal(sample(t, name), &v); err != nil {
			t.Fatal(err)
		}
		body, err := json.Marshal(withCanary(v))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(body, []byte(canary)) {
			carriers++
		}
		provider, _, _ := strings.Cut(name, "/")
		each(provider, body)
	}
	if carriers < 30 {
		t.Fatalf("only %d samples carry a canary", carriers)
	}
}

// renumbered is the body as another event.
func renumbered(t *testing.T, body []byte) []byte {
	t.Helper()
	for _, id := range []string{"event_id", "id", "data.sessionId", "Session.Id"} {
		if gjson.GetBytes(body, id).Exists() {
			var err error
			if body, err = sjson.SetBytes(body, id, uuid.NewString()); err != nil {
				t.Fatal(err)
			}
		}
	}
	return body
}

// No line of the log holds a name, an e-mail address or the like, nor a secret: not of deliveries as they should be, nor of
// forged, unreadable, poisonous and contradictory ones.
func noPersonalDataInLog(t *testing.T) {
	r := start(t, sqlite(t))
	send := func(provider string, body []byte, spoil func(http.Header)) {
		if _, _, err := r.trySend(provider, body, spoil); err != nil {
			t.Fatal(err)
		}
	}
	asItIs := func(http.Header) {}
	canaries(t, func(provider string, body []byte) {
		send(provider, body, func(h http.Header) { h.Set("X-Webhook-Signature", canary) })
		send(provider, body, asItIs)
		send(provider, body, asItIs)
		send(provider, append(body, ' '), asItIs) // the same ID with another body
		send(provider, body[:len(body)-1], asItIs)
		for _, poison := range []string{`["` + canary + `"]`, `"` + canary + `\u0000"`} {
			send(provider, bytes.ReplaceAll(renumbered(t, body), []byte(`"`+canary+`"`), []byte(poison)), asItIs)
		}
	})
	for _, set := range [][]any{
		{"data.applicant_id", canary, "data.risk_score", canary}, {"data.applicant_id", map[string]string{canary: canary}}, {"data", canary},
	} {
		r.accept("trustgate", fresh(t, "trustgate/applicant.reviewed", set...))
	}
	r.post("/webhooks/trustist/"+canary, canary)
	r.settle()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	for _, trouble := range []string{"delivery rejected", "event unreadable", "event quarantined", "event failed"} {
		if n := strings.Count(r.log.String(), trouble); n < 20 {
			t.Errorf("%d lines about %q, want the log of many troubles", n, trouble)
		}
	}
	for line := range strings.Lines(r.log.String()) {
		if strings.Contains(line, canary) || strings.Contains(line, secret) {
			t.Errorf("personal data or a secret in the log: %s", line)
		}
	}
}

// Redis holds the numbers of events and nothing else. A receiver without workers shows it: what it offers stays there.
func noPersonalDataInRedis(t *testing.T) {
	server := testservers.NewRedis(t)
	b := backend{newPostgresURL(t), server.URL()}
	r := start(t, b, "ROLE=receiver")
	canaries(t, func(provider string, body []byte) { r.send(provider, body) })
	events := len(r.events("")) - len(r.events("status=failed")) - len(r.events("status=quarantined"))

	options, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	inspector := asynq.NewInspectorFromRedisClient(client)
	var tasks []*asynq.TaskInfo
	r.eventually("all events are offered", func() bool {
		tasks = nil
		offered := 0
		for _, queue := range []string{models.CriticalQueue, models.DefaultQueue} {
			pending, err := inspector.ListPendingTasks(queue, asynq.PageSize(1000))
			if err != nil && !errors.Is(err, asynq.ErrQueueNotFound) {
				t.Fatal(err)
			}
			tasks = append(tasks, pending...)
		}
		for _, task := range tasks {
			offered += len(strings.Fields(string(task.Payload)))
		}
		return offered >= events
	})
	offers := regexp.MustCompile(`^event:[0-9]+:[0-9]+( event:[0-9]+:[0-9]+)*$`)
	for _, task := range tasks {
		first, _, _ := strings.Cut(string(task.Payload), " ")
		if !offers.Match(task.Payload) || task.ID != first || task.Type != "event" {
			t.Errorf("task %s %s carries %q, want event:<id>:<offers> for each event, and no more", task.Type, task.ID, task.Payload)
		}
	}
	for key, value := range redisContents(t, client) {
		if strings.Contains(key+value, canary) || strings.Contains(key+value, "46eb1142") {
			t.Errorf("personal data in Redis: %s %q", key, value)
		}
	}
}

// redisContents reads all there is in a Redis, as text by key.
func redisContents(t *testing.T, client *redis.Client) map[string]string {
	t.Helper()
	ctx := context.Background()
	keys, err := client.Keys(ctx, "*").Result()
	if err != nil || len(keys) == 0 {
		t.Fatalf("keys %q, %v", keys, err)
	}
	contents := map[string]string{}
	for _, key := range keys {
		read := map[string][]any{
			"string": {"GET", key}, "list": {"LRANGE", key, 0, -1}, "set": {"SMEMBERS", key}, "hash": {"HGETALL", key}, "zset": {"ZRANGE", key, 0, -1},
		}[client.Type(ctx, key).Val()]
		value, err := client.Do(ctx, read...).Result()
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		contents[key] = fmt.Sprint(value)
	}
	return contents
}

// What is stored holds personal data, so the API that shows it is for this machine alone, or for who knows the password. The
// list of rejected deliveries holds nothing of them.
func storedBodiesOutOfReach(t *testing.T) {
	if _, err := app.ReadConfig([]string{"ADMIN_ADDR=:8081"}); err == nil {
		t.Error("an admin API that others can reach starts without a password")
	}
	r := start(t, sqlite(t))
	canaries(t, func(provider string, body []byte) {
		if provider == "trustist" {
			r.post("/webhooks/trustist/"+canary, string(body))
			return
		}
		r.post("/webhooks/"+provider, string(body))
	})
	var list struct{ Rejections []json.RawMessage }
	r.get("/api/rejections", &list)
	if len(list.Rejections) < 50 {
		t.Fatalf("%d rejections, want one for each sample", len(list.Rejections))
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
