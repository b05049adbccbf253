package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"example.com/identity-webhooks/app/payload"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/jobs"
	"example.com/identity-webhooks/models"
)

// browser is a Chromium that looks at the inspector of a running app.
type browser struct {
	t        *testing.T
	ctx      context.Context
	app      *running
	mu       sync.Mutex
	problems []string // what the browser's console complained about
}

// openBrowser starts Chromium. Without one the test is skipped, unless REQUIRE_SERVERS is 1.
func openBrowser(t *testing.T, r *running) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		if os.Getenv("REQUIRE_SERVERS") == "1" {
			t.Fatal("there is no chromium: apt-get install chromium")
		}
		t.Skip("there is no chromium: apt-get install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, // root has none
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 860))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx, app: r}
	chromedp.ListenTarget(ctx, func(event any) {
		switch e := event.(type) {
		case *cdplog.EventEntryAdded:
			if e.Entry.Level == cdplog.LevelError || e.Entry.Level == cdplog.LevelWarning {
				b.complain(e.Entry.Text + " " + e.Entry.URL)
			}
		case *runtime.EventExceptionThrown:
			b.complain(e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
				for _, arg := range e.Args {
					b.complain("console: " + string(arg.Value))
				}
			}
		case *page.EventJavascriptDialogOpening:
			b.complain("a dialog: " + e.Message)
		}
	})
	if err := chromedp.Run(ctx, cdplog.Enable()); err != nil { // without a deadline: it would be that of the browser
		t.Fatal(err)
	}
	return b
}

func (b *browser) complain(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = append(b.problems, text)
}

// quiet checks that the browser has not complained.
func (b *browser) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		b.t.Errorf("the browser complains: %s", p)
	}
	b.problems = nil
}

func (b *browser) run(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.shoot("failure")
		b.t.Fatal(err)
	}
}

// visit opens a page.
func (b *browser) visit(path string) {
	b.t.Helper()
	b.run(chromedp.Navigate("http://"+b.app.adminAddr+path), chromedp.WaitReady("main h1"))
}

// text returns what a visitor reads in the main part of the page.
func (b *browser) text() (text string) {
	b.t.Helper()
	b.run(chromedp.Evaluate("document.querySelector('main')?.innerText ?? ''", &text))
	return text
}

// reads waits until the page contains all of these texts.
func (b *browser) reads(texts ...string) {
	b.t.Helper()
	for _, text := range texts {
		within(b.t, 20*time.Second, "the page reads "+text, func() bool { return strings.Contains(b.text(), text) })
	}
}

// click clicks the first element that a CSS selector finds.
func (b *browser) click(selector string) {
	b.t.Helper()
	b.run(chromedp.Click(selector, chromedp.ByQuery))
}

// shoot keeps a screenshot if the environment says where.
func (b *browser) shoot(name string) {
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		return
	}
	var png []byte
	err := chromedp.Run(b.ctx, chromedp.ActionFunc(func(ctx context.Context) (err error) {
		png, err = page.CaptureScreenshot().Do(ctx)
		return err
	}))
	if err == nil {
		err = os.MkdirAll(folder, 0o750)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, name+".png"), png, 0o600)
	}
	if err != nil {
		b.t.Log("no screenshot:", err)
	}
}

// accessible checks a page with axe-core: nothing that it calls serious or critical.
func (b *browser) accessible(where string) {
	b.t.Helper()
	axe, err := os.ReadFile(filepath.Join("..", "handlers", "inspector", "testdata", "axe", "axe.min.js"))
	if err != nil {
		b.t.Fatal(err)
	}
	var result string
	b.run(chromedp.Evaluate(string(axe)+";0", nil), chromedp.Evaluate(
		`axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify(r.violations.map(v => ({id: v.id, impact: v.impact, nodes: v.nodes.map(n => n.html)}))))`,
		&result, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	var violations []struct {
		ID, Impact string
		Nodes      []string
	}
	if err := json.Unmarshal([]byte(result), &violations); err != nil {
		b.t.Fatal(err)
	}
	for _, v := range violations {
		if v.Impact == "serious" || v.Impact == "critical" {
			b.t.Errorf("%s: axe finds %s (%s) in %d places, such as %.300s", where, v.ID, v.Impact, len(v.Nodes), v.Nodes[0])
		}
	}
}

func (b *browser) theme(name string) chromedp.Action {
	return emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}})
}

// TestInspectorInBrowser follows a newcomer: an empty start, a sample, the event that it makes, its customer, a failed event and its replay.
func TestInspectorInBrowser(t *testing.T) {
	t.Parallel()
	r := start(t, sqlite(t))
	b := openBrowser(t, r)
	b.visit("/")
	b.reads("Nothing has arrived yet")
	b.shoot("start")

	provider := handlers.ProviderNames()[0]
	b.click(`button[aria-label^="Send it: ` + handlers.ProviderTitle(provider) + `,"]`)
	b.reads("What happened", "It established at least one new fact", "went through the real receiver")
	sent := r.events("provider=" + provider)
	if len(sent) != 1 || sent[0].CustomerID == nil {
		t.Fatalf("the sample led to %+v, want one event about a customer", sent)
	}
	b.run(chromedp.SetValue("[data-search]", "id", chromedp.ByQuery), chromedp.SendKeys("[data-search]", " ", chromedp.ByQuery), chromedp.WaitVisible("li.found", chromedp.ByQuery))
	b.shoot("event")

	b.visit(fmt.Sprintf("/customers/%d", *sent[0].CustomerID))
	customer := r.customers("provider=" + provider)[0]
	b.reads("Why "+strings.ReplaceAll(string(customer.Status), "_", " "), customer.SubjectID, "Timeline")
	b.shoot("customer")

	b.visit("/events") // an event that arrives while somebody looks
	body := fmt.Sprintf(`{"unreadable": %q}`, `<script>alert(1)</script><img src=x onerror=alert(2)>`)
	r.accept(provider, []byte(body))
	b.reads("failed")
	failed := r.events("status=failed")
	if len(failed) != 1 {
		t.Fatalf("%d failed events, want 1", len(failed))
	}
	b.click(fmt.Sprintf("#e%d", failed[0].ID))
	b.reads("Error", "<script>alert(1)</script>")
	b.click(`form[action$="/replay"] button`)
	b.reads("being processed again")
	within(t, 20*time.Second, "the event has failed again", func() bool {
		return len(r.events("status=failed")) == 1 && strings.Count(r.log.String(), "it will not be retried") >= 1
	})

	b.visit("/events")
	b.run(chromedp.SetValue(`select[name="status"]`, string(models.Failed), chromedp.ByQuery),
		chromedp.Evaluate(`document.querySelector('select[name="status"]').dispatchEvent(new Event("change", {bubbles: true}))`, nil))
	b.reads("Replay all filtered")
	within(t, 20*time.Second, "only the failed event is listed", func() bool {
		var rows int
		b.run(chromedp.Evaluate("document.querySelectorAll('.rows tbody tr').length", &rows))
		return rows == 1
	})
	b.click(".toolbar a.button")
	b.reads("1 event would be replayed")
	b.click("form.actions button")
	b.reads("being processed again")

	b.visit("/")
	b.click("[data-theme-toggle]")
	var background string
	b.run(chromedp.Reload(), chromedp.WaitReady("main h1"), chromedp.Evaluate("getComputedStyle(document.body).backgroundColor", &background))
	if background != "rgb(13, 16, 21)" {
		t.Errorf("after a click on the theme the page is %s, want the dark one", background)
	}
	b.shoot("dark")
	b.quiet()
}

// TestInspectorPages looks at every page on a desktop in the light theme, and on a phone in the dark one: no complaint of the browser, and nothing that hinders
// people with a disability. Payloads and names are full of HTML, which must be shown as text.
func TestInspectorPages(t *testing.T) {
	t.Parallel()
	r := start(t, sqlite(t))
	b := openBrowser(t, r)
	fillWithMarkup(t, r)
	event := r.events("outcome=applied")[0]
	paths := []string{
		"/", "/events", "/events?status=failed", "/events?provider=nobody", "/events/replay?outcome=ignored", fmt.Sprintf("/events/%d", event.ID), "/customers",
		fmt.Sprintf("/customers/%d", r.customers("")[0].ID), "/cases", "/companies", "/follow-ups", "/queues", "/catalogue", "/events/999999",
	}
	for theme, size := range map[string][2]int64{"light": {1280, 860}, "dark": {390, 844}} { // colours do not depend on the width
		if testing.Short() && theme == "dark" {
			continue
		}
		b.run(b.theme(theme), emulation.SetDeviceMetricsOverride(size[0], size[1], 1, size[0] < 500))
		for _, path := range paths {
			b.visit(path)
			where := fmt.Sprintf("%s, %s, %d wide", path, theme, size[0])
			b.accessible(where)
			var wide bool
			b.run(chromedp.Evaluate("document.documentElement.scrollWidth > innerWidth", &wide))
			if wide {
				t.Errorf("%s: the page is wider than the window", where)
			}
			b.shoot(strings.Trim(strings.NewReplacer("/", "-", "?", "-", "=", "-").Replace(path), "-") + fmt.Sprintf("-%s-%d", theme, size[0]))
		}
	}
	b.mu.Lock()
	b.problems = slicesWithout(b.problems, "404 (Not Found)") // the page of an event that does not exist
	b.mu.Unlock()
	b.quiet()
}

// markup is what a payload must not do to a page.
const markup = `<script>alert(1)</script><img src=x onerror=alert(2)>"'{{.}}`

// fillWithMarkup sends every sample as it is, and again with markup at the end of every text that may be any text.
func fillWithMarkup(t *testing.T, r *running) {
	t.Helper()
	samples := os.DirFS(filepath.Join("..", "testdata"))
	catalogue, err := jobs.Catalogue(samples)
	if err != nil {
		t.Fatal(err)
	}
	registry := jobs.NewRegistry()
	for _, c := range catalogue {
		p := r.providers[c.Provider]
		sample, err := fs.ReadFile(samples, c.File)
		if err != nil {
			t.Fatal(err)
		}
		body, err := payload.Renew(p, sample, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		r.accept(c.Provider, body)
		if body, err = payload.Renew(p, sample, time.Now()); err != nil {
			t.Fatal(err)
		}
		for path, value := range payload.Paths(body) {
			if value.Type != gjson.String {
				continue
			}
			changed, err := sjson.SetBytes(body, path, value.Str+markup)
			if err != nil {
				t.Fatal(err)
			}
			e, err := p.Envelope(changed)
			if err != nil || e.Type != c.Type || e.Generation != c.Generation || e.OccurredAt.IsZero() {
				continue
			}
			if _, err := registry.Translate(models.Event{Provider: c.Provider, Generation: c.Generation, Type: c.Type, Body: changed}); err == nil {
				body = changed
			}
		}
		r.accept(c.Provider, body)
	}
	r.settle()
}

func slicesWithout(texts []string, part string) (rest []string) {
	for _, text := range texts {
		if !strings.Contains(text, part) {
			rest = append(rest, text)
		}
	}
	return rest
}
