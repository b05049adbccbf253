package inspector_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/handlers/inspector"
	"example.com/identity-webhooks/migrations"
	"example.com/identity-webhooks/models"
)

func TestMain(m *testing.M) { os.Exit(testservers.Main(m)) }

// desk is the inspector on an empty store, with everything that it is connected to.
type desk struct {
	t      testing.TB
	config inspector.Config
	log    *bytes.Buffer
	admin  http.Handler
}

// newDesk returns an inspector. change may alter its settings.
func newDesk(t testing.TB, databaseURL, password string, change func(*inspector.Config)) *desk {
	t.Helper()
	store, err := models.Open(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := migrations.Up(t.Context(), store.DB(), store.Dialect()); err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, log: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(d.log, nil))
	d.config = inspector.Config{
		Store: store, Rejections: &handlers.Rejections{}, Subscriptions: func() []handlers.SubscriptionState {
			return []handlers.SubscriptionState{{Provider: "unlisted", ID: "w1", Problem: "it is not active", Fix: "go run . subscriptions"}}
		},
		Catalogue: []inspector.Sample{{Provider: "unlisted", Generation: "v1", Type: "person.reviewed", Meaning: "A review.", Body: []byte(`{"id":"evt_1"}`)}},
		Translate: func(models.Event) (models.Facts, error) { return facts, nil },
		Queues: func(context.Context) ([]inspector.Queue, error) {
			return []inspector.Queue{{Name: "default", Processed: 1234}}, nil
		},
		Send: func(context.Context, string, []byte) (string, error) { return "", errors.New("nothing listens") },
		Wake: func() {}, Log: log,
	}
	if change != nil {
		change(&d.config)
	}
	d.admin = handlers.NewAdmin(handlers.AdminConfig{
		Store: store, Rejections: d.config.Rejections, Subscriptions: d.config.Subscriptions, Wake: func() {}, Pages: inspector.New(d.config),
		Password: password, Log: log,
	})
	return d
}

func sqliteURL(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "webhooks.db") }

// onBothDialects runs a test with a SQLite file and with a Postgres database.
func onBothDialects(t *testing.T, test func(t *testing.T, databaseURL string)) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); test(t, sqliteURL(t)) })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); test(t, testservers.DatabaseURL(t)) })
}

// facts are the facts of every event in these tests.
var facts = models.Facts{
	SubjectID: "subject-1",
	Profile:   models.Profile{models.ExternalID: "acct-1", models.FirstName: "Rosalind", models.LastName: "Canary", models.Email: "rosalind@canary.example"},
	Decisions: []models.Decision{{Source: models.FromApplicant, Authority: models.ByManual, Status: models.StatusVerified, Reason: "all good", Reviewer: "user_7"}},
	Checks:    []models.Check{{Kind: models.ScreeningCheck, CheckID: "chk_1", Status: models.CheckHit, HitCount: 1}},
	Hits:      []models.Hit{{HitID: "hit_1", Kind: models.HitKind, CheckIDs: []string{"chk_1"}, Type: "pep", Name: "Rosalind Canary"}},
	Case:      &models.CaseFacts{CaseID: "case_1", Opened: &models.Opening{Type: "pep", Priority: "high", Reason: "a match"}},
	Company: &models.CompanyFacts{
		CompanyID: "company_1", Registered: &models.Registration{LegalName: "Canary Ltd"}, Owner: &models.BeneficialOwner{OwnerID: "o1", Name: "Rosalind Canary"},
	},
}

var noon = time.Date(2026, 2, 4, 12, 0, 0, 0, time.UTC)

// process stores an event of a person and applies it.
func (d *desk) process(externalID string) int64 {
	d.t.Helper()
	d.add(externalID, "person.reviewed")
	ctx, now := d.t.Context(), time.Now()
	offer, _, err := d.config.Store.Offer(ctx, models.EventWork, models.DefaultQueue, 1, now)
	if err != nil {
		d.t.Fatal(err)
	}
	claimed, err := d.config.Store.ClaimEvents(ctx, offer, now)
	if err != nil || len(claimed) != 1 {
		d.t.Fatalf("%d claimed, %v", len(claimed), err)
	}
	tell := func(models.Change) []models.FollowUp { return []models.FollowUp{{Name: "tell", Queue: "tell"}} }
	if _, _, err := d.config.Store.ApplyEvent(ctx, claimed[0], facts, tell, models.At(now)); err != nil {
		d.t.Fatal(err)
	}
	return claimed[0].ID
}

// add stores an event that waits.
func (d *desk) add(externalID, eventType string) {
	d.t.Helper()
	if _, err := d.config.Store.AddEvent(d.t.Context(), models.Event{
		Provider: "unlisted", Generation: "v1", ExternalID: externalID, Type: eventType, Queue: models.DefaultQueue, Secret: "276c011b",
		Body: []byte(`{"id":"` + externalID + `","name":"Rosalind Canary"}`), OccurredAt: models.At(noon), ReceivedAt: models.At(time.Now()),
	}); err != nil {
		d.t.Fatal(err)
	}
}

// ask makes a request as a browser on the same machine does.
func (d *desk) ask(method, path string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	d.t.Helper()
	body := io.Reader(nil)
	target, form, isForm := strings.Cut(path, " ")
	if isForm {
		body = strings.NewReader(form)
	}
	r := httptest.NewRequestWithContext(d.t.Context(), method, "http://localhost:8081"+target, body)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if isForm {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	d.admin.ServeHTTP(w, r)
	return w
}

// get returns a page, and checks its status.
func (d *desk) get(path string, status int) string {
	d.t.Helper()
	w := d.ask(http.MethodGet, path)
	if w.Code != status {
		d.t.Errorf("GET %s: %d, want %d\n%.500s", path, w.Code, status, w.Body)
	}
	return w.Body.String()
}

// says checks that a page contains texts.
func says(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			_, main, _ := strings.Cut(page, "<main")
			t.Errorf("the page does not say %q:\n%.3000s", text, main)
		}
	}
}

// pages are all pages about one event and its customer.
var pages = []string{
	"/", "/events", "/events?status=processed", "/events/1", "/customers", "/customers/1", "/customers?q=rosalind", "/cases", "/companies", "/follow-ups", "/queues", "/catalogue",
}

// A payload that would be huge if it were indented is shown as it is.
func TestDeepPayload(t *testing.T) {
	d := newDesk(t, sqliteURL(t), "", nil)
	body := `{"a":"` + strings.Repeat("}", 9000) + `","b":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`
	if _, err := d.config.Store.AddEvent(t.Context(), models.Event{
		Provider: "unlisted", ExternalID: "deep", Type: "person.reviewed", Queue: models.DefaultQueue, Body: []byte(body),
		OccurredAt: models.At(noon), ReceivedAt: models.At(noon),
	}); err != nil {
		t.Fatal(err)
	}
	if page := d.get("/events/1", 200); len(page) > 100_000 || !strings.Contains(page, "[[[[") {
		t.Errorf("a page of %d bytes for a payload of %d", len(page), len(body))
	}
}

func TestPages(t *testing.T) {
	onBothDialects(t, func(t *testing.T, databaseURL string) {
		d := newDesk(t, databaseURL, "", nil)
		for _, path := range pages[1:] { // without rows
			if !strings.HasSuffix(path, "/1") {
				d.get(path, 200)
			}
		}
		first := d.process("evt_2")
		second := d.process("evt_1") // of the same time: the external ID decides which is newer
		d.add("evt_3", "person.reviewed")
		says(t, d.get("/", 200), "Deliveries per minute", "applied 1", "acct-1", "it is not active", "go run . subscriptions")
		says(t, d.get("/events", 200), "unlisted: a person approved acct-1 by hand", "evt_3", "stale", "received")
		page := d.get(eventPath(first), 200)
		says(t, page, "a person approved acct-1 by hand", "276c011b", "It established at least one new fact.", "Before", "verified", "tell", "Rosalind Canary",
			eventPath(second)) // the next one of the same customer
		if strings.Contains(page, `<td class="before">pending`) {
			t.Error("a new customer has a status before the event that created it")
		}
		says(t, d.get("/customers/1", 200), "Why verified", "A person decided about the applicant", "all good", "user_7", "rosalind@canary.example", "hit_1", "case_1", "tell")
		says(t, d.get("/cases", 200), "case_1", "high", "a match", "/customers/1")
		says(t, d.get("/companies", 200), "Canary Ltd", "Rosalind Canary")
		says(t, d.get("/follow-ups", 200), "tell", "waiting")
		says(t, d.get("/queues", 200), "default", "1\u202f234")
		says(t, d.get("/catalogue", 200), "person.reviewed", "A review.", "Send it")
		for _, path := range []string{"/events/99", "/customers/99"} {
			d.get(path, 404)
		}
		for _, path := range []string{"/events/x", "/events?stauts=failed", "/events?status=fialed", "/events?since=yesterday", "/customers?aml_hold=perhaps", "/events/replay"} {
			d.get(path, 400)
		}
	})
}

func eventPath(id int64) string { return fmt.Sprintf("/events/%d", id) }

// TestManyDeliveries: the overview says so if it does not count all deliveries of the last hour.
func TestManyDeliveries(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sqliteURL(t), "", nil)
	d.grow(20_500, 10)
	if _, err := d.config.Store.DB().ExecContext(t.Context(), "UPDATE events SET received_at = ?", time.Now().UnixMicro()); err != nil {
		t.Fatal(err)
	}
	says(t, d.get("/", 200), "Only the newest 20 000 are counted")
}

// TestCustomerSearch finds a person by name, e-mail address and every ID.
func TestCustomerSearch(t *testing.T) {
	onBothDialects(t, func(t *testing.T, databaseURL string) {
		d := newDesk(t, databaseURL, "", nil)
		d.process("evt_1")
		for text, found := range map[string]bool{
			"rosalind": true, "Canary": true, "rosalind can": true, "CANARY.EXAMPLE": true, "acct-1": true, "subject-1": true, "case_1": true, "evt_1": true,
			"1": true, "osalind c": false, "acct": false, "%": false, "_osalind": false, "2": false,
		} {
			page := d.get("/customers?q="+url.QueryEscape(text), 200)
			if strings.Contains(page, "rosalind@canary.example") != found {
				t.Errorf("search for %q: found is %t, want %t", text, !found, found)
			}
		}
		says(t, d.get("/customers?q=rosalind&status=failed", 200), "No customer matches")
	})
}

// TestUpdates: an update by htmx gets only the live part of a page.
func TestUpdates(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sqliteURL(t), "", nil)
	d.add("evt_1", "person.reviewed")
	page := d.ask(http.MethodGet, "/events", func(r *http.Request) { r.Header.Set("HX-Target", "live") }).Body.String()
	says(t, page, `<div id="live"`, "evt_1")
	if strings.Contains(page, "<html") {
		t.Errorf("an update is a whole page: %.200s", page)
	}
}

// TestStaticFiles: they have the right content type, and are not sent again if they have not changed.
func TestStaticFiles(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sqliteURL(t), "", nil)
	for file, want := range map[string]string{"style.css": "text/css", "app.js": "text/javascript", "htmx.min.js": "text/javascript", "icon.svg": "image/svg+xml"} {
		w := d.ask(http.MethodGet, "/static/"+file)
		if got := w.Header().Get("Content-Type"); w.Code != http.StatusOK || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %d %s, want %s", file, w.Code, got, want)
		}
		again := d.ask(http.MethodGet, "/static/"+file, func(r *http.Request) { r.Header.Set("If-None-Match", w.Header().Get("ETag")) })
		if again.Code != http.StatusNotModified {
			t.Errorf("%s again: %d, want 304", file, again.Code)
		}
	}
	for _, file := range []string{"..%2finspector.go", "nothing"} {
		if w := d.ask(http.MethodGet, "/static/"+file); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", file, w.Code)
		}
	}
}

func TestPaging(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sqliteURL(t), "", nil)
	for n := range 120 {
		d.add(fmt.Sprintf("evt_%03d", n), "person.reviewed")
	}
	next, seen := "/events?provider=unlisted", 0
	for range 3 {
		page := d.get(next, 200)
		seen += strings.Count(page, `id="e`)
		if _, rest, found := strings.Cut(page, `<a class="button" href="/events?cursor=`); found {
			cursor, _, _ := strings.Cut(rest, `"`)
			next = "/events?cursor=" + strings.ReplaceAll(cursor, "&amp;", "&")
		}
	}
	if seen != 120 {
		t.Errorf("three pages list %d events, want all 120", seen)
	}
}

// TestReplayFiltered: the page first shows how many events would be replayed, and a second request replays them.
func TestReplayFiltered(t *testing.T) {
	onBothDialects(t, func(t *testing.T, databaseURL string) {
		d := newDesk(t, databaseURL, "", nil)
		for _, id := range []string{"evt_1", "evt_2"} {
			d.add(id, "broken")
		}
		ctx := t.Context()
		offer, _, err := d.config.Store.Offer(ctx, models.EventWork, models.DefaultQueue, 10, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		claimed, err := d.config.Store.ClaimEvents(ctx, offer, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range claimed {
			if err := d.config.Store.Retry(ctx, models.EventWork, e.ID, e.Attempts, errors.New("it is broken"), time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
		failed := func() int {
			events, err := d.config.Store.Events(ctx, models.EventFilter{Status: models.Failed}, models.Page{Limit: 10})
			if err != nil {
				t.Fatal(err)
			}
			return len(events)
		}
		says(t, d.get("/events/1", 200), "it is broken", "Replay", "attempt 1 at")
		says(t, d.get("/events/replay?status=failed&since=1h", 200), "2 events would be replayed")
		says(t, d.get("/events/replay?status=failed&until=1h", 200), "None of these events can be replayed")
		if n := failed(); n != 2 {
			t.Fatalf("%d failed events after a dry run, want 2", n)
		}
		if w := d.ask(http.MethodPost, "/events/1/replay"); w.Code != http.StatusSeeOther || failed() != 1 {
			t.Errorf("replay of one: %d, %d still failed", w.Code, failed())
		}
		says(t, d.ask(http.MethodPost, "/events/replay?status=failed").Body.String(), "1 event is being processed again")
		if n := failed(); n != 0 {
			t.Errorf("%d failed events after the replay", n)
		}
		if n := strings.Count(d.log.String(), "msg=replayed"); n != 2 {
			t.Errorf("the log has %d lines about replays, want 2", n)
		}
		if w := d.ask(http.MethodPost, "/events/replay"); w.Code != http.StatusBadRequest {
			t.Errorf("a replay without a filter: %d", w.Code)
		}
	})
}

// TestMasking: with MASK_PERSONAL_DATA no page shows personal data until somebody asks for it, and each time is logged.
func TestMasking(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sqliteURL(t), "", func(c *inspector.Config) { c.Mask = true })
	d.process("evt_1")
	personal := []string{"Rosalind", "rosalind@canary.example", "all good", "a match"} // the reasons may name somebody
	for _, path := range pages {
		page := strings.ReplaceAll(d.get(path, 200), "?q=rosalind", "")
		for _, text := range personal {
			if strings.Contains(strings.ReplaceAll(page, `value="rosalind"`, ""), text) {
				t.Errorf("GET %s shows %q", path, text)
			}
		}
	}
	if strings.Contains(d.log.String(), "personal data shown") {
		t.Error("it is logged that personal data was shown, but it was not")
	}
	for n, path := range []string{"/events/1/reveal", "/customers/1/reveal", "/companies/reveal", "/events/1/copy?as=sample"} {
		w := d.ask(http.MethodPost, path)
		says(t, w.Body.String(), "Rosalind")
		if lines := strings.Count(d.log.String(), "personal data shown"); lines != n+1 {
			t.Errorf("after POST %s the log has %d lines about it, want %d", path, lines, n+1)
		}
		if got := d.ask(http.MethodGet, path).Code; got != http.StatusNotFound && got != http.StatusMethodNotAllowed {
			t.Errorf("GET %s: %d", path, got)
		}
	}
	if strings.Contains(d.log.String(), "Rosalind") {
		t.Errorf("the log has a name:\n%s", d.log)
	}
}

// TestWhoMayLook walks all routes of the admin side: other sites, other hosts and wrong passwords are refused, no page may be in a frame or run
// an inline script, and the public server has none of these routes.
func TestWhoMayLook(t *testing.T) {
	t.Parallel()
	open, locked := newDesk(t, sqliteURL(t), "", nil), newDesk(t, sqliteURL(t), "correct horse battery", nil)
	receiver := handlers.NewReceiver(open.config.Store, func(string, string, string) string { return models.DefaultQueue }, func() {}, &handlers.Rejections{}, open.config.Log)
	public := handlers.NewRouter(receiver, nil, open.config.Store.Ready, open.config.Log)
	routes := open.admin.(*gin.Engine).Routes()
	if len(routes) < 25 {
		t.Fatalf("%d routes, want all of the admin side", len(routes))
	}
	for _, route := range routes {
		path := strings.NewReplacer(":id", "1", ":file", "style.css", "*name", "cmdline").Replace(route.Path)
		what := route.Method + " " + path
		for name, change := range map[string]func(*http.Request){
			"another site":   func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
			"another host":   func(r *http.Request) { r.Host = "evil.example" },
			"an old browser": func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://evil.example") },
			"a subdomain":    func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		} {
			if w := open.ask(route.Method, path, change); w.Code != http.StatusForbidden {
				t.Errorf("%s from %s: %d, want 403", what, name, w.Code)
			}
		}
		followed := func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Set("Sec-Fetch-Mode", "navigate")
			r.Header.Set("Sec-Fetch-Dest", "document")
		}
		isPage := route.Method == http.MethodGet && !strings.HasPrefix(path, "/api") && !strings.HasPrefix(path, "/debug")
		if w := open.ask(route.Method, path, followed); (w.Code != http.StatusForbidden) != isPage {
			t.Errorf("%s by a link from another site: %d", what, w.Code)
		}
		if w := locked.ask(route.Method, path); w.Code != http.StatusUnauthorized {
			t.Errorf("%s without the password: %d, want 401", what, w.Code)
		}
		w := httptest.NewRecorder()
		public.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), route.Method, "http://localhost"+path, nil))
		if w.Code != http.StatusNotFound {
			t.Errorf("%s on the public side: %d, want 404", what, w.Code)
		}
		if strings.HasPrefix(path, "/api") || strings.HasPrefix(path, "/debug") {
			continue // not for browsers
		}
		header := open.ask(route.Method, path).Header()
		policy := header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") ||
			header.Get("X-Frame-Options") != "DENY" || header.Get("Cache-Control") == "" || header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", what, header)
		}
	}
	// Several wrong passwords, and then even the right one is refused.
	w := httptest.NewRecorder()
	for range 11 {
		w = locked.ask(http.MethodGet, "/", func(r *http.Request) { r.SetBasicAuth("admin", "guess") })
	}
	if w.Code != http.StatusTooManyRequests {
		t.Errorf("the eleventh wrong password: %d, want 429", w.Code)
	}
}

// TestGuidedStart: while nothing has arrived, the overview offers a sample of each provider.
func TestGuidedStart(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sqliteURL(t), "", nil)
	says(t, d.get("/", 200), "Nothing has arrived yet", "person.reviewed", "/catalogue/send")
}

// TestNoSamplesInProduction: without a function that sends them there is no button and no route for it.
func TestNoSamplesInProduction(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sqliteURL(t), "", func(c *inspector.Config) { c.Send = nil })
	for _, path := range []string{"/", "/events", "/catalogue"} {
		if page := d.get(path, 200); strings.Contains(page, "/catalogue/send") {
			t.Errorf("%s offers to send a sample", path)
		}
	}
	if w := d.ask(http.MethodPost, "/catalogue/send provider=unlisted&generation=v1&type=person.reviewed"); w.Code != http.StatusNotFound {
		t.Errorf("POST /catalogue/send: %d, want 404", w.Code)
	}
}

// TestSampleRefused: the page says why a sample was not accepted.
func TestSampleRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sqliteURL(t), "", nil)
	for form, want := range map[string]string{
		"provider=unlisted&generation=v1&type=person.reviewed": "nothing listens", "provider=unlisted&generation=v9&type=person.reviewed": "there is no such sample",
	} {
		w := d.ask(http.MethodPost, "/catalogue/send "+form)
		if w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d, want 400", form, w.Code)
		}
		says(t, w.Body.String(), want)
	}
}
