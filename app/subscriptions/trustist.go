package subscriptions

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// TrustistConfig is how we reach Trustist's API.
type TrustistConfig struct {
	URL   string `env:"TRUSTIST_API_URL" envDefault:"https://api.trustistecommerce.com"`
	Path  string `env:"TRUSTIST_API_PATH" envDefault:"/v1/onboard/webhooks"` // Trustist's later pages give /v1/webhooks
	KeyID string `env:"TRUSTIST_API_KEY_ID"`
	Key   string `env:"TRUSTIST_API_KEY"`
}

// trustistEvents are all events about identities. Each request names them: without a list the newer API sends only the
// first, and it rejects an empty list.
var trustistEvents = []string{"onboard.session.completed", "onboard.session.failed"}

// newTrustist manages webhooks at Trustist. The secret is the token at the end of the URL, which we choose. Trustist
// disables a webhook after five failures in a row. Such a webhook must be deleted and created again. A deleted webhook stays
// in the list, inactive.
//
// https://api.trustistecommerce.com/docs/webhooks
func newTrustist(c TrustistConfig) Provider {
	a := newAPI("trustist", c.URL,
		"TRUSTIST_API_KEY_ID and TRUSTIST_API_KEY must be a tenant's key with the permission manage_webhooks; a merchant's key gets 403",
		", or TRUSTIST_API_PATH is wrong (it can be /v1/onboard/webhooks or /v1/webhooks)", hawk(c.KeyID, c.Key))
	return Provider{
		Name: "trustist", TakesSecret: true, api: a,
		Advice: "to change a webhook, or to activate a disabled one, delete it and create it again; " +
			"to test it, send a sample with go run . trigger",
		credentials: []credential{{"TRUSTIST_API_KEY_ID", c.KeyID}, {"TRUSTIST_API_KEY", c.Key}},
		problems:    oneOf("TRUSTIST_API_PATH", c.Path, "/v1/onboard/webhooks", "/v1/webhooks"),
		List: func(ctx context.Context) ([]Subscription, error) {
			return list(ctx, a, c.Path, a.webhook)
		},
		Create: func(ctx context.Context, w Wanted) (Subscription, error) {
			if len(w.Events) == 0 {
				w.Events = trustistEvents
			}
			return a.change(ctx, http.MethodPost, c.Path, struct {
				URL    string   `json:"url"`
				Name   string   `json:"name,omitempty"`
				Events []string `json:"events"`
			}{w.URL, w.Name, w.Events})
		},
		Delete: func(ctx context.Context, id string) error {
			return a.do(ctx, http.MethodDelete, c.Path+"/"+url.PathEscape(id))
		},
	}
}

// hawk authorizes requests by the Hawk scheme, without a payload hash, which Trustist does not ask for. Each try of a
// request gets its own header, since a nonce is valid only once.
//
// https://api.trustistecommerce.com/docs/authentication
func hawk(id, key string) func(*http.Request) {
	return func(req *http.Request) {
		ts, nonce := strconv.FormatInt(time.Now().Unix(), 10), rand.Text()
		mac := hawkMAC(key, ts, nonce, req.Method, req.URL)
		req.Header.Set("Authorization", fmt.Sprintf(`Hawk id="%s", ts="%s", nonce="%s", mac="%s"`, id, ts, nonce, mac))
	}
}

// hawkMAC is the HMAC-SHA256 of the normalized request. Its last two lines, the payload hash and ext, are empty.
//
// https://github.com/mozilla/hawk/blob/main/API.md
func hawkMAC(key, ts, nonce, method string, u *url.URL) string {
	port := cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	lines := []string{"hawk.1.header", ts, nonce, method, u.RequestURI(), strings.ToLower(u.Hostname()), port, "", "", ""}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(strings.Join(lines, "\n")))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
