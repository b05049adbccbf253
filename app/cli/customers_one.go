package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/models"
)

// fullCustomer is what the admin API says of one customer.
type fullCustomer struct {
	models.Customer
	models.Facts
	Events []models.Event `json:"events"`
}

// one shows a customer with all that is known.
func (c *customersCommand) one(cmd *cobra.Command, arg string) error {
	var full fullCustomer
	raw, err := readOne(cmd, "customer", arg, &full)
	if err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	if c.json {
		fmt.Fprintf(w, "%s\n", raw)
		return nil
	}
	full.printPerson(w)
	full.printDecisions(w)
	full.printChecks(w)
	full.printHits(w)
	full.printCases(w)
	full.printTimeline(w)
	return nil
}

func (f *fullCustomer) printPerson(w io.Writer) {
	c, fields := f.Customer, newFields(w)
	fields.add("customer", c.ID)
	fields.add("provider", c.Provider)
	fields.add("subject_id", c.SubjectID)
	fields.add("external_id", c.ExternalID)
	fields.add("tenant_id", c.TenantID)
	fields.add("first_name", c.FirstName)
	fields.add("last_name", c.LastName)
	fields.add("email", c.Email)
	fields.paint("status", customerStatus(c.Status))
	fields.add("status_reason", c.StatusReason)
	fields.add("status_at", c.StatusAt)
	fields.add("decided_by", c.DecidedBy)
	fields.add("screening_status", c.ScreeningStatus)
	fields.paint("aml_hold", map[bool]cell{true: {"true", red}, false: {"false", ""}}[c.AMLHold])
	fields.add("risk_level", c.RiskLevel)
	fields.add("risk_score", c.RiskScore)
	fields.add("flags", c.Flags)
	if c.Sandbox {
		fields.add("sandbox", c.Sandbox)
	}
	fields.add("revision", c.Revision)
	fields.add("created_at", c.CreatedAt)
	fields.add("updated_at", c.UpdatedAt)
	fields.print()
}

// section prints rows under a title, if there are any.
func section(w io.Writer, title string, columns []string, rows [][]cell) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", newPainter(w).paint(bold, title))
	t := newTable(w, columns...)
	for i := range t.head {
		t.head[i].colour = grey
	}
	t.rows(rows)
}

func (f *fullCustomer) printDecisions(w io.Writer) {
	var rows [][]cell
	for _, d := range f.Decisions {
		rows = append(rows, []cell{{stamp(d.At), grey}, {d.Source, ""}, {string(d.Authority), ""}, customerStatus(d.Status), {d.Reason, ""}})
	}
	section(w, "decisions", []string{"at", "source", "authority", "status", "reason"}, rows)
}

func (f *fullCustomer) printChecks(w io.Writer) {
	var rows [][]cell
	for _, k := range f.Checks {
		hits := ""
		if k.HitCount > 0 {
			hits = strconv.Itoa(k.HitCount)
		}
		rows = append(rows, []cell{{stamp(k.At), grey}, {k.Kind, ""}, {k.CheckID, ""}, checkStatus(k.Status), {hits, ""}, {k.Reason, ""}})
	}
	section(w, "checks", []string{"at", "kind", "check_id", "status", "hits", "reason"}, rows)
}

func checkStatus(s models.CheckStatus) cell {
	switch s {
	case models.CheckPassed, models.CheckClear:
		return cell{string(s), green}
	case models.CheckFailed, models.CheckHit, models.CheckError:
		return cell{string(s), red}
	case models.CheckNotRun:
		return cell{string(s), grey}
	}
	return cell{string(s), yellow}
}

func (f *fullCustomer) printHits(w io.Writer) {
	var rows [][]cell
	for _, h := range f.Hits {
		resolution := cell{h.Resolution, ""}
		switch h.Resolution {
		case "":
			resolution = cell{"open", yellow}
		case models.FalsePositive:
			resolution.colour = green
		}
		rows = append(rows, []cell{
			{stamp(h.FoundAt), grey}, {h.Kind, ""}, {h.HitID, ""}, {h.Type, ""}, {h.Name, ""}, {strconv.FormatFloat(h.Confidence, 'f', -1, 64), ""}, resolution,
		})
	}
	section(w, "hits", []string{"found_at", "kind", "hit_id", "type", "name", "confidence", "resolution"}, rows)
}

func (f *fullCustomer) printCases(w io.Writer) {
	var rows [][]cell
	for _, k := range f.Cases {
		state := k.Status
		if k.Resolution != "" {
			state = k.Resolution
		}
		rows = append(rows, []cell{
			{stamp(k.OpenedAt), grey}, {k.CaseID, ""}, {k.Type, ""}, {k.Priority, ""}, {k.Assignee, ""}, {state, ""}, {k.Reason, ""},
		})
	}
	section(w, "cases", []string{"opened_at", "case_id", "type", "priority", "assignee", "state", "reason"}, rows)
}

// printTimeline shows the events in the order of what they tell of. Those that carry no time come by when they were received.
func (f *fullCustomer) printTimeline(w io.Writer) {
	at := func(e models.Event) models.Time {
		if e.OccurredAt.IsZero() {
			return e.ReceivedAt
		}
		return e.OccurredAt
	}
	slices.Reverse(f.Events) // the admin API gives the newest first
	slices.SortStableFunc(f.Events, func(a, b models.Event) int { return at(a).Compare(at(b).Time) })
	var rows [][]cell
	for _, e := range f.Events {
		rows = append(rows, []cell{{stamp(at(e)), grey}, {strconv.FormatInt(e.ID, 10), ""}, {e.Type, ""}, eventState(e), {e.LastError, red}})
	}
	title := "events"
	if len(rows) == mostPerPage {
		title = fmt.Sprintf("events, the newest %d (events --customer %d lists all)", len(rows), f.ID)
	}
	section(w, title, []string{"at", "id", "type", "outcome", "error"}, rows)
}
