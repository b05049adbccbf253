package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Redis is what a Redis says of itself.
type Redis struct {
	Version string
	Policy  string // what it does when its memory is full; noeviction keeps tasks
}

// LookAtRedis asks the Redis that url names, as OpenQueue takes it.
func LookAtRedis(ctx context.Context, url string) (r Redis, err error) {
	q, err := OpenQueue(url)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	for _, section := range []string{"server", "memory"} { // older ones take one at a time
		text, err := q.relay.Info(ctx, section).Result()
		if err != nil {
			return r, fmt.Errorf("ask Redis about itself: %w", err)
		}
		for line := range strings.Lines(text) {
			switch name, value, _ := strings.Cut(strings.TrimSpace(line), ":"); name {
			case "redis_version":
				r.Version = value
			case "maxmemory_policy":
				r.Policy = value
			}
		}
	}
	return r, nil
}
