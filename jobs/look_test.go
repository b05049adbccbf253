package jobs_test

import (
	"regexp"
	"testing"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/jobs"
)

func TestLookAtRedis(t *testing.T) {
	t.Parallel()
	r, err := jobs.LookAtRedis(t.Context(), testservers.RedisURL(t))
	if err != nil || !regexp.MustCompile(`^\d+\.\d+`).MatchString(r.Version) || r.Policy != "noeviction" {
		t.Errorf("got %+v, %v, want a version and Redis's default policy", r, err)
	}
}
