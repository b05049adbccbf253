package jobs

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"example.com/identity-webhooks/models"
)

// followUps lists what happens outside the database after a customer has changed. Your own steps go here: add a line to the list
// and a function below it.
func followUps(c Clients) []FollowUp {
	return []FollowUp{
		{Name: "welcome-mail", When: became(models.StatusVerified), Do: c.Mail.Welcome, Off: c.Mail.off(), Once: true},
		{Name: "provisioning", When: became(models.StatusVerified), Do: startProvisioning, Off: "startProvisioning in jobs/follow_ups.go has no code yet", Once: true},
		{Name: "failure-mail", When: became(models.StatusFailed, models.StatusRejected), Do: c.Mail.Failed, Off: c.Mail.off(), Once: true},
		{Name: "callback", When: anyChange, Do: c.Callback.Post, Off: c.Callback.off()},
		{Name: "compliance-alert", When: anyOf(held, became(models.StatusRejected)), Do: c.Slack.Alert, Off: c.Slack.off(), EvenIfOvertaken: true},
	}
}

// startProvisioning is an example. Call your own API here with c.Key as the idempotency key, and remove Off above. A verified customer
// can still be on hold because of a screening hit: check c.After.AMLHold.
func startProvisioning(ctx context.Context, c models.Change) error { return nil }

// FollowUp is one thing to do when a customer has changed.
type FollowUp struct {
	// Name identifies the follow-up in the database, the admin API and the log: lower-case letters, digits and hyphens.
	// If you rename a follow-up, those that wait under the old name are never done.
	Name string

	// When decides whether a change causes the follow-up. It runs inside the transaction that stores the change, and again if the
	// transaction is repeated, so it must depend on nothing but the change.
	When func(models.Change) bool

	// Do does the work, after the change is committed. ctx has a deadline. If Do returns an error, it is called again later, unless
	// the error wraps ErrPermanent. It is also called again if the process dies before Do returns. Change.Key is the same each
	// time, so the receiver can recognize a repetition.
	Do func(context.Context, models.Change) error

	// Off is why the follow-up is turned off, such as a variable that is not set. It is then recorded and logged, but not done. Empty means
	// that it is on.
	Off string

	// Once limits the follow-up to one per customer, however often the customer changes.
	Once bool

	// EvenIfOvertaken keeps the follow-up if the customer changes again before it is done. Otherwise it is dropped.
	EvenIfOvertaken bool
}

// ErrSkipped means that there was nothing for Do to do; the wrapping error says why. The worker logs the follow-up, marks it as logged
// and does not try again.
var ErrSkipped = errors.New("skipped")

// became is true if the status changed to one of the given ones.
func became(statuses ...models.Status) func(models.Change) bool {
	return func(c models.Change) bool {
		return c.Before.Status != c.After.Status && slices.Contains(statuses, c.After.Status)
	}
}

// held is true if the customer was put on hold, because of a screening hit or an alert.
func held(c models.Change) bool { return !c.Before.AMLHold && c.After.AMLHold }

// anyChange is true if the status or the hold changed.
func anyChange(c models.Change) bool {
	return c.Before.Status != c.After.Status || c.Before.AMLHold != c.After.AMLHold
}

// anyOf is true if at least one of the conditions is.
func anyOf(conditions ...func(models.Change) bool) func(models.Change) bool {
	return func(c models.Change) bool {
		return slices.ContainsFunc(conditions, func(isMet func(models.Change) bool) bool { return isMet(c) })
	}
}

var followUpName = regexp.MustCompile(`^[a-z0-9-]+$`)

// byName indexes the list. It panics if an entry is incomplete or its name is malformed or used twice.
func byName(list []FollowUp) map[string]FollowUp {
	named := make(map[string]FollowUp, len(list))
	for _, f := range list {
		if _, taken := named[f.Name]; taken || !followUpName.MatchString(f.Name) || f.When == nil || f.Do == nil {
			panic(fmt.Sprintf("follow-up %q: want a unique name of a-z, 0-9 and -, a When and a Do", f.Name))
		}
		named[f.Name] = f
	}
	return named
}
