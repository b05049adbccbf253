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

// hawk signs requests by the Hawk scheme, with HMAC-SHA256 and without a payload hash, which Trustist does not ask for.
//
// https://api.trustistecommerce.com/docs/authentication
type hawk struct {
	id, key string
	now     func() time.Time
	nonce   func() string
}

func newHawk(id, key string) hawk { return hawk{id, key, time.Now, rand.Text} }

// sign sets the Authorization header. Each try of a request needs a new one: a nonce counts once.
func (h hawk) sign(req *http.Request) {
	ts, nonce := strconv.FormatInt(h.now().Unix(), 10), h.nonce()
	mac := hawkMAC(h.key, ts, nonce, req.Method, req.URL, "", "")
	req.Header.Set("Authorization", fmt.Sprintf(`Hawk id="%s", ts="%s", nonce="%s", mac="%s"`, h.id, ts, nonce, mac))
}

// hawkMAC is the code over the normalized request. The payload's hash and ext may be empty: their lines are there all the same.
//
// https://github.com/mozilla/hawk/blob/main/API.md
func hawkMAC(key, ts, nonce, method string, u *url.URL, hash, ext string) string {
	ext = strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(ext)
	mac := hmac.New(sha256.New, []byte(key))
	for _, line := range []string{"hawk.1.header", ts, nonce, method, u.RequestURI(), strings.ToLower(u.Hostname()), port(u), hash, ext} {
		mac.Write([]byte(line + "\n"))
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// port is the one a URL leads to, said or not.
func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "http":
		return "80"
	}
	return "443"
}
