package app

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

const (
	// minRetention is the shortest PAYLOAD_RETENTION: longer than all attempts at an event.
	minRetention = time.Hour
	// maxRetention is longer than anybody needs. It keeps a number of days from overflowing.
	maxRetention = 100 * 365 * day
	day          = 24 * time.Hour
)

// checkPrivacy reads how long payloads are kept, and the keys that encrypt them. The providers' secrets must have been read.
func (c *Config) checkPrivacy(p *problems) {
	keys := SplitSecrets(c.Keys)
	if len(keys) == 0 && c.Keys != "" {
		p.addf("ENCRYPTION_KEYS holds no key")
	}
	for _, text := range keys {
		key, err := models.ParseKey(text)
		same := func(k models.Key) bool { return k.Fingerprint() == key.Fingerprint() }
		n := len(c.EncryptionKeys) + 1
		if err == nil && slices.ContainsFunc(c.EncryptionKeys, same) {
			err = errors.New("is there twice")
		}
		if err != nil {
			p.addf("ENCRYPTION_KEYS, key %d: %w", n, err)
		}
		c.EncryptionKeys = append(c.EncryptionKeys, key)
	}
	c.Keys = ""
	if c.Retention == "off" {
		return
	}
	keep, err := parseDays(c.Retention)
	if err != nil || keep < minRetention || keep > maxRetention {
		p.addf("PAYLOAD_RETENTION is %q: want 1h to 36500d, such as 30d, or off to keep payloads forever", c.Retention)
		return
	}
	c.PayloadRetention = keep
	providers := slices.Sorted(maps.Keys(c.Secrets))
	if len(providers) == 0 && c.Role == RoleWorker { // it need not know whose deliveries the receivers take
		providers = handlers.ProviderNames()
	}
	for _, provider := range providers {
		if retries := handlers.RetriesFor(provider); keep < retries {
			p.addf("PAYLOAD_RETENTION is %q, but %s sends a delivery again for up to %s: want at least that", c.Retention,
				handlers.ProviderTitle(provider), inDays(retries))
		}
	}
}

// parseDays reads a number of days, such as 30d, or a duration.
func parseDays(text string) (time.Duration, error) {
	number, inDays := strings.CutSuffix(text, "d")
	if !inDays {
		return time.ParseDuration(text)
	}
	days, err := strconv.ParseUint(number, 10, 16)
	return time.Duration(days) * day, err
}

// inDays is the opposite of parseDays.
func inDays(d time.Duration) string {
	if d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return d.String()
}
