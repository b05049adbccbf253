package subscriptions

import (
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

// hawk authorizes requests by the Hawk scheme, with HMAC-SHA256 and without a payload hash, which Trustist does not ask for.
//
// https://api.trustistecommerce.com/docs/authentication
type hawk struct {
	id, key string
	now     func() time.Time
	nonce   func() string
}

func newHawk(id, key string) hawk { return hawk{id, key, time.Now, rand.Text} }

// authorize sets the Authorization header. Each try of a request needs a new one, since a nonce counts only once.
func (h hawk) authorize(req *http.Request) {
	ts, nonce := strconv.FormatInt(h.now().Unix(), 10), h.nonce()
	mac := hawkMAC(h.key, ts, nonce, req.Method, req.URL, "", "")
	req.Header.Set("Authorization", fmt.Sprintf(`Hawk id="%s", ts="%s", nonce="%s", mac="%s"`, h.id, ts, nonce, mac))
}

// hawkMAC is the MAC over the normalized request. The lines of hash and ext are there even if both are empty.
//
// https://github.com/mozilla/hawk/blob/main/API.md
func hawkMAC(key, ts, nonce, method string, u *url.URL, hash, ext string) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "http":
		port = "80"
	default:
		port = "443"
	}
	mac := hmac.New(sha256.New, []byte(key))
	for _, line := range []string{"hawk.1.header", ts, nonce, method, u.RequestURI(), strings.ToLower(u.Hostname()), port, hash, ext} {
		mac.Write([]byte(line + "\n"))
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
