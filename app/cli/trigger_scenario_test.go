package cli

import (
	"bytes"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/app/scenario"
)

// TestTriggerEveryScenario plays each of them twice on one server, the second time in any order: what one leaves behind is
// nothing to another, nor to itself.
func TestTriggerEveryScenario(t *testing.T) {
	server(t)
	names, err := scenario.Names(samples())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		for _, args := range [][]string{{}, {"--shuffle"}} {
			out := succeed(t, append([]string{"trigger", "--scenario", name}, args...)...)
			if last := out[strings.LastIndex(strings.TrimSpace(out), "\n")+1:]; !strings.HasPrefix(last, "ok: all ") {
				t.Errorf("%s %q ends in %q", name, args, last)
			}
		}
	}
}

func TestTriggerScenario(t *testing.T) {
	server(t)
	out := succeed(t, "trigger", "--scenario", "one-occurrence-with-two-event-ids", "--dup", "2")
	_, run, _ := strings.Cut(out, "(person-1-")
	run, _, _ = strings.Cut(run, ")")
	want := strings.ReplaceAll(`One occurrence, two event IDs
trustgate/session.completed → 200 OK {"status":"accepted"}
trustgate/session.completed → 200 OK {"status":"duplicate"}
  event 1: processed, applied
  new customer 1 (person-1-RUN)
    tenant_id: b677118d-5dbe-442a-9b37-34470fbdb733
    status: verified
    status_reason: session approved
    decided_by: automatic
    risk_level: low
trustgate/session.completed → 200 OK {"status":"accepted"}
trustgate/session.completed → 200 OK {"status":"duplicate"}
  event 2: processed, applied
  customer 1 (person-1-RUN): no change
trustgate/session.completed → 200 OK {"status":"duplicate"} × 2
  event 2: processed, applied
  customer 1 (person-1-RUN): no change

customer  provider   subject          status    decided by  risk  aml hold  events
1         trustgate  person-1-RUN  verified  automatic   low   false     2
ok: all 1 expectations of the scenario hold
`, "RUN", run)
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r := execute(t, "trigger", "--scenario", "green-then-rd")
	begin := `error: there is no scenario "green-then-rd"; did you mean green-then-red? There are: alert-after-approval, `
	if r.code != exitUsage || !strings.HasPrefix(r.stderr, begin) {
		t.Errorf("got %+v, want %s…", r, begin)
	}
}

// TestTriggerScenarioFails: an expectation that does not hold is told by the exit code.
func TestTriggerScenarioFails(t *testing.T) {
	server(t)
	sample, err := fs.ReadFile(samples(), "trst/enrollment.completed.json")
	if err != nil {
		t.Fatal(err)
	}
	story := "# Title\ndeliver trst/enrollment.completed at 10:00 data.member_id=m\nexpect trst m status=verified\nexpect nobody trst m\n"
	files := fstest.MapFS{"scenarios/it.txt": {Data: []byte(story)}, "trst/enrollment.completed.json": {Data: sample}}
	var stdout, stderr bytes.Buffer
	code := Execute(t.Context(), []string{"trigger", "--scenario", "it"}, files, &stdout, &stderr)
	want := "error: expect trst m status=verified: status is \"pending\"\nerror: expect nobody trst m: there are 1, want 0\n"
	if code != exitError || stderr.String() != want {
		t.Errorf("exit code %d, %s, want %s", code, &stderr, want)
	}
}
