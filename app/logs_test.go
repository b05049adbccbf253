package app_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/models"
)

// checkLine returns an error unless a line is one JSON object with time, level and msg, and with no key twice in any object.
func checkLine(line string) error {
	d := json.NewDecoder(strings.NewReader(line))
	var value func(depth int) error
	value = func(depth int) error {
		token, err := d.Token()
		if err != nil {
			return err
		}
		delim, isDelim := token.(json.Delim)
		switch {
		case depth == 0 && delim != '{':
			return errors.New("want an object")
		case !isDelim:
			return nil
		}
		keys := []string{}
		for d.More() {
			if delim == '{' {
				key, err := d.Token()
				if err != nil {
					return err
				}
				if slices.Contains(keys, key.(string)) {
					return fmt.Errorf("key %q twice", key)
				}
				keys = append(keys, key.(string))
			}
			if err := value(depth + 1); err != nil {
				return err
			}
		}
		for _, key := range []string{"time", "level", "msg"} {
			if depth == 0 && !slices.Contains(keys, key) {
				return fmt.Errorf("no key %q", key)
			}
		}
		_, err = d.Token() // the end of it
		return err
	}
	if err := value(0); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than an object")
	}
	return nil
}

// The program writes one JSON object a line, and nothing else, through deliveries, rejections, failures and outages of Redis and Postgres.
// Each outage is one line when it begins and one when it is over, however many parts notice it. A collector that is down is one line a minute,
// which does not hold the path of its URL.
func TestOutagesAreLoggedOnce(t *testing.T) {
	t.Parallel()
	postgres, redis := testservers.NewPostgres(t), testservers.NewRedis(t)
	v := anyVerdicts(t)
	p := launch(t, build(t), "all", backend{postgres.URL(), redis.URL()}, "LOG_FORMAT=json", "LOG_LEVEL=info",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://"+testservers.FreeAddress(t)+"/"+canary, "OTEL_EXPORTER_OTLP_HEADERS=authorization "+canary)
	p.patient = true
	for _, s := range allTemplates(t) {
		p.send(s.provider, []byte(s.body))
	}
	p.accept(v.provider, v.yes.event("unusable", unusable, now))
	p.accept(v.provider, []byte(`{`))
	p.post("/webhooks/"+v.provider, "forged")
	p.post("/webhooks/nobody", "forged")
	p.settle()

	half := func() { <-time.After(2500 * time.Millisecond) } // of an outage that parts notice again and again
	redis.Kill()
	half() // nothing is due
	ids := p.acceptNew(5)
	half()
	redis.Start()
	p.eventually("the outage of Redis is over", func() bool { return p.lines("Redis does not work", ": over") == 1 })
	ids = append(ids, p.outage(fault{"killed", func() { postgres.Kill(); half() }, func() { half(); postgres.Start() }}, 20*time.Second))
	p.eventually("the outage of Postgres is over", func() bool { return p.lines("the database does not work", ": over") == 1 })
	ids = append(ids, p.acceptNewAndSettle(5)...)
	p.applied(ids)
	if len(p.events("status="+string(models.Failed))) == 0 {
		t.Error("no event has failed")
	}
	p.end(syscall.SIGTERM)
	for _, what := range []string{"Redis does not work", "the database does not work"} {
		if begun, over := p.lines(what, `"err"`), p.lines(what, ": over"); begun != 1 || over != 1 {
			t.Errorf("%s: %d lines about a beginning and %d about an end, want one of each", what, begun, over)
		}
	}
	if n := p.lines("tracing does not work", "refused"); n < 1 || n > 2 || p.lines(canary) > 0 {
		t.Errorf("%d lines about the collector and %d with its path or headers, want one and none", n, p.lines(canary))
	}
	for line := range strings.Lines(p.log.String()) {
		if err := checkLine(line); err != nil && !strings.HasPrefix(line, "(ended: ") {
			t.Errorf("%v: %s", err, line)
		}
	}
}

// lines counts the lines of the log that hold all of these texts.
func (r *running) lines(texts ...string) (n int) {
	for line := range strings.Lines(r.log.String()) {
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
			n++
		}
	}
	return n
}
