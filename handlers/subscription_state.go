package handlers

import "example.com/identity-webhooks/models"

// SubscriptionState is what is known of one of our subscriptions at a provider. It is watched in package app/subscriptions and
// shown by the admin API.
type SubscriptionState struct {
	Provider            string      `json:"provider"`
	ID                  string      `json:"id"`
	URL                 string      `json:"url"` // without a token
	Active              *bool       `json:"active"`
	ConsecutiveFailures *int        `json:"consecutive_failures"`
	LastEventAt         models.Time `json:"last_event_at"` // of the provider
	CheckedAt           models.Time `json:"checked_at"`
	Problem             string      `json:"problem"`
	Mend                string      `json:"mend"` // the command that mends it
}
