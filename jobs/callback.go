package jobs

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"example.com/identity-webhooks/models"
)

// Callback reports changes of customers to the operator's own system. It signs them according to Standard Webhooks, so the receiver can
// verify them with any of that project's libraries.
//
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
type Callback struct {
	url    *url.URL
	key    []byte
	client *http.Client
	now    func() time.Time
}

func newCallback(target, secret string, client *http.Client) (*Callback, error) {
	if target == "" && secret == "" {
		return nil, nil
	}
	u, err := parseURL("CALLBACK_URL", target)
	encoded, prefixed := strings.CutPrefix(secret, "whsec_")
	key, err2 := base64.StdEncoding.DecodeString(encoded)
	if !prefixed || err2 != nil || len(key) < 24 || len(key) > 64 {
		err = errors.Join(err, errors.New("CALLBACK_SECRET: want whsec_ and 24 to 64 random bytes in base64; "+
			"make one with: echo whsec_$(openssl rand -base64 32)"))
	}
	if err != nil {
		return nil, err
	}
	return &Callback{u, key, client, time.Now}, nil
}

// callbackBody is what the receiver gets, whatever the provider. All attempts send the same body. A receiver that stores the revision
// of each customer can drop bodies that arrive late.
type callbackBody struct {
	Type      string       `json:"type"`      // customer.status_changed, or customer.hold_changed if only the hold changed
	Timestamp models.Time  `json:"timestamp"` // of the change
	Data      callbackData `json:"data"`
}

type callbackData struct {
	Customer models.Customer  `json:"customer"`
	Previous *models.Customer `json:"previous"` // null for a new customer
	Event    callbackEvent    `json:"event"`    // what caused the change
	Revision int              `json:"revision"` // the customer's; a later change has a higher one
}

type callbackEvent struct {
	ID         int64       `json:"id"`
	Provider   string      `json:"provider"`
	ExternalID string      `json:"external_id"`
	Type       string      `json:"type"`
	OccurredAt models.Time `json:"occurred_at"`
}

func (c *Callback) off() string { return unset(c == nil, "CALLBACK_URL") }

// Post sends the change, with its key as webhook-id.
func (c *Callback) Post(ctx context.Context, change models.Change) error {
	e := change.Event
	message := callbackBody{
		Type:      "customer.status_changed",
		Timestamp: change.After.UpdatedAt,
		Data: callbackData{
			Customer: change.After,
			Event:    callbackEvent{e.ID, e.Provider, e.ExternalID, e.Type, e.OccurredAt},
			Revision: change.After.Revision,
		},
	}
	if change.Before.Status == change.After.Status {
		message.Type = "customer.hold_changed"
	}
	if change.Before.ID != 0 {
		message.Data.Previous = &change.Before
	}
	body, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("encode callback: %w", err)
	}
	timestamp := strconv.FormatInt(c.now().Unix(), 10)
	return postJSON(ctx, c.client, c.url, http.Header{
		"Webhook-Id":        {change.Key},
		"Webhook-Timestamp": {timestamp},
		"Webhook-Signature": {c.sign(change.Key, timestamp, body)},
	}, body)
}

func (c *Callback) sign(id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, c.key)
	fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
