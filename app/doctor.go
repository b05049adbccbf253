package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Result says how a check came out.
type Result string

// The results of a check.
const (
	Fine    Result = "ok"
	Warning Result = "warning" // it works, and should be mended
	Problem Result = "problem" // it does not work
)

// Check is what was found out about one thing that the program needs.
type Check struct {
	Name   string `json:"name"`
	Result Result `json:"result"`
	Says   string `json:"says"` // never a secret
	Do     string `json:"do"`   // to mend it; empty where all is well
}

// Doctor checks what a start needs, beside a server that may be running, and writes nothing that stays. The problems are those that
// LoadConfig found in c: what they leave open is checked all the same.
func Doctor(ctx context.Context, c Config, problems error) []Check {
	checks := checkConfig(c, problems)
	if c.Addr == "" {
		return checks // there is no configuration to go on with
	}
	return slices.Concat(checks, checkSecrets(c), checkModes(), checkDatabase(ctx, c.DatabaseURL), checkRedis(ctx, c.RedisURL))
}

func checkConfig(c Config, problems error) (checks []Check) {
	if problems != nil {
		for line := range strings.SplitSeq(problems.Error(), "\n") {
			checks = append(checks, Check{"configuration", Problem, line, "set it in .env or the environment; the README has the table"})
		}
		return checks
	}
	providers := strings.Join(slices.Sorted(maps.Keys(c.Secrets)), ", ")
	if providers == "" {
		providers = "none"
	}
	return []Check{{"configuration", Fine, fmt.Sprintf("APP_ENV %s, ROLE %s, providers: %s", c.Env, c.Role, providers), ""}}
}
