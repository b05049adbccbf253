package dev

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// scenarioDay is when the scenarios of these tests happen.
var scenarioDay = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// Every scenario ends as it says, on both back ends: in its own order, backwards, and delivered at once in a random order.
func TestScenarios(t *testing.T) {
	t.Parallel()
	titles, err := scenarios(samples())
	if err != nil || len(titles) == 0 {
		t.Fatalf("%d scenarios, %v", len(titles), err)
	}
	for name := range titles {
		t.Run(name+"/sqlite", func(t *testing.T) {
			t.Parallel()
			testScenario(t, name, "sqlite:"+filepath.Join(t.TempDir(), "db"), "")
		})
		t.Run(name+"/postgres", func(t *testing.T) {
			t.Parallel()
			testScenario(t, name, testservers.DatabaseURL(t), testservers.RedisURL(t))
		})
	}
}

func testScenario(t *testing.T, name, database, redis string) {
	environ := []string{"ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0", "DATABASE_URL=" + database, "REDIS_URL=" + redis}
	for _, provider := range handlers.ProviderNames() {
		environ = append(environ, app.SecretName(provider)+"=whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0")
	}
	c, err := app.ReadConfig(environ)
	if err != nil {
		t.Fatal(err)
	}
	c = start(t, c)
	for i, order := range []func([]delivery){
		func([]delivery) {},
		func(d []delivery) { rand.Shuffle(len(d), func(i, j int) { d[i], d[j] = d[j], d[i] }) },
	} {
		if i > 0 && (testing.Short() || redis != "") {
			break // what any order leads to does not depend on the back end
		}
		s, err := readScenario(samples(), name, string(rune('a'+i)), scenarioDay)
		if err != nil {
			t.Fatal(err)
		}
		order(s.deliveries)
		deliverAll(t, c, s.deliveries, i == 0)
		for _, x := range s.expectations {
			if i > 0 && x.shared {
				continue // it counts the rows of a server that was empty before
			}
			if err := x.check(t.Context(), newAdmin(c)); err != nil {
				t.Errorf("%v, after", err)
				for _, d := range s.deliveries {
					t.Log(d.label)
				}
			}
		}
	}
}

// deliverAll delivers the events, each after the one before is processed or not, and waits until all are processed.
func deliverAll(t *testing.T, c app.Config, list []delivery, oneByOne bool) {
	t.Helper()
	for i, d := range list {
		p, err := signer(c, d.provider, "")
		if err != nil {
			t.Fatal(err)
		}
		a, err := deliver(t.Context(), "http://"+c.Addr+"/webhooks/", p.Sign(d.body, time.Now()))
		if err != nil || a.status != 200 {
			t.Fatalf("%s: %s, %v", d.label, a.text, err)
		}
		if !oneByOne && i < len(list)-1 {
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err = until(ctx, func() (bool, error) {
			stats, err := get[struct{ Events map[models.EventStatus]int }](ctx, newAdmin(c), "/api/stats")
			return stats.Events[models.Received]+stats.Events[models.Queued] == 0, err
		})
		cancel()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// trigger plays scenarios again and again on one server, in any order.
func TestTriggerScenario(t *testing.T) {
	server(t)
	titles, err := scenarios(samples())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range sortedKeys(titles)[:min(3, len(titles))] {
		for range 2 {
			printed := succeed(t, "trigger", "--scenario", name, "--shuffle", "--dup", "2")
			if _, checked, found := strings.Cut(printed, "\n\n"); !found || !strings.HasPrefix(checked, "ok  ") {
				t.Errorf("%s ends in %q", name, checked)
			}
		}
	}
}

// story is a folder testdata with one sample, a person's verification, and one scenario, "it", of these lines below a title.
func story(t *testing.T, lines ...string) (files fstest.MapFS, sample string) {
	t.Helper()
	sample = verifying(t)
	body, err := fs.ReadFile(samples(), sample+".json")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("SAMPLE", sample, "PROVIDER", providerOf(sample)).Replace("# Title\n" + strings.Join(lines, "\n") + "\n")
	return fstest.MapFS{"scenarios/it.txt": {Data: []byte(text)}, sample + ".json": {Data: body}}, sample
}

// An expectation that does not hold is an error that says what there is instead.
func TestTriggerScenarioFails(t *testing.T) {
	server(t)
	files, sample := story(t, "deliver SAMPLE at 10:00", "expect nobody PROVIDER nobody", "expect PROVIDER nobody status=pending")
	var stdout bytes.Buffer
	err := runIn(t.Context(), Env{Samples: files}, &stdout, &stdout, "trigger", "--scenario", "it")
	if want := providerOf(sample) + " nobody status=pending: there are 0, want 1"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if want := "\nok  nobody " + providerOf(sample); !strings.Contains(stdout.String(), want) {
		t.Errorf("no %q in\n%s", want, &stdout)
	}
}

// A scenario of a provider that was removed is left out, and does not fail.
func TestScenariosOfRemovedProvidersAreLeftOut(t *testing.T) {
	t.Parallel()
	files, _ := story(t, "deliver SAMPLE at 10:00", "expect events count=1")
	files["scenarios/gone.txt"] = &fstest.MapFile{Data: []byte("# Gone\ndeliver removed/a.b at 10:00\nexpect nobody removed x\n")}
	titles, err := scenarios(files)
	if diff := cmp.Diff(map[string]string{"it": "Title"}, titles); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// A mistake in a scenario is reported with its line.
func TestScenarioMistakes(t *testing.T) {
	t.Parallel()
	const deliver = "deliver SAMPLE at 10:00"
	for lines, want := range map[string]string{
		deliver + "\ndelivers":         "3: want deliver, again after a delivery, or expect",
		"again":                        "2: want deliver, again after a delivery, or expect",
		"deliver SAMPLE":               "2: want deliver <sample> at <time>",
		"deliver SAMPLE at 25:00":      `2: "25:00": want a time of day`,
		"deliver PROVIDER/x at 1:00":   "2: open PROVIDER/x.json",
		deliver + " a":                 `2: "a": want path=value`,
		"expect person PROVIDER 1":     "2: want expect ",
		"expect":                       "2: want expect ",
		"expect nobody PROVIDER x y=z": "2: want expect ",
		"expect hit PROVIDER x":        "2: want expect ",
		"expect events count=two":      "2: want expect ",
	} {
		files, sample := story(t, lines)
		want = strings.ReplaceAll("scenarios/it.txt:"+want, "PROVIDER", providerOf(sample))
		if _, err := readScenario(files, "it", "r", scenarioDay); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q:\n got %v\nwant %s", lines, err, want)
		}
	}
}

// What does not hold is named, each thing that is wrong.
func TestExpectations(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		answer := map[string]string{
			"/api/customers/7": `{"id":7,"status":"verified","risk_score":31,"flags":["a"],"hits":[{"hit_id":"h","resolution":""}]}`,
			"/api/customers":   `{"customers":[{"id":7,"provider":"PROVIDER","subject_id":"p"}],"next_cursor":""}`,
			"/api/cases":       `{"cases":[{"provider":"PROVIDER","case_id":"c","customer_id":null},{"provider":"x","case_id":"d"}],"next_cursor":""}`,
			"/api/companies":   `{"companies":[{"provider":"PROVIDER","company_id":"c","owners":[{"name":"A B"}]}],"next_cursor":""}`,
			"/api/events":      `{"events":[{"status":"failed"},{"status":"failed"}],"next_cursor":""}`,
		}[r.URL.Path]
		_, _ = io.WriteString(w, strings.ReplaceAll(answer, "PROVIDER", providerOf(verifying(t))))
	})
	for line, want := range map[string]string{
		`PROVIDER p status=verified risk_score=31 flags=["a"] hits.#=1`: "",
		"PROVIDER p status=failed":                                      `status is "verified"`,
		`PROVIDER p risk_score="31"`:                                    "risk_score is 31",
		"PROVIDER p name=A":                                             "name is missing",
		"PROVIDER q status=verified":                                    "there are 0, want 1",
		"nobody PROVIDER q":                                             "",
		"nobody PROVIDER p":                                             "there are 1, want 0",
		"hit PROVIDER p h resolution=":                                  "",
		"hit PROVIDER p h resolution=x":                                 `hits.#(hit_id=="h").resolution is ""`,
		"hit PROVIDER p i resolution=x":                                 `hits.#(hit_id=="i").resolution is missing`,
		"case PROVIDER c customer_id=null":                              "",
		`case PROVIDER c customer_id=""`:                                "customer_id is null",
		"case PROVIDER d customer_id=null":                              "there are 0, want 1",
		`company PROVIDER c owners.0.name="A B"`:                        "",
		"events status=failed count=2":                                  "",
		"events status=failed count=0":                                  "there are 2, want 0",
	} {
		files, _ := story(t, "deliver SAMPLE at 10:00", "expect "+line)
		s, err := readScenario(files, "it", "r", scenarioDay)
		if err != nil {
			t.Fatal(err)
		}
		x := s.expectations[0]
		if want != "" {
			want = x.line + ": " + want
		}
		got := ""
		if err := x.check(t.Context(), admin{base: f.url}); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
}
