package app

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"example.com/identity-webhooks/jobs"
)

// oldestRedis is the first major version that has all commands that tasks need.
const oldestRedis = 4

func checkRedis(ctx context.Context, url string) []Check {
	if url == "" {
		return []Check{{"queue", Fine, "embedded in the process, since REDIS_URL is not set", ""}}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	r, err := jobs.LookAtRedis(ctx, url)
	if err != nil {
		return []Check{{"queue", Problem, "REDIS_URL: " + oneLine(err), "start Redis, and see whether its address and password are right; until then deliveries are stored only"}}
	}
	return judgeRedis(r)
}

func judgeRedis(r jobs.Redis) []Check {
	checks := []Check{{"queue", Fine, "Redis " + r.Version + " answers", ""}}
	major, _, _ := strings.Cut(r.Version, ".")
	if n, err := strconv.Atoi(major); err == nil && n < oldestRedis {
		checks[0] = Check{"queue", Problem, "Redis " + r.Version + " is too old", fmt.Sprintf("use version %d or newer", oldestRedis)}
	}
	if r.Policy != "" && r.Policy != "noeviction" { // some hosted ones keep it to themselves
		checks = append(checks, Check{"queue", Warning, "maxmemory-policy is " + r.Policy + ": tasks are dropped when memory is full, and come late",
			"CONFIG SET maxmemory-policy noeviction, and in redis.conf"})
	}
	return checks
}
