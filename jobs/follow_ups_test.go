package jobs

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/models"
)

// builtIn are the follow-ups that a fork starts with. It may take some out and add others.
var builtIn = []string{"welcome-mail", "provisioning", "failure-mail", "callback", "compliance-alert"}

// TestFollowUpList shows which follow-ups a change of a customer causes.
func TestFollowUpList(t *testing.T) {
	t.Parallel()
	type state struct {
		status models.Status
		hold   bool
	}
	tests := map[string]struct {
		before, after state
		want          []string
	}{
		"verified":                  {state{"in_review", false}, state{"verified", false}, []string{"welcome-mail", "provisioning", "callback"}},
		"verified at once":          {state{"pending", false}, state{"verified", false}, []string{"welcome-mail", "provisioning", "callback"}},
		"failed":                    {state{"in_progress", false}, state{"failed", false}, []string{"failure-mail", "callback"}},
		"rejected":                  {state{"failed", false}, state{"rejected", false}, []string{"failure-mail", "callback", "compliance-alert"}},
		"in review":                 {state{"verified", false}, state{"in_review", false}, []string{"callback"}},
		"put on hold":               {state{"verified", false}, state{"verified", true}, []string{"callback", "compliance-alert"}},
		"hold lifted":               {state{"verified", true}, state{"verified", false}, []string{"callback"}},
		"verified while on hold":    {state{"pending", true}, state{"verified", true}, []string{"welcome-mail", "provisioning", "callback"}},
		"neither status nor hold":   {state{"verified", true}, state{"verified", true}, nil},
		"withdrawn from a rejected": {state{"rejected", false}, state{"withdrawn", false}, []string{"callback"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			change := models.Change{
				Before: models.Customer{Status: test.before.status, AMLHold: test.before.hold},
				After:  models.Customer{Status: test.after.status, AMLHold: test.after.hold},
			}
			var want, got []string // of those that are still listed and came with the list
			for _, f := range followUps(Clients{}) {
				if slices.Contains(test.want, f.Name) {
					want = append(want, f.Name)
				}
				if slices.Contains(builtIn, f.Name) && f.When(change) {
					got = append(got, f.Name)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestFollowUpsWithoutConfiguration shows that each follow-up says why it does nothing, so that the quick start can show it.
func TestFollowUpsWithoutConfiguration(t *testing.T) {
	t.Parallel()
	clients, err := NewClients(ClientConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range byName(followUps(clients)) {
		if slices.Contains(builtIn, name) && f.Off == "" {
			t.Errorf("%s is on", name)
		}
	}
}

// TestFollowUpNames shows that a mistake in the list stops the start.
func TestFollowUpNames(t *testing.T) {
	t.Parallel()
	do := func(context.Context, models.Change) error { return nil }
	named := func(names ...string) (list []FollowUp) {
		for _, name := range names {
			list = append(list, FollowUp{Name: name, When: anyChange, Do: do})
		}
		return list
	}
	panics := func(list []FollowUp) (panicked bool) {
		defer func() { panicked = recover() != nil }()
		byName(list)
		return false
	}
	if panics(named("a", "call-my-api2")) {
		t.Error("a correct list panics")
	}
	wrong := map[string][]FollowUp{
		"twice": named("a", "b", "a"), "no name": named(""), "capitals": named("Mail"), "underscore": named("my_mail"), "newline": named("mail\n"),
		"no condition": {{Name: "a", Do: do}}, "nothing to do": {{Name: "a", When: anyChange}},
	}
	for name, list := range wrong {
		if !panics(list) {
			t.Errorf("%s: no panic", name)
		}
	}
}

// TestClientConfiguration shows that all problems are reported at once, by the names of their variables and without any secret.
func TestClientConfiguration(t *testing.T) {
	t.Parallel()
	const url, secret, smtp, from = "https://user:CANARY@api.example/kyc", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "smtp://user:CANARY@mail.example", "Acme <a@acme.example>"
	variables := []string{"CALLBACK_URL", "CALLBACK_SECRET", "SMTP_URL", "MAIL_FROM", "SLACK_WEBHOOK_URL"}
	tests := map[string]struct {
		config ClientConfig
		want   []string // the variables that are wrong
	}{
		"nothing":            {ClientConfig{}, nil},
		"everything":         {ClientConfig{url, secret, smtp, from, "https://hooks.slack.com/services/T/B/CANARY"}, nil},
		"all wrong":          {ClientConfig{"ftp://CANARY", "CANARY", "http://CANARY", "CANARY", "CANARY"}, variables},
		"one of each pair":   {ClientConfig{CallbackURL: url, SMTPURL: smtp}, []string{"CALLBACK_SECRET", "MAIL_FROM"}},
		"the other one":      {ClientConfig{CallbackSecret: secret, MailFrom: from}, []string{"CALLBACK_URL", "SMTP_URL"}},
		"callback: no host":  {ClientConfig{CallbackURL: "https:///CANARY", CallbackSecret: secret}, variables[:1]},
		"callback: not URL":  {ClientConfig{CallbackURL: "https://u:CANARY\x7f@h", CallbackSecret: secret}, variables[:1]},
		"secret: no prefix":  {ClientConfig{CallbackURL: url, CallbackSecret: strings.TrimPrefix(secret, "whsec_")}, variables[1:2]},
		"secret: short":      {ClientConfig{CallbackURL: url, CallbackSecret: "whsec_Q0FOQVJZ"}, variables[1:2]},
		"secret: not base64": {ClientConfig{CallbackURL: url, CallbackSecret: "whsec_CANARY!!!!!!!!!!!!!!!!!!!!!!!!!!!"}, variables[1:2]},
		"secret: long":       {ClientConfig{CallbackURL: url, CallbackSecret: "whsec_" + strings.Repeat("CANARYCA", 11)}, variables[1:2]},
	}
	for name, server := range map[string]string{
		"hash in the password": "smtp://user:CANARY#1@mail.example", "slash in the password": "smtp://user:12/CANARY@mail.example",
		"a path": "smtp://mail.example/CANARY", "no scheme": "mail.example:587", "unknown setting": "smtp://mail.example?CANARY=1",
		"setting of the other scheme": "smtps://mail.example?tls=none", "port": "smtp://mail.example:x",
		"password without TLS": "smtp://user:CANARY@mail.example?tls=none",
	} {
		tests["SMTP: "+name] = struct {
			config ClientConfig
			want   []string
		}{ClientConfig{SMTPURL: server, MailFrom: from}, variables[2:3]}
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := NewClients(test.config)
			if err == nil {
				err = errors.New("")
			}
			var got []string
			for _, v := range variables {
				if slices.ContainsFunc(strings.Split(err.Error(), "\n"), func(line string) bool { return strings.HasPrefix(line, v+":") }) {
					got = append(got, v)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(err.Error(), "CANARY") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}
