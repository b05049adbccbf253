package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"example.com/identity-webhooks/models"
)

// Slack posts to an incoming webhook. Its messages contain IDs and states only, since a channel has many readers.
//
// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
type Slack struct {
	url    *url.URL
	client *http.Client
}

func newSlack(target string, client *http.Client) (*Slack, error) {
	if target == "" {
		return nil, nil
	}
	u, err := parseURL("SLACK_WEBHOOK_URL", target)
	if err != nil {
		return nil, err
	}
	return &Slack{u, client}, nil
}

func (s *Slack) off() string { return unset(s == nil, "SLACK_WEBHOOK_URL") }

// Alert reports a customer who needs a person's attention.
func (s *Slack) Alert(ctx context.Context, c models.Change) error {
	text := fmt.Sprintf("Customer %d (%s, subject %s): status *%s*", c.After.ID, c.After.Provider, c.After.SubjectID, c.After.Status)
	if c.After.AMLHold {
		text += ", on *AML hold*"
	}
	text += fmt.Sprintf(", after event %d (%s)", c.Event.ID, c.Event.Type)
	body, err := json.Marshal(map[string]string{"text": slackEscaper.Replace(text)})
	if err != nil {
		return fmt.Errorf("encode alert: %w", err)
	}
	return postJSON(ctx, s.client, s.url, http.Header{}, body)
}

// slackEscaper escapes what Slack reads as markup: without it, an ID of "<!channel>" would notify everybody.
//
// https://docs.slack.dev/messaging/formatting-message-text
var slackEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
