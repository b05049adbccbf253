package app_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"example.com/identity-webhooks/models"
)

// onfidoDouble answers as Onfido's API with one check of one person, or with a status other than 200.
type onfidoDouble struct {
	check  atomic.Value // status and result, such as "complete clear"
	status atomic.Int64
}

func (d *onfidoDouble) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var status, result string
	if n, _ := fmt.Sscan(d.check.Load().(string), &status, &result); n < 1 || r.Header.Get("Authorization") != "Token token="+secret {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch {
	case d.status.Load() != http.StatusOK:
		w.WriteHeader(int(d.status.Load()))
	case r.URL.Path == "/v3.6/checks/check-1":
		fmt.Fprintf(w, `{"id":"check-1","applicant_id":"person-1","status":%q,"result":%q}`, status, result)
	case r.URL.RequestURI() == "/v3.6/reports?check_id=check-1":
		fmt.Fprint(w, `{"reports":[{"id":"report-1","name":"document","status":"complete","result":"clear"}]}`)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// TestEventsWithoutContent: what an event only names is read from the provider's API. A check that was reopened undoes its result, whatever
// arrives late or twice. What cannot be read fails visibly and can be replayed.
func TestEventsWithoutContent(t *testing.T) {
	onBothBackends(t, func(t *testing.T, b backend) {
		double := &onfidoDouble{}
		double.status.Store(http.StatusOK)
		api := httptest.NewServer(double)
		t.Cleanup(api.Close)
		var strangers atomic.Int64
		stranger := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strangers.Add(1) }))
		t.Cleanup(stranger.Close)
		r := start(t, b, "ONFIDO_API_URL="+api.URL+"/v3.6/")
		event := func(action, id string, hour int) []byte {
			return fmt.Appendf(nil, `{"payload":{"resource_type":"check","action":%q,"object":{"id":%q,"completed_at_iso8601":%q,"href":%q}}}`,
				action, id, at(hour), stranger.URL+"/checks/check-1")
		}
		step := func(check, action string, hour int, want string) {
			t.Helper()
			double.check.Store(check)
			r.accept("onfido", event(action, "check-1", hour))
			r.settle()
			c := r.customer("person-1")
			if got := fmt.Sprintf("%s %d", c.Status, c.Revision); got != want {
				t.Errorf("%s, %s: customer %s, want %s", action, check, got, want)
			}
		}
		step("complete clear", "check.completed", 1, "verified 1")
		step("reopened", "check.reopened", 2, "in_review 2")
		step("complete consider", "check.completed", 3, "in_review 3")
		step("complete clear", "check.completed", 4, "verified 4")
		step("in_progress", "check.started", 0, "verified 5") // late, and read late: it counts from its own time
		if status, answer := r.send("onfido", event("check.completed", "check-1", 4)); status != http.StatusOK || answer != duplicate {
			t.Errorf("answered %d %s, want it to be a duplicate", status, answer)
		}

		r.accept("onfido", event("check.completed", "no-such-check", 5))
		r.settle()
		double.status.Store(http.StatusUnauthorized)
		r.accept("onfido", event("check.completed", "check-1", 6))
		r.settle()
		failed := r.events("provider=onfido&status=failed")
		if len(failed) != 1 || !strings.Contains(failed[0].Error, "the credentials are not accepted") {
			t.Fatalf("failed events %+v", failed)
		}
		double.status.Store(http.StatusOK)
		r.call(http.MethodPost, fmt.Sprintf("/api/events/%d/replay", failed[0].ID), http.StatusAccepted, &struct{}{})
		r.settle()
		if c := r.customer("person-1"); c.Status != models.StatusVerified || c.Revision != 6 {
			t.Errorf("customer %+v, want the replay to count", c)
		}
		ignored, reads, read := 0, 0, models.Event{}
		for _, e := range r.events("provider=onfido") {
			switch {
			case e.WasRead() && e.Type == "checks" && e.CorrelationID == "check-1":
				reads, read = reads+1, e
			case e.Outcome == models.Ignored && strings.HasPrefix(e.Reason, "gone"):
				ignored++
			}
		}
		if ignored != 1 || reads != 6 || strangers.Load() > 0 {
			t.Errorf("%d events are gone, %d were read, a URL of an event was called %d times", ignored, reads, strangers.Load())
		}
		path := fmt.Sprintf("/events/%d", read.ID)
		_, curl, err := request(t.Context(), http.MethodPost, "http://"+r.adminAddr+path+"/copy?as=curl", nil, nil)
		if page := r.page(path); err != nil || !strings.Contains(page, "read from the provider's API") || strings.Contains(page, "as=curl") || curl[0] != '#' {
			t.Errorf("the inspector shows a read as a delivery: %v %s %s", err, curl, page)
		}
		values := r.completeScrape()
		for result, want := range map[string]string{"new": "6", "known": "0", "gone": "1", "failed": "1"} {
			if got := values[fmt.Sprintf(`webhooks_reads_total{provider="onfido",result=%q}`, result)]; got != want {
				t.Errorf("reads %s: %s, want %s", result, got, want)
			}
		}
		if log := r.log.String(); strings.Contains(log, secret) || strings.Contains(log, "person-1") {
			t.Error("the log contains the token or a person")
		}
	})
}

// TestOnfidoHold: new matches of a monitor put the person on hold until a report on that list is clear, and reports on other lists do not
// count. A match holds whether or not its report is complete.
func TestOnfidoHold(t *testing.T) {
	t.Parallel()
	var report atomic.Value
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/watchlist_monitors/"):
			fmt.Fprint(w, `{"applicant_id":"person-1","report_name":"watchlist_standard"}`)
		case strings.HasPrefix(r.URL.Path, "/checks/"):
			fmt.Fprint(w, `{"applicant_id":"person-1","status":"complete"}`)
		default:
			fmt.Fprint(w, report.Load())
		}
	}))
	t.Cleanup(api.Close)
	r := start(t, sqlite(t), "ONFIDO_API_URL="+api.URL)
	for i, c := range []struct {
		action, list, status, result string
		hold                         bool
	}{
		{"watchlist_monitor.matches_updated", "", "", "", true},
		{"report.completed", "watchlist_peps_only", "complete", "clear", true},
		{"report.completed", "watchlist_standard", "complete", "clear", false},
		{"report.awaiting_approval", "watchlist_standard", "awaiting_approval", "consider", true},
		{"report.completed", "watchlist_standard", "complete", "clear", false},
	} {
		report.Store(fmt.Sprintf(`{"id":"report-%d","check_id":"check-1","name":%q,"status":%q,"result":%q}`, i, c.list, c.status, c.result))
		r.accept("onfido", fmt.Appendf(nil, `{"payload":{"action":%q,"object":{"id":"object-%d","completed_at_iso8601":%q}}}`, c.action, i, at(i)))
		r.settle()
		if got := r.customer("person-1").AMLHold; got != c.hold {
			t.Errorf("%d, %s %s %s: hold %t, want %t", i, c.action, c.list, c.result, got, c.hold)
		}
	}
}

// TestEventsWithoutCredentials: without credentials, an event that needs a read fails with the name of the variable.
func TestEventsWithoutCredentials(t *testing.T) {
	t.Parallel()
	r := start(t, sqlite(t), "ONFIDO_API_TOKEN=")
	r.accept("onfido", sample(t, "onfido/check.completed"))
	r.settle()
	if e := r.events("status=failed"); len(e) != 1 || !strings.Contains(e[0].Error, "set ONFIDO_API_TOKEN to read events of onfido") {
		t.Errorf("%+v", r.events(""))
	}
}
